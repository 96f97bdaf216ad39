"""Newline-delimited JSON: bytes in, cut anywhere → lines out. No I/O, no await.

Law: the same bytes give the same lines however they are cut; memory is at most `max_line_bytes` and one chunk. What
came before a fault is delivered; then `failure` is set and nothing more is split. A line ends with LF or CR LF; empty
ones are skipped. What a line says is the adapter's business.

The hot case is one read that holds many small lines: one pass in C, no look at a single line.
"""

from __future__ import annotations

from llm_sidecar.errors import ProviderError


class LineSplitter:
    """Feed it what was read; it returns the lines completed by it, without their ends.

    `failure` is a `PROVIDER_PROTOCOL_ERROR` once a line was longer than `max_line_bytes`.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self.failure: ProviderError | None = None
        self._max_line_bytes = max_line_bytes
        self._unfinished = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        if self.failure is not None:
            return []
        end = chunk.rfind(b"\n") + 1
        if end == 0:
            self._unfinished += chunk
            self._check(self._unfinished)
            return []
        text = bytes(self._unfinished + chunk[:end]) if self._unfinished else chunk[:end]
        self._unfinished = bytearray(chunk[end:])
        lines = self._split(text)
        self._check(self._unfinished)
        return lines

    def end(self) -> bytes:
        """The body ended: what stood after its last line end. It may be a whole line; maybe it was cut off."""
        rest = bytes(self._unfinished)
        self._unfinished.clear()
        return rest.removesuffix(b"\r")

    def _split(self, text: bytes) -> list[bytes]:
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        lines = list(filter(None, text.split(b"\n")))
        if len(text) > self._max_line_bytes:
            for position, line in enumerate(lines):
                if self._check(line):
                    return lines[:position]
        return lines

    def _check(self, line: bytes | bytearray) -> bool:
        """Whether `line`, which may lack its end, is too long."""
        too_long = len(line) > self._max_line_bytes and len(line) - line.endswith(b"\r") > self._max_line_bytes
        if too_long:
            self._unfinished.clear()
            self.failure = ProviderError(
                "PROVIDER_PROTOCOL_ERROR", f"The provider sent a line of more than {self._max_line_bytes} bytes."
            )
        return too_long
