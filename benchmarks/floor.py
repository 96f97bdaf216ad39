"""The floor: the least a Python process can do between a provider's socket and a pipe.

Law: it answers the few messages of the wire the benchmark sends, and nothing else: no validation, no error, no
timeout, no HTTP library. Raw asyncio sockets with a 64 KiB `BufferedProtocol`, kept alive; the events of a read are
decoded in one go by msgspec and become one `llm:token`; what a turn of the loop produced is one write.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable

import msgspec

EVENT = re.compile(rb"data: (\{[^\n]*)")
LAST_CHUNK = b"\r\n0\r\n\r\n"
NOTIFICATION = b'{"jsonrpc":"2.0","method":"llm:%b","params":{"inferenceId":"%b"%b}}\n'
REQUEST = b"POST /v1/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Delta(msgspec.Struct, gc=False):
    content: str = ""


class Choice(msgspec.Struct, gc=False):
    delta: Delta


class Chunk(msgspec.Struct, gc=False):
    choices: list[Choice]

    @property
    def text(self) -> str:
        return self.choices[0].delta.content if self.choices else ""


class TextDelta(msgspec.Struct, gc=False):
    text: str = ""


class Event(msgspec.Struct, gc=False):
    delta: TextDelta | None = None

    @property
    def text(self) -> str:
        return self.delta.text if self.delta else ""


FORMATS = {"openai": (b"chat/completions", Chunk), "anthropic": (b"messages", Event)}
PATH, SHAPE = FORMATS[sys.argv[2]]


class Params(msgspec.Struct, rename="camel"):
    inference_id: str = ""
    model_id: str = ""
    messages: msgspec.Raw = msgspec.Raw(b"[]")


class Message(msgspec.Struct):
    id: int
    method: str
    params: Params


class Upstream(asyncio.BufferedProtocol):
    """One connection to the provider, and the answer it is giving."""

    def __init__(self, write: Callable[[bytes], None], idle: list[Upstream]) -> None:
        self.write = write
        self.idle = idle
        self.buffer = memoryview(bytearray(64 * 1024))
        self.held = 0
        self.decode = msgspec.json.Decoder(SHAPE).decode_lines

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, params: Params) -> None:
        self.inference_id = params.inference_id.encode()
        self.index = 0
        body = b'{"model":"%b","messages":%b,"stream":true}' % (params.model_id.encode(), params.messages)
        self.transport.write(REQUEST % (PATH, len(body), body))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer[self.held :]

    def buffer_updated(self, nbytes: int) -> None:
        self.held += nbytes
        data = bytes(self.buffer[: self.held])
        complete = data.rfind(b"\n\n") + 1
        texts = [text for event in self.decode(b"\n".join(EVENT.findall(data, 0, complete))) if (text := event.text)]
        if texts:
            token = msgspec.json.encode("".join(texts))
            fields = b',"token":%b,"index":%d,"count":%d' % (token, self.index, len(texts))
            self.write(NOTIFICATION % (b"token", self.inference_id, fields))
            self.index += len(texts)
        if data.endswith(LAST_CHUNK):
            self.write(NOTIFICATION % (b"done", self.inference_id, b""))
            self.idle.append(self)
            complete = self.held
        rest = data[complete:]
        self.held = len(rest)
        self.buffer[: self.held] = rest


class Relay:
    """Standard input to the provider, the provider to standard output."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.loop = loop
        self.port = port
        self.idle: list[Upstream] = []
        self.running: dict[str, Upstream] = {}
        self.lines = b""
        self.outgoing: list[bytes] = []
        self.decode = msgspec.json.Decoder(Message).decode
        loop.add_reader(0, self.read)

    def read(self) -> None:
        data = os.read(0, 64 * 1024)
        if not data:
            self.loop.stop()
        *lines, self.lines = (self.lines + data).split(b"\n")
        for line in lines:
            message = self.decode(line)
            inference_id = message.params.inference_id
            self.write(
                b'{"jsonrpc":"2.0","id":%d,"result":{"inferenceId":"%b"}}\n' % (message.id, inference_id.encode())
            )
            if message.method == "llm:inference":
                self.start(message.params)
            elif message.method == "llm:cancel":
                self.running[inference_id].transport.abort()
                self.write(NOTIFICATION % (b"done", inference_id.encode(), b',"cancelled":true'))

    def start(self, params: Params) -> None:
        if self.idle:
            self.ask(self.idle.pop(), params)
        else:
            connecting = self.loop.create_task(
                self.loop.create_connection(lambda: Upstream(self.write, self.idle), "127.0.0.1", self.port)
            )
            connecting.add_done_callback(lambda task: self.ask(task.result()[1], params))

    def ask(self, upstream: Upstream, params: Params) -> None:
        self.running[params.inference_id] = upstream
        upstream.ask(params)

    def write(self, line: bytes) -> None:
        if not self.outgoing:
            self.loop.call_soon(self.flush)
        self.outgoing.append(line)

    def flush(self) -> None:
        os.write(1, b"".join(self.outgoing))
        self.outgoing.clear()


if __name__ == "__main__":
    event_loop = asyncio.new_event_loop()
    Relay(event_loop, int(sys.argv[1]))
    event_loop.run_forever()
