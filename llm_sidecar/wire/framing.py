"""Bytes → bounded lines. Sans-IO: it is fed, it answers, it never reads.

The rules:

1.  A line ends at LF. One CR before it belongs to the ending. Nothing else ends a line.
2.  A byte order mark before the first line is dropped; blank lines (only spaces, tabs, CR) are dropped.
3.  A line longer than `max_line_bytes` is reported once, as `LineTooLong`, as soon as that is known, and its bytes are
    thrown away as they come up to the next LF, which resynchronises. The limit holds also when the LF was found.
4.  Memory is at most `max_line_bytes` + what was fed, whatever is fed; time is linear, however it is cut.
5.  What is left at the end without an LF is a line only if the owner says so (`finish`).
"""

from __future__ import annotations

from typing import Final

BOM: Final = b"\xef\xbb\xbf"


class LineTooLong:
    """Stands in the output for a line that was above the limit."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "LineTooLong()"


TOO_LONG: Final = LineTooLong()


class LineFramer:
    """Cuts a byte stream into lines. One per stream."""

    def __init__(self, max_line_bytes: int) -> None:
        self.max_line_bytes = max_line_bytes
        self._begun = bytearray()
        self._discarding = False
        self._first = True

    def feed(self, data: bytes) -> list[bytes | LineTooLong]:
        """Take the next bytes; return the lines they complete, without endings, in order."""
        lines: list[bytes | LineTooLong] = []
        start = 0
        while (end := data.find(b"\n", start)) != -1:
            if self._discarding:
                self._discarding = False
            else:
                self._end_line(data[start:end], lines)
            start = end + 1
        if start < len(data) and not self._discarding:
            # Up to four bytes above the limit may not count: a CR and, once, the three of a byte order mark.
            if len(self._begun) + len(data) - start > self.max_line_bytes + 4:
                self._begun.clear()
                self._first = False
                self._discarding = True
                lines.append(TOO_LONG)
            else:
                self._begun += memoryview(data)[start:]
        return lines

    def finish(self) -> list[bytes | LineTooLong]:
        """The stream ended: return the unended last line, if there is one."""
        lines: list[bytes | LineTooLong] = []
        if not self._discarding:
            self._end_line(b"", lines)
        return lines

    def _end_line(self, rest: bytes, lines: list[bytes | LineTooLong]) -> None:
        """`rest` is the end of the line that was begun."""
        size = len(self._begun) + len(rest)
        line = rest
        if self._begun:
            if size <= self.max_line_bytes + 4:
                self._begun += rest
                line = bytes(self._begun)
            self._begun.clear()
        if self._first:
            self._first = False
            line = line.removeprefix(BOM)
        line = line.removesuffix(b"\r")
        if size > self.max_line_bytes + 4 or len(line) > self.max_line_bytes:
            lines.append(TOO_LONG)
        elif line.strip(b" \t\r"):
            lines.append(line)
