"""A name that leads to this machine first and elsewhere later never gets the key, end to end.

"Elsewhere" is 192.0.2.1, which is nobody's (RFC 5737), and a socket to it is never opened.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from llm_sidecar.errors import InvalidParams
from llm_sidecar.limits import Limits
from llm_sidecar.providers.http import connector
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.http.frugal_socket import FrugalSocket
from llm_sidecar.providers.http.loopback import check_endpoint
from tests.providers.contract import outcome_of, run
from tests.providers.fault_server import FaultServer, answer, fault_server, saying, saying_then_closing
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat

KEY = "sk-canary-in-flight"
HERE = ["127.0.0.1"]
ELSEWHERE = ["192.0.2.1"]
BOTH = ["127.0.0.1", "192.0.2.1"]
FAR = "http://rebind.test"


class Rebinding:
    """A resolver whose answers change: one after the other, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, name: str) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def connected_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every address a socket of ours was told to connect to; one that is not loopback fails the test."""
    tried: list[str] = []

    def watch(address: Sequence[Any]) -> socket.socket:
        tried.append(str(address[4][0]))
        return FrugalSocket(*address[:3])

    monkeypatch.setattr(connector, "_socket", watch)
    yield tried
    assert set(tried) <= {"127.0.0.1"}


def at(server: FaultServer) -> str:
    return f"{FAR}:{server.url.rpartition(':')[2]}"


async def ask(http: HttpClient, url: str) -> None:
    response = await http.send("POST", url, {"Authorization": KEY}, b"{}")
    await response.read_all(100)
    response.close()


@pytest.mark.parametrize("later", [ELSEWHERE, BOTH, [*BOTH][::-1], [], ["::ffff:192.0.2.1"], ["0.0.0.0"]])
def test_a_name_that_moves_between_two_connections_is_refused(later: list[str], connected_to: list[str]) -> None:
    """The first server closes, so that each request needs a connection; two ports, so that no answer is remembered."""

    async def main() -> None:
        resolver = Rebinding(HERE, later)
        async with fault_server(saying_then_closing(answer(200, b"{}"))) as first, fault_server(saying()) as second:
            http = HttpClient(Limits, look_up=resolver)
            await ask(http, at(first))
            await first.all_hung_up()
            for _ in range(2):
                with pytest.raises(InvalidParams):
                    await ask(http, at(second))
            await http.aclose()
            assert len(first.requests) == 1
            assert second.connections == []
            assert resolver.asked == 3

    run(main())
    assert connected_to == ["127.0.0.1"]


def test_a_name_that_moves_between_the_check_and_the_connection_is_refused(connected_to: list[str]) -> None:
    async def main() -> None:
        resolver = Rebinding(HERE, ELSEWHERE)
        async with fault_server(saying()) as server:
            url = await check_endpoint(at(server), look_up=resolver)
            http = HttpClient(Limits, look_up=resolver)
            with pytest.raises(InvalidParams):
                await ask(http, url)
            await http.aclose()
            assert server.connections == []

    run(main())
    assert connected_to == []


def test_one_connection_is_one_look_up_and_goes_where_that_looked(connected_to: list[str]) -> None:
    async def main() -> None:
        resolver = Rebinding(HERE, ELSEWHERE)
        async with fault_server(saying(answer(200, b"{}"))) as server:
            http = HttpClient(Limits, look_up=resolver)
            for _ in range(5):
                await ask(http, at(server))
            assert resolver.asked == 1, "none for a request on a kept connection"
            assert len(server.connections) == 1
            await http.aclose()

    run(main())
    assert connected_to == ["127.0.0.1"]


def test_many_requests_at_once_while_the_answer_changes_reach_nobody_else(connected_to: list[str]) -> None:
    async def main() -> None:
        resolver = Rebinding(HERE, ELSEWHERE, HERE, BOTH, HERE, ELSEWHERE)
        async with fault_server(saying_then_closing(answer(200, b"{}"))) as server:
            http = HttpClient(Limits, look_up=resolver)
            outcomes = await asyncio.gather(*(ask(http, at(server)) for _ in range(20)), return_exceptions=True)
            await http.aclose()
        others = [outcome for outcome in outcomes if outcome is not None and not isinstance(outcome, InvalidParams)]
        assert others == []

    run(main())


def test_a_connection_made_with_permission_is_not_used_without_it() -> None:
    """To 127.0.0.1, which stands for elsewhere: the look-up without permission says where the name leads now."""

    async def main() -> None:
        resolver = Rebinding(HERE, ELSEWHERE)
        async with fault_server(saying(answer(200, b"{}"))) as server:
            http = HttpClient(Limits, look_up=resolver)
            response = await http.send("GET", at(server), {}, allow_insecure=True)
            await response.read_all(100)
            response.close()
            with pytest.raises(InvalidParams):
                await ask(http, at(server))
            await http.aclose()
            assert len(server.requests) == 1

    run(main())


@pytest.mark.parametrize("wire_format", FORMATS.values(), ids=FORMATS.keys())
def test_no_adapter_sends_the_key_to_a_name_that_moved(wire_format: WireFormat, connected_to: list[str]) -> None:
    async def main() -> None:
        resolver = Rebinding(ELSEWHERE)
        async with fault_server(saying()) as server:
            provider = wire_format.make(HttpClient(Limits, look_up=resolver))
            request = wire_format.request(at(server), "m", KEY)
            _, error = await outcome_of(provider, request)
            assert isinstance(error, InvalidParams)
            with pytest.raises(InvalidParams):
                await provider.list_models(request.endpoint)
            await provider.aclose()
            assert server.connections == []

    run(main())
    assert connected_to == []
