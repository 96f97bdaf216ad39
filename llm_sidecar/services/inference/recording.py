"""An answer as it came, kept so that it can be given again.

Law: the same events in the same order, adjacent pieces of one kind joined. Bounded: an answer that is too long is not
kept at all.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from llm_sidecar.limits import KIB
from llm_sidecar.providers.events import (
    PromptProgress,
    ProviderEvent,
    ProviderState,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)

_MOST_BYTES: Final = 512 * KIB
_EVENT_BYTES: Final = 128
"""About what an event takes besides its text."""

_Content = TextDelta | ReasoningDelta | ToolCallDelta


class RecordedAnswer(NamedTuple):
    """A complete answer."""

    events: list[ProviderEvent]
    joined_deltas: int
    """Pieces of reasoning and tool calls that were joined into others: an estimate of tokens counts them all."""
    size: int
    """Bytes, about."""


class _Piece:
    """Adjacent content of one kind."""

    __slots__ = ("count", "first", "texts")

    def __init__(self, first: _Content) -> None:
        self.first = first
        self.texts = [_text(first)]
        self.count = first.count if isinstance(first, TextDelta) else 1

    def takes(self, event: _Content) -> bool:
        """Whether `event` only continues what is here."""
        if isinstance(event, ToolCallDelta):
            is_begun = isinstance(self.first, ToolCallDelta) and self.first.index == event.index
            return is_begun and event.id is None and event.name is None
        return type(event) is type(self.first)

    def joined(self) -> ProviderEvent:
        text = "".join(self.texts)
        if isinstance(self.first, TextDelta):
            return TextDelta(text, self.count)
        if isinstance(self.first, ReasoningDelta):
            return ReasoningDelta(text)
        return replace(self.first, arguments=text)


class Recording:
    """Add every batch; `answer` when it is complete."""

    def __init__(self) -> None:
        self._items: list[_Piece | ProviderEvent] = []
        self._joined_deltas = 0
        self._size = 0

    def add(self, batch: list[ProviderEvent]) -> None:
        """The provider sent this."""
        for event in batch:
            if self._size <= _MOST_BYTES and not isinstance(event, PromptProgress):
                self._add(event)

    def answer(self) -> RecordedAnswer | None:
        """All of it; None if that is too long to be kept."""
        if self._size > _MOST_BYTES:
            return None
        events = [item.joined() if isinstance(item, _Piece) else item for item in self._items]
        return RecordedAnswer(events, self._joined_deltas, self._size)

    def _add(self, event: ProviderEvent) -> None:
        if not isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            state_bytes = len(msgspec.json.encode(event.state)) if isinstance(event, ProviderState) else 0
            self._size += _EVENT_BYTES + state_bytes
            self._items.append(event)
            return
        text = _text(event)
        self._size += len(text) if text.isascii() else len(text.encode())
        last = self._items[-1] if self._items else None
        if isinstance(last, _Piece) and last.takes(event):
            last.texts.append(text)
            if isinstance(event, TextDelta):
                last.count += event.count
            else:
                self._joined_deltas += 1
        else:
            self._size += _EVENT_BYTES
            self._items.append(_Piece(event))


def _text(event: _Content) -> str:
    return event.arguments if isinstance(event, ToolCallDelta) else event.text
