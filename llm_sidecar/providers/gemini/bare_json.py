"""JSON that stands in an event stream as it is, without `data:`. Bytes in, bytes out; no I/O.

Law: Gemini's servers write a failure into a stream that has begun as plain JSON over several lines (Google's SDK reads
it so too); a decoder of server-sent events would drop those lines unread. No field of an event begins with a brace or a
bracket, so such a line begins bare JSON; it is written anew as one event, in its place. The same bytes give the same
bytes however they are cut. Memory is at most `max_bytes` and one chunk.
"""

from __future__ import annotations

from typing import Final

_OPENING: Final = b"{["
_CLOSING: Final = b"}]"
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_NEWLINES_TO_SPACES: Final = bytes.maketrans(b"\r\n", b"  ")
"""Between the tokens of JSON they are the same, and within its strings there are none."""


class BareJson:
    """One per stream."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._value = bytearray()
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._at_line_start = True

    @property
    def is_incomplete(self) -> bool:
        """Whether a value has begun that has not ended."""
        return bool(self._value)

    def as_events(self, data: bytes) -> bytes:
        """`data` with every bare value that ends in it as an event; what is not bare JSON stays as it is.

        A value above `max_bytes` is handed on unfinished: the decoder of events has the same limit, and refuses it.
        """
        if not self._value and not self._may_begin(data):
            return data
        events = bytearray()
        while data:
            if not self._value:
                start = self._start(data)
                events += data[:start]
                data = data[start:]
            end = self._end(data)
            self._value += data[:end]
            data = data[end:]
            if self._value and self._depth == 0:
                # The newline before it: the line before is whole, and so is its event, with or without a blank line.
                events += b"\ndata: %s\n\n" % self._value.translate(_NEWLINES_TO_SPACES)
                self._value.clear()
                self._at_line_start = True
        if len(self._value) > self._max_bytes:
            events += b"\ndata: " + self._value
        return bytes(events)

    def _may_begin(self, data: bytes) -> bool:
        if b"\n{" in data or b"\n[" in data or (self._at_line_start and data[:1] in (b"{", b"[")):
            return True
        if data:
            self._at_line_start = data.endswith(b"\n")
        return False

    def _start(self, data: bytes) -> int:
        """Where the next value begins: the length of `data` where none does."""
        if self._at_line_start and data[0] in _OPENING:
            return 0
        starts = [at + 1 for at in (data.find(b"\n{"), data.find(b"\n[")) if at >= 0]
        self._at_line_start = data.endswith(b"\n")
        return min(starts, default=len(data))

    def _end(self, data: bytes) -> int:
        """Just behind the bracket that closes the value: the length of `data` where none does."""
        for at, byte in enumerate(data):
            if self._in_string:
                if self._escaped:
                    self._escaped = False
                elif byte == _BACKSLASH:
                    self._escaped = True
                elif byte == _QUOTE:
                    self._in_string = False
            elif byte == _QUOTE:
                self._in_string = True
            elif byte in _OPENING:
                self._depth += 1
            elif byte in _CLOSING:
                self._depth -= 1
                if self._depth == 0:
                    return at + 1
        return len(data)
