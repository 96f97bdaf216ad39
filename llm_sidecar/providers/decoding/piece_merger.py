"""Pieces of one answer → events: pieces of the same kind that arrive together become one event.

Law: order is kept; nothing is held back but half a character whose other half is still to come. It knows no JSON.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from llm_sidecar.providers.decoding.surrogates import SurrogateJoiner
from llm_sidecar.providers.events import ProviderEvent, ReasoningDelta, TextDelta, ToolCallDelta

TEXT: Final = -1
REASONING: Final = -2
"""Channels: these two, and each tool call under its number."""


class NewCall(NamedTuple):
    id: str
    name: str


class PieceMerger:
    """One per answer. `add` pieces, `put` other events between them, `take` what there is."""

    def __init__(self) -> None:
        self._batch: list[ProviderEvent] = []
        self._channel = TEXT
        self._run: list[str] = []
        self._new_call: NewCall | None = None
        self._halves = SurrogateJoiner()

    def add(self, channel: int, piece: str, *, odd: bool = False) -> None:
        """A piece of text, reasoning or a call's arguments. `odd`: it may begin or end with half a character."""
        if odd or self._halves.waiting:
            piece = self._halves.join(channel, piece)
        if not piece:
            return
        if channel != self._channel:
            self._close_run()
            self._channel = channel
        self._run.append(piece)

    @property
    def is_on_text(self) -> bool:
        """Whether a piece of text would simply follow the one before it."""
        return self._channel == TEXT and not self._halves.waiting

    def add_more_text(self, piece: str) -> None:
        """The hot case of `add`: another piece (not empty, whole characters) while `is_on_text`."""
        self._run.append(piece)

    def begin_call(self, number: int, call: NewCall) -> None:
        """A tool call begins, maybe without any arguments yet."""
        self._close_run()
        self._channel, self._new_call = number, call

    def put(self, event: ProviderEvent) -> None:
        """Anything else, after what came before it."""
        self._close_run()
        self._batch.append(event)

    def abandon_halves(self) -> None:
        """Nothing more will come: a half that waits for its other half becomes U+FFFD."""
        for channel in self._halves.abandon():
            self.add(channel, "\ufffd")

    def take(self) -> list[ProviderEvent]:
        """The events since the last time."""
        self._close_run()
        batch, self._batch = self._batch, []
        return batch

    def _close_run(self) -> None:
        call, self._new_call = self._new_call, None
        if not self._run and call is None:
            return
        pieces, self._run = self._run, []
        text = "".join(pieces)
        if self._channel == TEXT:
            self._batch.append(TextDelta(text, len(pieces)))
        elif self._channel == REASONING:
            self._batch.append(ReasoningDelta(text))
        elif call is not None:
            self._batch.append(ToolCallDelta(self._channel, text, call.id, call.name))
        else:
            self._batch.append(ToolCallDelta(self._channel, text))
