"""An HTTP server on this machine that says exactly the bytes it is told to, and sees when its client hangs up.

Law: nothing here checks or repairs HTTP on the way out; a script can break it anywhere. A server takes one script, a
coroutine function that is run for every request with the `Exchange`; when it returns, the connection stays open for the
next request. Requests are kept in `requests`, in order.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def sse(*events: object) -> bytes:
    """Each event as a `data:` line: JSON, or a string as it is."""
    return b"".join(
        b"data: " + (e.encode() if isinstance(e, str) else json.dumps(e).encode()) + b"\n\n" for e in events
    )


def stream(data: bytes) -> bytes:
    """A complete answer whose body is `data`."""
    return STREAM_HEAD + chunked(data) + LAST_CHUNK


def answer(status: int, body: bytes, *headers: tuple[str, str], content_type: str = "application/json") -> bytes:
    """A complete answer of known length."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Exchange(asyncio.Protocol):
    """One connection, and the request on it that is to be answered now."""

    def __init__(self, server: FaultServer) -> None:
        self._server = server
        self._received = bytearray()
        self._script: asyncio.Task[None] | None = None
        self.received_bytes = 0
        self.hung_up = asyncio.Event()
        """Set once the client has closed the connection, or broken it."""

    async def send(self, data: bytes) -> None:
        """Send, and give the client a turn to read it before anything else is sent."""
        if not self.transport.is_closing():
            self.transport.write(data)
        await asyncio.sleep(0)

    async def drip(self, data: bytes) -> None:
        """Send byte by byte."""
        for position in range(len(data)):
            await self.send(data[position : position + 1])

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        """Close with a TCP reset."""
        connection: socket.socket = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.connections.append(self)
        self._server.connected.set()
        if not self._server.reads:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self.received_bytes += len(data)
        head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        method, path, _ = first.split(" ")
        self._received = bytearray(rest[length:])
        self.request = Request(method, path, headers, rest[:length])
        self._server.requests.append(self.request)
        self._server.asked.set()
        self._script = asyncio.get_running_loop().create_task(self._run())

    def connection_lost(self, exc: Exception | None) -> None:
        self.hung_up.set()

    async def _run(self) -> None:
        await self._server.script(self)


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class FaultServer:
    script: Script
    reads: bool = True
    """Whether it reads what clients send, from the start."""
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: list[Exchange] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first request has arrived whole."""

    async def all_hung_up(self) -> None:
        """Wait until every client is gone."""
        for connection in self.connections:
            await connection.hung_up.wait()


@asynccontextmanager
async def fault_server(
    script: Script, *, tls: ssl.SSLContext | None = None, reads: bool = True
) -> AsyncIterator[FaultServer]:
    """A server that listens on loopback while the context is open."""
    server = FaultServer(script, reads)
    listener = await asyncio.get_running_loop().create_server(lambda: Exchange(server), "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        for connection in server.connections:
            connection.transport.abort()
            if connection._script is not None:
                connection._script.cancel()
        await listener.wait_closed()


def saying(*pieces: bytes) -> Script:
    """A script that sends these pieces, one read each as far as TCP allows, and keeps the connection."""

    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await exchange.send(piece)

    return script


def saying_then_closing(*pieces: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await exchange.send(piece)
        exchange.close()

    return script


def saying_then_resetting(*pieces: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await exchange.send(piece)
        exchange.reset()

    return script
