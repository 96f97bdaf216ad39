"""Cancelling closes the provider's socket, in every state an answer can be in, for every adapter.

How long that takes is measured by `python -m benchmarks --only cancel` (a test asserts no time).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Provider
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.contract import batches_of, run
from tests.providers.fault_server import Exchange, Script, answer, chunked, fault_server, saying
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat, stream_head

every_format = pytest.mark.parametrize("wire_format", FORMATS.values(), ids=FORMATS.keys())

STATES: dict[str, Callable[[WireFormat], Script]] = {
    "request sent": lambda _: saying(),
    "half the headers": lambda _: saying(b"HTTP/1.1 200 OK\r\nContent-"),
    "headers": lambda fmt: saying(stream_head(fmt)),
    "keep-alives": lambda fmt: saying(stream_head(fmt) + chunked(b"\n\n") * 5),
    "half an event": lambda fmt: saying(stream_head(fmt) + chunked(fmt.begun[:-3])),
    "text": lambda fmt: saying(stream_head(fmt) + chunked(fmt.begun)),
    "half a whole answer": lambda _: saying(answer(200, b'{"choices": []}')[:-3]),
    "half an error": lambda _: saying(answer(401, b"x" * 100)[:-50]),
}


@asynccontextmanager
async def adapter(wire_format: WireFormat) -> AsyncIterator[Provider]:
    provider = wire_format.make(HttpClient(Limits))
    await provider.warm()
    try:
        yield provider
    finally:
        await provider.aclose()


@every_format
@pytest.mark.parametrize("state", STATES)
def test_cancelling_closes_the_socket_and_is_raised_again(wire_format: WireFormat, state: str) -> None:
    async def main() -> None:
        said = asyncio.Event()
        script = STATES[state](wire_format)

        async def speak(exchange: Exchange) -> None:
            await script(exchange)
            said.set()

        async with fault_server(speak) as server, adapter(wire_format) as provider:
            asking = asyncio.create_task(batches_of(provider, wire_format.request(server.url, "m", "sk-key")))
            await said.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            assert not asking.done(), "the answer is still to come"
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await server.all_hung_up()

    run(main())


@every_format
def test_an_exception_of_the_reader_closes_the_socket(wire_format: WireFormat) -> None:
    async def main() -> None:
        async with (
            fault_server(saying(stream_head(wire_format) + chunked(wire_format.begun))) as server,
            adapter(wire_format) as provider,
        ):
            with pytest.raises(ZeroDivisionError):
                async with provider.stream(wire_format.request(server.url, "m", None)):
                    raise ZeroDivisionError
            await server.all_hung_up()

    run(main())


@every_format
def test_one_cancelled_answer_leaves_the_others_alone(wire_format: WireFormat) -> None:
    async def main() -> None:
        async with (
            fault_server(saying(stream_head(wire_format) + chunked(wire_format.begun))) as server,
            adapter(wire_format) as provider,
        ):
            request = wire_format.request(server.url, "m", None)
            async with provider.stream(request) as kept, provider.stream(request) as dropped:
                await anext(aiter(kept))
                waiting = asyncio.create_task(read_all(dropped))
                for _ in range(20):
                    await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert not any(connection.hung_up.is_set() for connection in server.connections)
            await server.all_hung_up()

    run(main())


async def read_all(batches: AsyncIterator[object]) -> None:
    async for _ in batches:
        pass
