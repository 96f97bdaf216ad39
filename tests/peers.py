"""Sidecars inside the test's own event loop, on every transport there is: the same tests run against all of them.

Law: `memory` is the in-process twin, `pipes` two real pipes watched by the event loop, `threads` the same pipes read
and written in threads. A `Peer` is the host's side; its waits end with the deadline of the fixture `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from llm_sidecar.limits import Limits
from llm_sidecar.messages.method import Method
from llm_sidecar.rpc.connection import ByteSource, Connection
from llm_sidecar.rpc.context import Handler
from llm_sidecar.rpc.dispatcher import Dispatcher
from llm_sidecar.rpc.memory import MemorySink, MemorySource
from llm_sidecar.rpc.outbox import ByteSink, Outbox
from llm_sidecar.rpc.stdio import open_sink, open_source
from llm_sidecar.settings import Settings
from llm_sidecar.sidecar import Exit, Sidecar
from tests.hosts import Answer, inference, is_event_of, line_of, request

TRANSPORTS = ("memory", "pipes", "threads")


class HostEnd(Protocol):
    """The host's ends of a transport."""

    async def write(self, data: bytes) -> None: ...

    def end(self) -> None:
        """Close stdin."""
        ...

    async def read_line(self) -> bytes | None:
        """None at the end of stdout."""
        ...

    def stall(self) -> None:
        """Stop reading."""
        ...

    def unstall(self) -> None: ...

    def lose_sidecar(self) -> None:
        """The sidecar is gone, and its ends with it."""
        ...


class MemoryEnd:
    def __init__(self, source: MemorySource, sink: MemorySink) -> None:
        self._source = source
        self._sink = sink
        self.end = source.end
        self.read_line = sink.read_line
        self.stall = sink.stall
        self.unstall = sink.unstall

    async def write(self, data: bytes) -> None:
        self._source.write(data)

    def lose_sidecar(self) -> None:
        """Its sink is closed: that is all there is."""


class PipeEnd:
    def __init__(self, stdin: int, stdout: int, of_sidecar: tuple[int, ...]) -> None:
        self._stdin: int | None = stdin
        self._stdout = stdout
        self._of_sidecar = of_sidecar
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._arrived = asyncio.Event()
        self._at_end = False
        self._stalled = True
        os.set_blocking(stdin, False)
        os.set_blocking(stdout, False)
        self.unstall()

    async def write(self, data: bytes) -> None:
        assert self._stdin is not None
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._stdin, rest) :]
            except BlockingIOError:
                writable = self._loop.create_future()
                self._loop.add_writer(self._stdin, writable.set_result, None)
                try:
                    await writable
                finally:
                    self._loop.remove_writer(self._stdin)

    def end(self) -> None:
        if self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None

    async def read_line(self) -> bytes | None:
        while (end := self._received.find(b"\n")) < 0:
            if self._at_end:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def stall(self) -> None:
        self._loop.remove_reader(self._stdout)
        self._stalled = True

    def unstall(self) -> None:
        if self._stalled:
            self._stalled = False
            self._loop.add_reader(self._stdout, self._read)

    def lose_sidecar(self) -> None:
        for descriptor in self._of_sidecar:
            os.close(descriptor)
        self._of_sidecar = ()

    def close(self) -> None:
        self.end()
        self.stall()
        os.close(self._stdout)
        self.lose_sidecar()

    def _read(self) -> None:
        data = os.read(self._stdout, 1 << 20)
        self._received += data
        if not data:
            self._at_end = True
            self.stall()
        self._arrived.set()


@asynccontextmanager
async def transport(kind: str) -> AsyncIterator[tuple[ByteSource, ByteSink, HostEnd]]:
    """The sidecar's source and sink, and the host's ends of them."""
    if kind == "memory":
        source, sink = MemorySource(), MemorySink()
        yield source, sink, MemoryEnd(source, sink)
        return
    child_in, host_out = os.pipe()
    host_in, child_out = os.pipe()
    pipe_source = open_source(child_in, force_thread=kind == "threads")
    pipe_sink = open_sink(child_out, force_thread=kind == "threads")
    end = PipeEnd(host_out, host_in, (child_in, child_out))
    try:
        yield pipe_source, pipe_sink, end
    finally:
        pipe_source.close()
        pipe_sink.close()
        end.close()


class Peer:
    """The host's side of a connection, in messages."""

    def __init__(self, end: HostEnd) -> None:
        self.end = end
        self.inbox: list[Any] = []
        self._asked = 0

    async def send(self, *messages: Any) -> None:
        """Write messages (dicts, or lists for batches), one line each, in one go."""
        await self.send_bytes(b"".join(line_of(message) for message in messages))

    async def send_bytes(self, data: bytes) -> None:
        await self.end.write(data)

    async def read(self) -> Any:
        """The next message that nobody has taken yet."""
        return self.inbox.pop(0) if self.inbox else await self._next()

    async def _next(self) -> Any:
        line = await self.end.read_line()
        if line is None:
            raise EOFError
        return json.loads(line)

    async def read_until(self, is_wanted: Callable[[Any], bool]) -> Any:
        """The next message that fits; the others stay in `inbox`, in order."""
        for place, message in enumerate(self.inbox):
            if is_wanted(message):
                return self.inbox.pop(place)
        while not is_wanted(message := await self._next()):
            self.inbox.append(message)
        return message

    async def response(self, request_id: Any) -> Any:
        return await self.read_until(lambda m: isinstance(m, dict) and "method" not in m and m["id"] == request_id)

    async def ask(self, method: str, params: Any = None) -> str:
        """Send a request; returns its id."""
        self._asked += 1
        request_id = f"peer-{self._asked}"
        await self.send(request(request_id, method, params))
        return request_id

    async def call(self, method: str, params: Any = None) -> Any:
        """The result of a request; an error fails the test."""
        response = await self.response(await self.ask(method, params))
        assert "result" in response, response
        return response["result"]

    async def refusal(self, method: str, params: Any = None) -> Any:
        """The error of a request; a result fails the test."""
        response = await self.response(await self.ask(method, params))
        assert "error" in response, response
        return response["error"]

    async def infer(self, text: str, **params: Any) -> str:
        """Ask the demo provider; returns the inference's id."""
        return str((await self.call("llm:inference", inference(text, **params)))["inferenceId"])

    async def answer(self, inference_id: str) -> Answer:
        """Everything of one inference, to its terminal."""
        answer = Answer()
        while not answer.is_over:
            answer.add(await self.read_until(lambda m: is_event_of(m, inference_id)))
        return answer

    async def has_nothing_more_to_say(self) -> None:
        """Everything sent so far has been dealt with, and nothing but what was taken came of it."""
        await self.call("ping")
        assert self.inbox == []


class SidecarPeer(Peer):
    """A host of a whole sidecar."""

    def __init__(self, end: HostEnd, sidecar: Sidecar) -> None:
        super().__init__(end)
        self.sidecar = sidecar
        self.running = asyncio.ensure_future(self._run())

    async def _run(self) -> Exit:
        reason = await self.sidecar.run()
        self.end.lose_sidecar()
        return reason

    async def exit_code(self) -> Exit:
        return await self.running


@asynccontextmanager
async def open_sidecar(kind: str = "memory", *, drain: bool = False, **limits: int) -> AsyncIterator[SidecarPeer]:
    """A sidecar with all its methods."""
    settings = Settings(data_dir=":memory:", limits=limits_of(limits), drain=drain)
    async with transport(kind) as (source, sink, end):
        peer = SidecarPeer(end, Sidecar(source, sink, settings, {}))
        try:
            yield peer
        finally:
            peer.sidecar.stop(Exit.END_OF_INPUT)
            end.unstall()
            await peer.running


class BenchPeer(Peer):
    """A host of a dispatcher with a catalogue of the test's own."""

    def __init__(self, end: HostEnd) -> None:
        super().__init__(end)
        self.outbox: Outbox
        self.dispatcher: Dispatcher
        self.connection: Connection
        self.ended = asyncio.Event()


@asynccontextmanager
async def open_bench(
    methods: Mapping[str, Method],
    handlers: Mapping[str, Handler],
    kind: str = "memory",
    *,
    show_stacks: bool = False,
    **limits: int,
) -> AsyncIterator[BenchPeer]:
    """A connection, a dispatcher and an outbox, with `handlers` behind them. `ping` is always there."""
    in_force = limits_of(limits)
    async with transport(kind) as (source, sink, end):
        peer = BenchPeer(end)
        peer.outbox = Outbox(sink, lambda: in_force)
        peer.dispatcher = Dispatcher(methods, handlers, peer.outbox, lambda: in_force, show_stacks=show_stacks)
        peer.connection = Connection(
            source, peer.dispatcher, peer.outbox, lambda: in_force, peer.ended.set, drain=False
        )
        peer.connection.start()
        yield peer
        peer.connection.close()
        peer.dispatcher.refuse_all()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(peer.dispatcher.settled(), 1)


def limits_of(changes: Mapping[str, int]) -> Limits:
    """The default limits but for `changes`, by their wire names."""
    return Limits().with_changes(changes, where="limits")
