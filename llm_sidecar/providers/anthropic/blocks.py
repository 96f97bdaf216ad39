"""The blocks of an assistant's turn: kept while they stream, remembered by the host, sent again in the next turn.

Law: what has a signature goes back as it came and where it was, or not at all ("Thinking", Anthropic's documentation: a
modified thinking block is refused). The host keeps a layout of the turn: `{"anthropic": [segment, …]}`, where a segment
is

- `{"text": n}`: the next n characters of the message's text;
- `{"call": id}`: that tool call of the message;
- any object with a `type`: a block of Anthropic's own, verbatim (thinking, redacted thinking, what its tools did).

Text and calls are not in it twice, and a turn of text and calls alone needs none. A host may have edited the message
since. If the lengths no longer add up, the whole text goes where the first of it (or the first call) was; a call that
is gone is left out, a new one comes last. A layout that is no such list is ignored.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from llm_sidecar.providers.events import ProviderState

Block = dict[str, Any]
"""A content block, as the API takes it."""

_STATE: Final = "anthropic"
_BLOCK_SIZE: Final = 256
"""What a block takes besides what it holds, about."""
_THINKING: Final = frozenset({"thinking", "redacted_thinking"})


class StreamedBlock:
    """One content block while it is coming. `pieces` are its text, thinking or JSON."""

    __slots__ = ("call_id", "call_number", "is_announced", "is_blank", "is_intact", "kind", "name", "pieces",
                 "signature", "start")  # fmt: skip

    def __init__(self, kind: Literal["text", "thinking", "call", "opaque"], start: Block) -> None:
        self.kind = kind
        self.start = start
        self.pieces: list[str] = []
        self.signature = ""
        self.call_number = 0
        self.call_id = ""
        self.name = ""
        self.is_announced = False
        """Whether the first piece of the call was sent on."""
        self.is_blank = True
        """Whether no text of it has come."""
        self.is_intact = True
        """Whether everything that came of it was understood: else it cannot be sent again."""

    def whole(self) -> Block | None:
        """The block as it is sent back; None where it cannot be."""
        text = "".join(self.pieces)
        if self.kind == "text":
            return text_block(text)
        if self.kind == "thinking":
            block = {"type": "thinking", "thinking": text, "signature": self.signature}
            return block if self.signature else None
        if self.kind == "call":
            return call_block(self.call_id, self.name, text)
        if not self.is_intact:
            return None
        try:
            return {**self.start, "input": msgspec.json.decode(text)} if text else self.start
        except (msgspec.DecodeError, RecursionError):
            return None

    def segment(self) -> Block | None:
        """Its place in the layout."""
        if self.kind == "text":
            return {"text": sum(map(len, self.pieces))}
        if self.kind == "call":
            return {"call": self.call_id}
        return self.whole()


class StreamedTurn:
    """The blocks of one answer, up to `max_size` characters of them; what is larger is not kept at all."""

    def __init__(self, max_size: int) -> None:
        self._room = max_size
        self._blocks: list[StreamedBlock] = []

    def begin(self, block: StreamedBlock, size: int) -> None:
        """A block whose first event has `size` bytes."""
        self._take_room(size + _BLOCK_SIZE)
        if self._room >= 0:
            self._blocks.append(block)

    def add(self, block: StreamedBlock, text: str) -> None:
        self._take_room(len(text))
        if self._room >= 0:
            block.pieces.append(text)

    def sign(self, block: StreamedBlock, signature: str) -> None:
        self._take_room(len(signature))
        block.signature = signature

    def content(self) -> list[Block]:
        """The turn so far, to be continued; empty where it is too large or there is nothing."""
        return [block for streamed in self._blocks if (block := streamed.whole()) is not None]

    def state(self) -> ProviderState | None:
        """What the host is to send back; None for a turn of text and calls alone."""
        layout = [segment for block in self._blocks if (segment := block.segment()) is not None]
        return ProviderState({_STATE: layout}) if any("type" in segment for segment in layout) else None

    def _take_room(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            self._blocks.clear()


def text_block(text: str) -> Block | None:
    """None for an empty text: the API refuses one, also of white space only, and it says nothing."""
    return {"type": "text", "text": text} if text.strip() else None


def call_block(call_id: str, name: str, arguments: str) -> Block:
    """A tool call. `input` must be an object: what the model wrote is sent as it is where it is one.

    No text at all is a call without arguments. Anything else is wrapped, so that the model sees what it did ("Handling
    invalid JSON", Anthropic's page on fine-grained tool streaming).
    """
    sent: Any
    try:
        is_object = isinstance(msgspec.json.decode(arguments or "{}"), dict)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        is_object = False
    sent = msgspec.Raw((arguments or "{}").encode()) if is_object else {"INVALID_JSON": arguments}
    return {"type": "tool_use", "id": call_id, "name": name, "input": sent}


def replayed(state: dict[str, Any] | None, text: str | None, content: list[Block], calls: list[Block]) -> list[Block]:
    """A turn in its old order. `state` is what an `llm:done` gave, the rest what the message says now: `content` as
    blocks, and the same as one `text` (None where it is not text alone), and its tool `calls`.

    Thoughts that end a turn are left out: nothing came of them, and the API refuses them there.
    """
    layout = _layout(state)
    if layout is None:
        return [*content, *calls]
    texts = _Texts(text, content, sum(segment["text"] for segment in layout if "text" in segment))
    calls_by_id = {call["id"]: call for call in calls}
    blocks: list[Block] = []
    for segment in layout:
        if "type" in segment:
            blocks.append(segment)
        elif "text" in segment:
            blocks += texts.take(segment["text"])
        else:
            blocks += texts.take(0)
            call = calls_by_id.pop(segment["call"], None)
            if call is not None:
                blocks.append(call)
    blocks += texts.rest()
    blocks += [call for call in calls if call["id"] in calls_by_id]
    while blocks and blocks[-1]["type"] in _THINKING:
        blocks.pop()
    return blocks


class _Texts:
    """The text of a message, given out in pieces of known length; all at once where the lengths do not fit."""

    def __init__(self, text: str | None, content: list[Block], length: int) -> None:
        self._text = text if text is not None and len(text) == length else None
        self._content = content

    def take(self, length: int) -> list[Block]:
        if self._text is None:
            content, self._content = self._content, []
            return content
        piece, self._text = self._text[:length], self._text[length:]
        block = text_block(piece)
        return [] if block is None else [block]

    def rest(self) -> list[Block]:
        return self._content if self._text is None else []


def _layout(state: dict[str, Any] | None) -> list[Block] | None:
    layout = state.get(_STATE) if state else None
    return layout if isinstance(layout, list) and all(map(_is_segment, layout)) else None


def _is_segment(segment: object) -> bool:
    if not isinstance(segment, dict):
        return False
    if "type" in segment:
        return isinstance(segment["type"], str)
    if "text" in segment:
        return type(segment["text"]) is int and segment["text"] >= 0
    return isinstance(segment.get("call"), str)
