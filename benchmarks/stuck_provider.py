"""The provider of `cancel_states`: speaks every format, gets stuck where it is told, and sees when its client hangs up.

Law: as `provider`, a process of its own on raw asyncio sockets that prints its port as its first line and ends with its
stdin. The model's name is `STATE-ID`; `GET /closes` says which are stuck, and when which client hung up, by model.

    sent-ID        nothing is answered
    headers-ID     the headers, then nothing
    keepalive-ID   the headers, then ten keep-alives a second
    text-ID        the headers and a first token, then a hundred a second
    refused-ID     503, come back in half a minute
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time

SSE = b"text/event-stream"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON_HEAD = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
OPENED = re.compile(r'"model": ?"([^"]+)"|/models/([^:]+):')

stuck: list[str] = []
closes: dict[str, int] = {}


class Format:
    """One wire format: how it begins, a token, and a sign of life."""

    def __init__(self, path: str, begin: bytes, token: bytes, keep_alive: bytes, content_type: bytes = SSE) -> None:
        self.path = path
        self.begin = begin
        self.token = token
        self.keep_alive = keep_alive
        self.content_type = content_type


FORMATS = (
    Format(
        "/chat/completions",
        b"",
        b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" token"}}]}\n\n',
        b": keep-alive\n\n",
    ),
    Format(
        "/responses",
        b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n',
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"m","output_index":0,'
        b'"content_index":0,"delta":" token"}\n\n',
        b": keep-alive\n\n",
    ),
    Format(
        "/messages",
        b'event: message_start\ndata: {"type":"message_start","message":{"content":[],"usage":{"input_tokens":9}}}\n\n'
        b"event: content_block_start\n"
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
        b'"text":" token"}}\n\n',
        b'event: ping\ndata: {"type": "ping"}\n\n',
    ),
    Format(
        ":streamGenerateContent",
        b"",
        b'data: {"candidates":[{"content":{"parts":[{"text":" token"}],"role":"model"},"index":0}]}\n\n',
        b": keep-alive\n\n",
    ),
    Format(
        "/api/chat",
        b"",
        b'{"model":"m","message":{"role":"assistant","content":" token"},"done":false}\n',
        b"\n",
        b"application/x-ndjson",
    ),
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Connection(asyncio.Protocol):
    """One client's connection; stuck with its first request for a model."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.model = ""
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = bytes(self.received).partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head.lower())
        if not separator or len(body) < int(length[1] if length else 0):
            return
        self.received.clear()
        if head.startswith(b"GET"):
            seen = json.dumps({"stuck": stuck, "closes": closes}).encode()
            self.transport.write(JSON_HEAD % (b"200 OK", b"", len(seen)) + seen)
            return
        path = head.split(b" ")[1].decode()
        named = OPENED.search(path + body.decode())
        assert named
        self.answer(named[1] or named[2], next(each for each in FORMATS if each.path in path))

    def answer(self, model: str, wire_format: Format) -> None:
        state = model.partition("-")[0]
        if state == "refused":
            stuck.append(model)
            self.transport.write(JSON_HEAD % (b"503 Busy", b"Retry-After: 30\r\n", 2) + b"{}")
            return
        self.model = model
        if state != "sent":
            self.transport.write(HEAD % wire_format.content_type)
        if state == "keepalive":
            self.repeat(chunk(wire_format.keep_alive), 0.1)
        elif state == "text":
            self.transport.write(chunk(wire_format.begin + wire_format.token))
            self.repeat(chunk(wire_format.token), 0.01)
        stuck.append(model)

    def repeat(self, data: bytes, seconds: float) -> None:
        self.transport.write(data)
        self.timer = asyncio.get_running_loop().call_later(seconds, self.repeat, data, seconds)

    def eof_received(self) -> None:
        self.hung_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self.hung_up()

    def hung_up(self) -> None:
        if self.timer:
            self.timer.cancel()
        if self.model:
            closes.setdefault(self.model, time.monotonic_ns())


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(os.read, 0, 1)


if __name__ == "__main__":
    asyncio.run(serve())
