"""The host's end of the wire: requests out, replies and events in, matched.

Law:
1.  Bytes in (`feed`), bytes out (the `send` it is given). It knows no process, pipe or timer.
2.  Every request ends: with its reply, with its caller's cancellation (which is told to the peer), or with `fail`.
3.  A stream is open before its inference is asked for, so that no event can come too early for it.
4.  A line that is no message is counted and skipped: something else printed it, and the lines around it are whole.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any, Final, Literal, get_args

import msgspec

from llm_sidecar.client.event_stream import AnswerEvent, EventStream
from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.catalogue import NOTIFICATIONS
from llm_sidecar.messages.chat import ChatChunkEvent, ChatCompletionChunk
from llm_sidecar.wire.envelope import encode_notification
from llm_sidecar.wire.error_codes import ErrorObject
from llm_sidecar.wire.framing import LineFramer, LineTooLong


class _Incoming(msgspec.Struct):
    """Any message of the peer. Its parts stay undecoded until their type is known."""

    jsonrpc: Literal["2.0"]
    id: int | str | float | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorObject | None = None


_decode_message: Final = msgspec.json.Decoder(_Incoming).decode
_decode_event: Final[dict[str, Callable[[msgspec.Raw], AnswerEvent]]] = {
    name: msgspec.json.Decoder(notification.params).decode
    for name, notification in NOTIFICATIONS.items()
    if notification.params in get_args(AnswerEvent)
}
_decode_chunk: Final = msgspec.json.Decoder(ChatChunkEvent).decode
_encode: Final = msgspec.json.Encoder().encode

OnChunk = Callable[[ChatCompletionChunk], None]


class Connection:
    """One peer. Used from the event loop only."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.unreadable_lines = 0
        """Lines of the peer that were no message."""
        self._send = send
        self._max_message_bytes = Limits().max_message_bytes
        self._framer = LineFramer(self._max_message_bytes)
        self._ids = itertools.count(1)
        self._waiting: dict[int | str | float | None, asyncio.Future[bytes]] = {}
        self._streams: dict[str, EventStream] = {}
        self._chunk_takers: dict[int | str | float | None, OnChunk] = {}
        self._failure: SidecarError | None = None

    def set_max_message_bytes(self, value: int) -> None:
        """What the peer accepts, and sends at most, from now on."""
        self._max_message_bytes = value
        self._framer.max_line_bytes = value

    async def request(self, method: str, params: Any, on_chunk: OnChunk | None = None) -> bytes:
        """The JSON text of the result; `on_chunk` is called with the chunks that come before it. Raises the peer's
        error, `MESSAGE_TOO_LARGE`, or what `fail` was given."""
        request_id = next(self._ids)
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._post(request_id, method, params)
        self._waiting[request_id] = reply
        if on_chunk is not None:
            self._chunk_takers[request_id] = on_chunk
        try:
            return await reply
        except asyncio.CancelledError:
            self.notify("$/cancelRequest", {"id": request_id})
            raise
        finally:
            del self._waiting[request_id]
            self._chunk_takers.pop(request_id, None)

    def notify(self, method: str, params: Any) -> None:
        """Send a notification; without a peer, nowhere."""
        if self._failure is None:
            self._send(encode_notification(method, params) + b"\n")

    def open_stream(self, inference_id: str) -> EventStream:
        """The events of `inference_id`, from now until `close_stream`. Raises `INFERENCE_EXISTS`."""
        if inference_id in self._streams:
            raise SidecarError("INFERENCE_EXISTS", "An inference of this id is live.")
        stream = self._streams[inference_id] = EventStream(inference_id, lambda: self._cancel(inference_id))
        return stream

    def close_stream(self, stream: EventStream) -> None:
        """Drop what still comes for it."""
        del self._streams[stream.inference_id]

    def feed(self, data: bytes) -> None:
        """Take bytes of the peer."""
        for line in self._framer.feed(data):
            if isinstance(line, LineTooLong):
                self.unreadable_lines += 1
                continue
            try:
                self._take(_decode_message(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self.unreadable_lines += 1

    def fail(self, failure: SidecarError) -> None:
        """The peer is gone: everyone who waits, and every later request, gets `failure`."""
        self._failure = failure
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(failure)
        for stream in self._streams.values():
            stream.fail(failure)

    # --- inside ---

    def _post(self, request_id: int, method: str, params: Any) -> None:
        if self._failure is not None:
            raise self._failure
        line = _encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        if len(line) > self._max_message_bytes:
            limit = self._max_message_bytes
            raise SidecarError("MESSAGE_TOO_LARGE", f"The request has {len(line)} bytes; the limit is {limit}.")
        self._send(line + b"\n")

    def _cancel(self, inference_id: str) -> None:
        # The reply is not waited for: the terminal tells the same.
        if self._failure is None:
            self._post(next(self._ids), "llm:cancel", {"inferenceId": inference_id})

    def _take(self, message: _Incoming) -> None:
        if message.method == "llm:chat:chunk":
            self._take_chunk(message.params)
            return
        if message.method is not None:
            self._take_event(message.method, message.params)
            return
        reply = self._waiting.get(message.id)
        if reply is None or reply.done():
            return
        if message.error is None:
            reply.set_result(bytes(message.result))
        else:
            reply.set_exception(_error_of(message.error))

    def _take_event(self, method: str, params: msgspec.Raw) -> None:
        decode = _decode_event.get(method)
        if decode is None:
            return
        event = decode(params)
        stream = self._streams.get(event.inference_id)
        if stream is not None:
            stream.put(event)

    def _take_chunk(self, params: msgspec.Raw) -> None:
        event = _decode_chunk(params)
        take = self._chunk_takers.get(event.request_id)
        if take is not None:
            take(event.chunk)


def _error_of(error: ErrorObject) -> SidecarError:
    """The peer's error; its code need not be one that this version knows."""
    data = error.data
    return SidecarError(
        data.code, error.message, retryable=data.retryable, retry_after_ms=data.retry_after_ms, details=data.details
    )
