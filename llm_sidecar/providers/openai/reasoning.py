"""Which reasoning goes back to a server of the chat completions format, and beside which message.

Law: it goes back under the name it came with, as the `providerState` of a message holds it. OpenAI and Azure never get
any: they refuse messages with fields they do not know.

DeepSeek is strict ("Thinking Mode" in its guides): where the model called a tool between two user messages, every
assistant message between them must come back with its `reasoning_content` (an empty one where the model had none), for
the rest of the conversation, or the request is refused with 400. Between other user messages it is ignored, so that it
is not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llm_sidecar.messages.content import Message

_FIELDS: Final = ("reasoning_content", "reasoning")
"""Where servers put the model's reasoning in an answer, and want it back."""

_REFUSE_FIELDS: Final = frozenset({"openai", "azure"})


def replayed_reasoning(messages: Sequence[Message], provider_id: str) -> list[dict[str, str]]:
    """The fields to be added to each of `messages`."""
    if provider_id in _REFUSE_FIELDS:
        return [{} for _ in messages]
    own = [_own(message) for message in messages]
    if provider_id != "deepseek" or not any(own):
        return own
    replayed: list[dict[str, str]] = [{} for _ in messages]
    for turn in _turns(messages):
        if any(messages[at].tool_calls for at in turn):
            for at in turn:
                if messages[at].role == "assistant":
                    replayed[at] = {"reasoning_content": next(iter(own[at].values()), "")}
    return replayed


def _own(message: Message) -> dict[str, str]:
    state = message.provider_state or {}
    return {field: state[field] for field in _FIELDS if isinstance(state.get(field), str)}


def _turns(messages: Sequence[Message]) -> Iterator[range]:
    """What lies between two user messages."""
    start = 0
    for at, message in enumerate(messages):
        if message.role == "user":
            yield range(start, at)
            start = at
    yield range(start, len(messages))
