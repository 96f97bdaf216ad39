"""Whoever stops listening, however and whenever: the server sees the connection close, and cancellation goes on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psutil
import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message, TextPart
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.chat import OpenAIChatProvider
from tests.providers.contract import batches_of, outcome_of, run
from tests.providers.fault_server import STREAM_HEAD, Script, answer, chunked, fault_server, saying, sse
from tests.providers.openai_fixtures import chunk, request_to
from tests.virtual_time import run_virtual

LARGE = [Message(role="user", content=[TextPart(text="x" * 100_000) for _ in range(100)])]
"""More than the socket buffers between us and a server that does not read."""


@asynccontextmanager
async def adapter() -> AsyncIterator[OpenAIChatProvider]:
    provider = OpenAIChatProvider(HttpClient(Limits))
    await provider.warm()
    try:
        yield provider
    finally:
        await provider.aclose()


async def cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "script",
    [
        saying(),
        saying(b"HTTP/1.1 200 OK\r\nContent-"),
        saying(b"HTTP/1.1 100 Continue\r\n\r\n"),
        saying(STREAM_HEAD),
        saying(STREAM_HEAD + chunked(b": keep-alive\n\n") * 3),
        saying(STREAM_HEAD + chunked(sse(chunk("a"))[:-5])),
        saying(STREAM_HEAD + chunked(sse(chunk("a"), chunk("b")))),
        saying(answer(200, b'{"choices": []}')[:-3]),
        saying(answer(401, b"x" * 100)[:-50]),
    ],
    ids=[
        "no headers",
        "half the headers",
        "continue",
        "headers",
        "keep-alives",
        "half an event",
        "text",
        "json",
        "error",
    ],
)
def test_cancelling_closes_the_connection_whatever_the_server_has_said(script: Script) -> None:
    async def main() -> None:
        async with fault_server(script) as server, adapter() as provider:
            task = asyncio.create_task(batches_of(provider, request_to(server.url)))
            await server.asked.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            assert not task.done()
            await cancel(task)
            await server.all_hung_up()

    run(main())


def test_cancelling_closes_the_connection_while_the_request_is_still_being_sent() -> None:
    """At once, though the server takes nothing: its window is shut, and most of the request still here."""

    async def main() -> None:
        async with fault_server(saying(), reads=False) as server, adapter() as provider:
            task = asyncio.create_task(batches_of(provider, request_to(server.url, messages=LARGE)))
            await server.connected.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            assert sockets_to(server.url) == 1
            await cancel(task)
            await asyncio.sleep(0)
            assert sockets_to(server.url) == 0
            server.connections[0].transport.resume_reading()
            await server.all_hung_up()
            assert server.requests == []

    run(main())


def sockets_to(url: str) -> int:
    port = int(url.rpartition(":")[2])
    return sum(bool(c.raddr) and c.raddr.port == port for c in psutil.Process().net_connections("tcp"))


@contextmanager
def busy_port() -> Iterator[int]:
    """A port whose queue of connections is full: connecting to it neither succeeds nor fails."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_cancelling_while_connecting_gives_up_the_attempt() -> None:
    async def main() -> None:
        with busy_port() as port:
            async with adapter() as provider:
                task = asyncio.create_task(batches_of(provider, request_to(f"http://127.0.0.1:{port}")))
                for _ in range(50):
                    await asyncio.sleep(0)
                assert not task.done()
                await cancel(task)

    run(main())


def test_a_connection_that_is_not_accepted_in_time_is_a_network_error() -> None:
    async def main() -> SidecarError | None:
        with busy_port() as port:
            async with adapter() as provider:
                return (await outcome_of(provider, request_to(f"http://127.0.0.1:{port}")))[1]

    error = run_virtual(main())
    assert error is not None
    assert error.code == "NETWORK_ERROR"
    assert error.details == {"errno": "ETIMEDOUT"}


def test_nothing_but_the_connection_is_timed_here() -> None:
    """How long an answer may take is the inference service's business."""

    async def main() -> None:
        async with fault_server(saying()) as server, adapter() as provider:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(batches_of(provider, request_to(server.url)), 1_000)

    run_virtual(main())


def test_cancelling_the_search_for_a_model_closes_its_connection() -> None:
    async def main() -> None:
        async with fault_server(saying()) as server, adapter() as provider:
            task = asyncio.create_task(batches_of(provider, request_to(server.url, model_id="")))
            await server.asked.wait()
            await cancel(task)
            await server.all_hung_up()

    run(main())


def test_cancelling_the_list_of_models_closes_its_connection() -> None:
    async def main() -> None:
        async with fault_server(saying(answer(200, b'{"data": []}')[:-3])) as server, adapter() as provider:
            task = asyncio.create_task(provider.list_models(Endpoint("openai-compatible", server.url)))
            await server.asked.wait()
            await cancel(task)
            await server.all_hung_up()

    run(main())


@asynccontextmanager
async def streaming() -> AsyncIterator[tuple[OpenAIChatProvider, ProviderRequest, asyncio.Event]]:
    """A server in the middle of an answer; the event is set when its client has hung up."""
    async with fault_server(saying(STREAM_HEAD + chunked(sse(chunk("a"))))) as server, adapter() as provider:
        hung_up = asyncio.Event()

        async def watch() -> None:
            await server.asked.wait()
            await server.all_hung_up()
            hung_up.set()

        watcher = asyncio.create_task(watch())
        yield provider, request_to(server.url), hung_up
        await watcher


def test_leaving_the_loop_closes_the_connection() -> None:
    async def main() -> None:
        async with streaming() as (provider, request, hung_up):
            async with provider.stream(request) as batches:
                async for _ in batches:
                    break
            await hung_up.wait()

    run(main())


def test_an_exception_of_the_caller_closes_the_connection() -> None:
    async def main() -> None:
        async with streaming() as (provider, request, hung_up):
            with pytest.raises(ZeroDivisionError):
                async with provider.stream(request):
                    raise ZeroDivisionError
            await hung_up.wait()

    run(main())


def test_a_deadline_of_the_caller_closes_the_connection() -> None:
    async def main() -> None:
        async with streaming() as (provider, request, hung_up):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await batches_of(provider, request)
            await hung_up.wait()

    run(main())


def test_closing_the_provider_ends_the_answers_in_progress() -> None:
    async def main() -> None:
        async with streaming() as (provider, request, hung_up), provider.stream(request) as batches:
            await anext(batches)
            rest = asyncio.create_task(anext(batches))
            await asyncio.sleep(0)
            await provider.aclose()
            with pytest.raises(SidecarError) as ended:
                await rest
            assert ended.value.code == "STREAM_TRUNCATED"
            await hung_up.wait()

    run(main())


def test_closing_the_provider_does_not_wait_for_a_server_that_takes_nothing() -> None:
    async def main() -> None:
        async with fault_server(saying(), reads=False) as server, adapter() as provider:
            task = asyncio.create_task(outcome_of(provider, request_to(server.url, messages=LARGE)))
            await server.connected.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            await provider.aclose()
            await cancel(task)

    run_virtual(main())


def test_one_cancelled_answer_leaves_the_others_alone() -> None:
    async def main() -> None:
        async with fault_server(saying(STREAM_HEAD + chunked(sse(chunk("a"))))) as server, adapter() as provider:
            tasks = [asyncio.create_task(outcome_of(provider, request_to(server.url))) for _ in range(3)]
            while len(server.requests) < 3:
                await asyncio.sleep(0)
            await cancel(tasks[0])
            assert sum([await is_gone(connection.hung_up) for connection in server.connections]) == 1
            for connection in server.connections:
                if not connection.hung_up.is_set():
                    await connection.send(chunked(sse(chunk(finish="stop"), "[DONE]")))
            assert [(await task)[1] for task in tasks[1:]] == [None, None]

    run(main())


async def is_gone(hung_up: asyncio.Event) -> bool:
    for _ in range(50):
        await asyncio.sleep(0)
    return hung_up.is_set()
