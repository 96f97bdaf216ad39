"""The socket of the HTTP client: small reads for single tokens, large ones for a flood."""

from __future__ import annotations

import socket
import sys

import pytest

from llm_sidecar.limits import Limits
from llm_sidecar.providers.http import connector, frugal_socket
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.http.frugal_socket import FrugalSocket
from tests.providers.contract import run
from tests.providers.fault_server import answer, fault_server, saying


def test_a_read_asks_for_little_until_much_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frugal_socket, "SMALL_READ_BYTES", 1_000)
    ours, theirs = socket.socketpair()
    with FrugalSocket(fileno=ours.detach()) as frugal, theirs:
        theirs.sendall(b"x" * 3_000)
        assert [len(frugal.recv(256 * 1024)) for _ in range(2)] == [1_000, 2_000]
        theirs.sendall(b"x" * 100)
        assert len(frugal.recv(256 * 1024)) == 100
        theirs.sendall(b"x" * 3_000)
        assert len(frugal.recv(10)) == 10
        assert len(frugal.recv(256 * 1024)) == 1_000


@pytest.mark.skipif(sys.platform == "win32", reason="its event loop reads by itself")
def test_every_connection_of_the_client_reads_that_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new asyncio or aiohttp might go round it in silence."""
    reads: list[int] = []

    class Watched(FrugalSocket):
        def recv(self, size: int, flags: int = 0, /) -> bytes:
            reads.append(size)
            return super().recv(size, flags)

    monkeypatch.setattr(connector, "FrugalSocket", Watched)

    async def main() -> None:
        async with fault_server(saying(answer(200, b"{}"))) as server:
            client = HttpClient(Limits)
            response = await client.send("GET", server.url, {})
            assert await response.read_all(100) == b"{}"
            response.close()
            await client.aclose()

    run(main())
    assert reads
