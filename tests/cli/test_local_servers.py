"""Finding model servers on this machine: a real one, and strangers on their ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llm_sidecar.cli import local_servers
from llm_sidecar.cli.local_servers import LocalServer, find_local_servers
from tests.llama_server import LlamaServer

Run = Callable[..., Any]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@asynccontextmanager
async def stranger(answer: bytes, *, stays: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says `answer` to everything, and may keep the connection; its port, and what it was asked."""
    heard: list[bytes] = []
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        if stays:
            await left.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
        left.set()


async def found_at(port: int) -> list[LocalServer]:
    return await find_local_servers({port: "openai-compatible"})


def test_a_real_llama_cpp_server_is_found_with_its_model(run: Run, llama_server: LlamaServer) -> None:
    port = int(llama_server.url.rpartition(":")[2])
    (found,) = run(find_local_servers({port: "llama.cpp"}))
    assert found.base_url == f"{llama_server.url}/v1"
    assert found.provider_id == "llama.cpp"
    assert len(found.models) == 1


def test_nothing_is_sent_but_a_plain_question_for_models(run: Run) -> None:
    async def main() -> None:
        async with stranger(OK + b'{"data":[{"id":"m","owned_by":"x"}]}') as (port, heard):
            assert await found_at(port) == [LocalServer("openai-compatible", f"http://127.0.0.1:{port}/v1", ["m"])]
        question = b"GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port
        assert heard == [question]

    run(main())


def test_a_server_that_lists_none_is_found_all_the_same(run: Run) -> None:
    async def main() -> None:
        async with stranger(OK + b'{"object":"list","data":null}') as (port, _):
            assert [server.models for server in await found_at(port)] == [[]]

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n{}",
        b'HTTP/1.1 503 Loading\r\n\r\n{"data":[]}',
        OK + b"<html>",
        OK + b'{"models":[]}',
        OK + b'{"data":[{"id":7}]}',
        OK + b'{"data":[{"id":"\xff"}]}',
        OK + b"[" * 100_000,
        OK + b'{"data":[' + b" " * 2_000_000 + b"]}",
    ],
)
def test_whoever_does_not_list_models_is_not_a_model_server(answer: bytes, run: Run) -> None:
    async def main() -> None:
        async with stranger(answer) as (port, _):
            assert await found_at(port) == []

    run(main())


def test_a_silent_stranger_hides_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_servers, "_SECONDS", 1.5)  # the other one's time, too, on a machine that is busy

    async def main() -> None:
        async with (
            stranger(b"", stays=True) as (silent, _),
            stranger(OK + b'{"data":[{"id":"m"}]}') as (port, _),
        ):
            found = await find_local_servers({silent: "ollama", port: "lmstudio"})
            assert [server.provider_id for server in found] == ["lmstudio"]

    run(main())


def test_a_closed_port_is_nobody(run: Run) -> None:
    async def main() -> None:
        async with stranger(b"") as (port, _):
            pass
        assert await found_at(port) == []

    run(main())
