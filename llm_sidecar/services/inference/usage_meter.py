"""Token counts of one inference: what the provider reported, and an honest estimate of the rest.

Law: never absent, never a silent zero, and `source` says which it is. The estimate is one token per four bytes of UTF-8
(OpenAI's rule of thumb for English), but at least one per delta received, plus four per message for its frame and
1,000 per image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from llm_sidecar.messages.content import Message, TextPart
from llm_sidecar.messages.events import Usage
from llm_sidecar.providers.events import UsageReport

_BYTES_PER_TOKEN: Final = 4
_MESSAGE_FRAME: Final = 4
_IMAGE_TOKENS: Final = 1_000


class UsageMeter:
    """Counts while the answer streams."""

    def __init__(self, messages: Sequence[Message], system_prompt: str | None) -> None:
        self._messages = messages
        self._system_prompt = system_prompt
        self.reported = UsageReport()
        self.bytes_received = 0
        self._deltas = 0

    def received(self, byte_count: int, deltas: int) -> None:
        """Text, reasoning or tool arguments came."""
        self.bytes_received += byte_count
        self._deltas += deltas

    def report(self, report: UsageReport) -> None:
        """The provider said this; fields it left out stay as they were."""
        old = self.reported
        self.reported = UsageReport(
            prompt_tokens=_newer(report.prompt_tokens, old.prompt_tokens),
            completion_tokens=_newer(report.completion_tokens, old.completion_tokens),
            cached_prompt_tokens=_newer(report.cached_prompt_tokens, old.cached_prompt_tokens),
            cache_write_tokens=_newer(report.cache_write_tokens, old.cache_write_tokens),
            reasoning_tokens=_newer(report.reasoning_tokens, old.reasoning_tokens),
        )

    def usage(self, *, complete: bool, was_sent: bool) -> Usage:
        """The figures now. `complete`: the answer came to its own end. `was_sent`: the provider got the request at all
        (if not, nothing was used)."""
        reported = self.reported
        source: Literal["reported", "estimated", "partial"]
        # Some servers report zeros: no request has an empty prompt, and no text comes of zero tokens.
        prompt = reported.prompt_tokens or None
        completion = reported.completion_tokens if reported.completion_tokens or not self._deltas else None
        if prompt is not None and completion is not None and complete:
            source = "reported"
        else:
            source = "estimated" if complete else "partial"
        if prompt is None:
            prompt = estimated_prompt(self._messages, self._system_prompt) if was_sent else 0
        estimated_completion = max(self._deltas, -(-self.bytes_received // _BYTES_PER_TOKEN))
        if completion is None or not complete:
            # A running count can lag behind what has been received when the stream is cut.
            completion = max(completion or 0, estimated_completion)
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            cached_prompt_tokens=reported.cached_prompt_tokens,
            cache_write_tokens=reported.cache_write_tokens,
            reasoning_tokens=reported.reasoning_tokens,
            source=source,
        )


def estimated_prompt(messages: Sequence[Message], system_prompt: str | None) -> int:
    """About how many tokens a prompt has."""
    tokens = _text_tokens(system_prompt or "")
    for message in messages:
        tokens += _MESSAGE_FRAME
        if isinstance(message.content, str):
            tokens += _text_tokens(message.content)
        else:
            for part in message.content:
                tokens += _text_tokens(part.text) if isinstance(part, TextPart) else _IMAGE_TOKENS
    return tokens


def _text_tokens(text: str) -> int:
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def _newer(new: int | None, old: int | None) -> int | None:
    return old if new is None else new
