"""The content blocks of one answer, as their deltas come: pieces in, provider events out.

Law: it knows blocks, not messages: where the answer begins, pauses and ends is `stream`'s business. Pieces of
one block that arrive together are merged. A delta adds to the block of its index, and only if it is of its kind. Tool
calls are numbered from 0 over the whole turn, and one without arguments has `{}`. What is kept for the next turn is
bounded, and so is how many blocks can be coming at once.
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

import msgspec

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.anthropic.blocks import Block, StreamedBlock, StreamedTurn
from llm_sidecar.providers.anthropic.events import ContentBlock, Delta, content_block
from llm_sidecar.providers.decoding.surrogates import SurrogateJoiner, mended
from llm_sidecar.providers.events import ProviderEvent, ReasoningDelta, TextDelta, ToolCallDelta

_MAX_COMING: Final = 64
"""Blocks begun and not ended. Anthropic sends one after the other."""


class ContentStream:
    """Makes events of blocks. `events` are those of whole runs; `flush` completes the run that is coming."""

    def __init__(self, max_size: int) -> None:
        self.events: list[ProviderEvent] = []
        self.turn = StreamedTurn(max_size)
        self.calls = 0
        """Tool calls so far."""
        self._coming: dict[int, StreamedBlock] = {}
        self._open: StreamedBlock | None = None
        self._open_index = 0
        self._run: list[str] = []
        self._halves = SurrogateJoiner()

    def is_more(self, index: int, delta: Delta) -> bool:
        """The hot case: nearly every event of an answer adds a piece to the block that had the last one."""
        block = self._open
        if block is None or index != self._open_index or self._halves.waiting:
            return False
        piece = delta.text if block.kind == "text" else _piece(block, delta)
        if not piece:
            return False
        self._run.append(piece)
        return True

    def begin(self, index: int, start: Block, size: int, *, odd: bool = False) -> None:
        """A block begins, in an event of `size` bytes; `odd`: its texts may hold half characters.

        Raises `PROVIDER_PROTOCOL_ERROR` for what no message has.
        """
        try:
            begun = content_block(start)
        except msgspec.ValidationError as error:
            raise protocol_error("sent a content block of an unknown shape") from error
        self.end(index)
        if len(self._coming) >= _MAX_COMING:
            raise protocol_error("began too many content blocks at once")
        block = self._new_block(begun, start)
        self._coming[index] = block
        self.turn.begin(block, size)
        text = (begun.text if block.kind == "text" else begun.thinking if block.kind == "thinking" else None) or ""
        if text or block.kind == "call":
            self._add(index, block, text, odd)

    def add(self, index: int, delta: Delta, *, odd: bool = False) -> None:
        """A piece of the block at `index`. A text may come without its block having begun (other servers)."""
        block = self._coming.get(index)
        if block is None:
            kind = "text" if delta.text else "thinking" if delta.thinking else None
            if kind is None:
                return
            self.begin(index, {"type": kind}, 0)
            block = self._coming[index]
        piece = _piece(block, delta)
        if piece:
            self._add(index, block, piece, odd)
        elif block.kind == "thinking" and delta.signature is not None:
            self.turn.sign(block, delta.signature)
        elif block.kind == "opaque" and delta.partial_json is None:
            block.is_intact = False

    def end(self, index: int) -> None:
        """The block at `index` is complete."""
        block = self._coming.get(index)
        if block is None:
            return
        for half in self._halves.abandon():
            self._add(half, self._coming[half], "\ufffd", odd=False)
        if block.kind == "call" and block.is_blank and not (block is self._open and any(self._run)):
            self._add(index, block, _arguments(block), odd=False)
        self.flush()
        del self._coming[index]
        self._open = None

    def end_all(self) -> None:
        for index in list(self._coming):
            self.end(index)

    def flush(self) -> None:
        """What has come of the open block so far is an event now."""
        block = self._open
        if not self._run or block is None:
            return
        pieces, self._run = self._run, []
        text = "".join(pieces)
        self.turn.add(block, text)
        if block.kind == "text":
            self.events.append(TextDelta(text, len(pieces)))
        elif block.kind == "thinking":
            self.events.append(ReasoningDelta(text))
        elif block.kind == "call":
            call_id, name = (None, None) if block.is_announced else (block.call_id, block.name)
            self.events.append(ToolCallDelta(block.call_number, text, call_id, name))
            block.is_announced = True
            block.is_blank = block.is_blank and not text

    def _new_block(self, begun: ContentBlock, start: Block) -> StreamedBlock:
        if begun.type == "text":
            return StreamedBlock("text", start)
        if begun.type == "thinking":
            block = StreamedBlock("thinking", start)
            block.signature = begun.signature or ""
            return block
        if begun.type != "tool_use":
            return StreamedBlock("opaque", start)
        if not begun.name:
            raise protocol_error("sent a tool call without a name")
        block = StreamedBlock("call", start)
        block.call_number, self.calls = self.calls, self.calls + 1
        block.call_id = mended(begun.id) if begun.id else f"call_{uuid4().hex}"
        block.name = mended(begun.name)
        return block

    def _add(self, index: int, block: StreamedBlock, text: str, odd: bool) -> None:
        if odd or self._halves.waiting:
            text = self._halves.join(index, text)
            if not text and block.kind != "call":
                return
        if block is not self._open:
            self.flush()
            self._open, self._open_index = block, index
        self._run.append(text)


def protocol_error(deed: str) -> ProviderError:
    """What Anthropic's protocol does not allow, as a sentence about the provider."""
    return ProviderError("PROVIDER_PROTOCOL_ERROR", f"The provider {deed}.")


def _piece(block: StreamedBlock, delta: Delta) -> str | None:
    if block.kind == "text":
        return delta.text
    return delta.thinking if block.kind == "thinking" else delta.partial_json


def _arguments(block: StreamedBlock) -> str:
    """Of a call that had none streamed: those it began with (other servers, and whole messages), or none."""
    return msgspec.json.encode(content_block(block.start).input or {}).decode()
