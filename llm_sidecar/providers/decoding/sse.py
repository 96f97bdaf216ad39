"""Server-Sent Events (WHATWG HTML, 9.2.6): bytes in, cut anywhere → events out. No I/O, no await.

Law: the same bytes give the same events however they are cut; memory is at most `max_event_bytes` and one chunk.
What came before a fault is delivered; then `failure` is set and nothing more is decoded. JSON and the meaning of an
event are the adapter's business. `id` and `retry` are ignored: nothing here reconnects.

The hot case is one read that holds many small events of one `data: …` line each, with a line `event: …` before it or
without: a few passes in C, no line objects.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

from llm_sidecar.errors import ProviderError

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NEWLINE: Final = 10

SseEvent = tuple[str, bytes]
"""The event's name ("" where none was given) and its data, lines joined by a newline."""


class SseDecoder:
    """Feed it what was read; it returns the events completed by it.

    `failure` is a `PROVIDER_PROTOCOL_ERROR` once an event, a line or a run of comments without a blank line was longer
    than `max_event_bytes`. An event cut off by the end of the stream is never returned.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self.failure: ProviderError | None = None
        self._max_event_bytes = max_event_bytes
        self._unfinished = bytearray()
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[SseEvent]:
        if self.failure is not None:
            return []
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_plain_newlines(chunk)
        if not chunk:
            return []
        if self._unfinished:
            if not self._completes_an_event(chunk):
                return self._keep(chunk)
            chunk = bytes(self._unfinished + chunk)
            self._unfinished.clear()
        end = chunk.rfind(b"\n\n") + 2
        if end == 1:
            return self._keep(chunk)
        if end == len(chunk):
            return self._complete(chunk)
        return self._complete(chunk[:end]) + self._keep(chunk[end:])

    def _with_plain_newlines(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if self._after_cr and chunk[0] == _NEWLINE:
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _completes_an_event(self, chunk: bytes) -> bool:
        return b"\n\n" in chunk or (chunk[0] == _NEWLINE and self._unfinished[-1] == _NEWLINE)

    def _complete(self, text: bytes) -> list[SseEvent]:
        """The events of `text`, which ends with a blank line."""
        if self._at_start:
            self._at_start = False
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if text.startswith(b"data: ") and len(text) <= self._max_event_bytes:
            single_lines = text[6:-2].split(b"\n\ndata: ")
            if text.count(b"\n") == 2 * len(single_lines):
                return [("", data) for data in single_lines]
        elif text.startswith(b"event: ") and len(text) <= self._max_event_bytes:
            named = _of_one_name(text) or _named(text)
            if named is not None:
                return named
        events: list[SseEvent] = []
        for block in text.split(b"\n\n"):
            if len(block) > self._max_event_bytes and len(block.strip(b"\n")) > self._max_event_bytes:
                self._fail()
                break
            if block and (event := _parse(block)) is not None:
                events.append(event)
        return events

    def _keep(self, beginning: bytes) -> list[SseEvent]:
        """No event is complete with it yet."""
        self._unfinished += beginning
        if len(self._unfinished) > self._max_event_bytes and len(self._unfinished.strip(b"\n")) > self._max_event_bytes:
            self._fail()
        return []

    def _fail(self) -> None:
        self._unfinished.clear()
        self.failure = ProviderError(
            "PROVIDER_PROTOCOL_ERROR", f"The provider sent an event of more than {self._max_event_bytes} bytes."
        )


def _of_one_name(text: bytes) -> list[SseEvent] | None:
    """The events of `text`, which begins with `event: `, if each is that name and one line of data."""
    end_of_name = text.find(b"\ndata: ")
    if end_of_name < 0:
        return None
    head = text[: end_of_name + 7]
    single_lines = text[len(head) : -2].split(b"\n\n" + head)
    if text.count(b"\n") != 3 * len(single_lines):
        return None
    name = text[7:end_of_name].decode("utf-8", "replace")
    return [(name, data) for data in single_lines]


def _named(text: bytes) -> list[SseEvent] | None:
    """As `_of_one_name`, but each under a name of its own."""
    events = text[7:-2].split(b"\n\nevent: ")
    if text.count(b"\n") != len(events) * 3:
        return None
    parts = [event.partition(b"\ndata: ") for event in events]
    if not all(separator for _, separator, _ in parts):
        return None
    return [(name.decode("utf-8", "replace"), data) for name, _, data in parts]


def _parse(block: bytes) -> SseEvent | None:
    name = ""
    data: list[bytes] = []
    for line in BytesIO(block):
        field, _, value = line.rstrip(b"\n").partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"error":
            # Not in the specification: older llama.cpp servers report a failed generation as an `error:` field.
            name = "error"
            data.append(value)
    return (name, b"\n".join(data)) if data else None
