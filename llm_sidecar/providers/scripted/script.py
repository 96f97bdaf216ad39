"""A demo answer before it is played: what comes, in which tokens, at which pace, and what goes wrong.

Law: values. `composer` (above) fills them, `adapter` plays them; nothing is decided and nothing waits here.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from llm_sidecar.providers.events import (
    PromptProgress,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from llm_sidecar.providers.scripted.directives import Fault


class Thought(Struct, frozen=True):
    """Reasoning."""

    tokens: Sequence[str]

    def delta(self, start: int, end: int) -> ProviderEvent:
        return ReasoningDelta("".join(self.tokens[start:end]))


class Speech(Struct, frozen=True):
    """Text of the answer."""

    tokens: Sequence[str]

    def delta(self, start: int, end: int) -> ProviderEvent:
        return TextDelta("".join(self.tokens[start:end]), end - start)


class Call(Struct, frozen=True):
    """A tool call; its tokens are those of its arguments, at least one (which may be empty)."""

    tokens: Sequence[str]
    index: int
    id: str
    name: str

    def delta(self, start: int, end: int) -> ProviderEvent:
        arguments = "".join(self.tokens[start:end])
        return ToolCallDelta(self.index, arguments, None if start else self.id, None if start else self.name)


Part = Thought | Speech | Call


class Script(Struct, frozen=True):
    """One answer. Times in seconds: `connect` until the request is accepted, `first_token` from there on.

    `parts` hold at least one token each. With a `fault`, the answer stops where it says, or where its parts end.
    """

    connect: float
    first_token: float
    rate: float
    opening: list[ProviderEvent]
    progress: list[PromptProgress]
    parts: list[Part]
    closing: list[ProviderEvent]
    fault: Fault | None

    def length(self) -> int:
        """Tokens of all parts."""
        return sum(len(part.tokens) for part in self.parts)

    def deltas(self, start: int, end: int) -> list[ProviderEvent]:
        """Tokens `start` to `end` of the whole answer, those of one part joined."""
        events: list[ProviderEvent] = []
        offset = 0
        for part in self.parts:
            size = len(part.tokens)
            first, last = max(start - offset, 0), min(end - offset, size)
            if first < last:
                events.append(part.delta(first, last))
            offset += size
        return events
