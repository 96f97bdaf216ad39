"""The loopback provider every peer talks to: OpenAI's and Anthropic's streams over HTTP/1.1, on raw asyncio sockets.

Law: it behaves as real servers do (keep-alive, chunked, one SSE event per HTTP chunk) and is never the bottleneck:
what can be encoded beforehand is, and at full speed an answer is one write. It runs as its own process, prints its
port as its first line and ends with its stdin. The path says which format, the model's name what to do:

    full-N      N tokens as fast as the socket takes them
    paced-RxN   N tokens at R a second; each text is `@<CLOCK_MONOTONIC ns> `, stamped as it is sent
    cancel-ID   100 tokens a second until the client closes; `GET /closes` says when that was seen, by model
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import selectors
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nCache-Control: no-cache\r\n"
STREAM_HEAD = HEAD % b"text/event-stream; charset=utf-8" + b"Transfer-Encoding: chunked\r\n\r\n"
CHAT_CHUNK = (
    b'data: {"id":"chatcmpl-CabcdefghijklmnopqrstuvwxyzAB","object":"chat.completion.chunk","created":1760000000,'
    b'"model":"bench-2026-01-01","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[%b],'
    b'"usage":%b}\n\n'
)
CHAT_CHOICE = b'{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}'
GOLDEN = 0.618033988749895

closes: dict[str, int] = {}


def http_chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


class Format:
    """How an answer is said."""

    start: bytes

    def text(self, token: bytes) -> bytes:
        raise NotImplementedError

    def end(self, tokens: int) -> bytes:
        raise NotImplementedError

    @functools.cache  # noqa: B019 (there are two formats, and they live as long as the process)
    def full_answer(self, tokens: int) -> bytes:
        return self.start + self.text(b" token") * tokens + self.end(tokens)


class Chat(Format):
    """OpenAI's chat completions."""

    def __init__(self) -> None:
        self.start = STREAM_HEAD + self.delta(b'{"role":"assistant","content":"","refusal":null}')

    def delta(self, fields: bytes, finish: bytes = b"null") -> bytes:
        return http_chunk(CHAT_CHUNK % (CHAT_CHOICE % (fields, finish), b"null"))

    def text(self, token: bytes) -> bytes:
        return self.delta(b'{"content":"%b"}' % token)

    def end(self, tokens: int) -> bytes:
        usage = b'{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}' % (tokens, tokens + 9)
        last = [self.delta(b"{}", b'"stop"'), http_chunk(CHAT_CHUNK % (b"", usage)), http_chunk(b"data: [DONE]\n\n")]
        return b"".join(last) + b"0\r\n\r\n"


class Messages(Format):
    """Anthropic's messages."""

    def __init__(self) -> None:
        message = (
            b'"message":{"id":"msg_01AbcdefghijklmnopqrstuvwX","type":"message","role":"assistant","model":"bench",'
            b'"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}'
        )
        block = b'"index":0,"content_block":{"type":"text","text":""}'
        self.start = STREAM_HEAD + self.event(b"message_start", message) + self.event(b"content_block_start", block)

    def event(self, kind: bytes, fields: bytes) -> bytes:
        comma = b"," if fields else b""
        return http_chunk(b'event: %b\ndata: {"type":"%b"%b%b}\n\n' % (kind, kind, comma, fields))

    def text(self, token: bytes) -> bytes:
        return self.event(b"content_block_delta", b'"index":0,"delta":{"type":"text_delta","text":"%b"}' % token)

    def end(self, tokens: int) -> bytes:
        last = b'"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}' % tokens
        events = (self.event(b"content_block_stop", b'"index":0'), self.event(b"message_delta", last))
        return b"".join(events) + self.event(b"message_stop", b"") + b"0\r\n\r\n"


CHAT = Chat()
MESSAGES = Messages()


class Connection(asyncio.Protocol):
    """One client's connection: requests in turn, one answer at a time."""

    paced_answers = 0

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.received = bytearray()
        self.timer: asyncio.TimerHandle | None = None
        self.cancel_model: str | None = None
        self.format: Format = CHAT

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        size = int(length or 0)
        if len(rest) < size:
            return
        del self.received[: len(head) + 4 + size]
        if head.startswith(b"POST"):
            self.format = MESSAGES if b"/messages " in head.partition(b"\r\n")[0] else CHAT
            self.answer(json.loads(rest[:size])["model"])
        else:
            body = json.dumps(closes).encode()
            self.transport.write(HEAD % b"application/json" + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def answer(self, model: str) -> None:
        mode, _, argument = model.partition("-")
        if mode == "full":
            self.transport.write(self.format.full_answer(int(argument)))
            return
        self.transport.write(self.format.start)
        if mode == "cancel":
            self.cancel_model = model
            self.tick(self.loop.time(), 0.01, sys.maxsize, 0)
        else:
            rate, _, tokens = argument.partition("x")
            # Spread the answers' phases evenly, however many there are: users do not tick in step.
            Connection.paced_answers += 1
            phase = Connection.paced_answers * GOLDEN % 1 / float(rate)
            when = self.loop.time() + phase
            self.timer = self.loop.call_at(when, self.tick, when, 1 / float(rate), int(tokens), 0)

    def tick(self, when: float, interval: float, tokens: int, sent: int) -> None:
        if sent == tokens:
            self.transport.write(self.format.end(tokens))
            return
        self.transport.write(self.format.text(b"@%d " % time.monotonic_ns()))
        when += interval
        self.timer = self.loop.call_at(when, self.tick, when, interval, tokens, sent + 1)

    def eof_received(self) -> None:
        self.closed()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed()

    def closed(self) -> None:
        if self.timer:
            self.timer.cancel()
        if self.cancel_model:
            closes.setdefault(self.cancel_model, time.monotonic_ns())


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(os.read, 0, 1)


if __name__ == "__main__":
    # select() takes microseconds where epoll rounds up to milliseconds, which would bunch the paced tokens.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(serve())
