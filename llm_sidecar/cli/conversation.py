"""A conversation, as it is sent again with every question.

Law: it always fits a request: the oldest turns leave when there are too many, and an over-long answer is cut. A
question without an answer leaves no trace.
"""

from __future__ import annotations

from typing import Any, Final

from llm_sidecar.client import DoneEvent

_MAX_MESSAGES: Final = 100
_MAX_CHARACTERS: Final = 100_000
"""Of one message; both as in `messages.content` and `messages.inference`."""


class Conversation:
    """The turns so far."""

    def __init__(self, system_prompt: str | None) -> None:
        self._system_prompt = system_prompt
        self._messages: list[dict[str, Any]] = []

    def ask(self, question: str) -> dict[str, Any]:
        """The fields of a request that asks `question` now."""
        messages = [*self._messages[-(_MAX_MESSAGES - 2) :], {"role": "user", "content": question}]
        fields: dict[str, Any] = {"messages": messages}
        if self._system_prompt:
            fields["systemPrompt"] = self._system_prompt
        return fields

    def keep(self, question: str, answer: str, done: DoneEvent) -> None:
        """Remember a turn; a cancelled one, as far as it came."""
        if not answer:
            return
        said: dict[str, Any] = {"role": "assistant", "content": answer[:_MAX_CHARACTERS]}
        if done.provider_state is not None:
            said["providerState"] = done.provider_state
        self._messages += [{"role": "user", "content": question}, said]
