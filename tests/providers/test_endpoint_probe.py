"""The question to a local port: what it asks, whom, and how little it takes from whoever answers."""

from __future__ import annotations

import pytest

from llm_sidecar.errors import InvalidParams, ProviderError
from llm_sidecar.limits import MIB
from llm_sidecar.providers.probe import ProbeAnswer, probe
from tests.providers.contract import run
from tests.providers.fault_server import (
    STREAM_HEAD,
    Exchange,
    FaultServer,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    saying_then_closing,
    saying_then_resetting,
)


def asked(script: Script, **options: float) -> tuple[ProbeAnswer | ProviderError, FaultServer]:
    async def main() -> tuple[ProbeAnswer | ProviderError, FaultServer]:
        async with fault_server(script) as server:
            try:
                return await probe(server.url, "/v1/models", **options), server  # type: ignore[arg-type]
            except ProviderError as error:
                return error, server
            finally:
                await server.all_hung_up()

    return run(main())


@pytest.mark.parametrize("status", [200, 401, 404, 503])
def test_an_answer_is_its_status_its_kind_and_its_body(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    found, server = asked(saying(answer(status, b"[1]", ("Server", "x" * 300), ("Set-Cookie", "a=b"))))
    assert isinstance(found, ProbeAnswer)
    assert (found.status, found.body) == (status, b"[1]")
    assert found.headers == {"content-type": "application/json", "server": "x" * 200}
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/v1/models", b"")
    assert set(request.headers) <= {"host", "accept", "accept-encoding", "user-agent", "connection"}


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (saying(answer(302, b"", ("Location", "/again"))), "PROVIDER_PROTOCOL_ERROR"),
        (saying(answer(204, b"")), "PROVIDER_PROTOCOL_ERROR"),
        (saying(answer(200, b"x", ("Content-Encoding", "gzip"))), "PROVIDER_PROTOCOL_ERROR"),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), "PROVIDER_PROTOCOL_ERROR"),
        (saying_then_closing(), "NETWORK_ERROR"),
        (saying_then_resetting(), "NETWORK_ERROR"),
        (saying_then_closing(answer(200, b"whole")[:-1]), "STREAM_TRUNCATED"),
        (saying(STREAM_HEAD + b"zz\r\n"), "PROVIDER_PROTOCOL_ERROR"),
    ],
)
def test_what_is_no_answer_is_a_typed_error(script: Script, code: str) -> None:
    found, server = asked(script)
    assert isinstance(found, ProviderError)
    assert found.code == code
    assert len(server.requests) <= 2, "aiohttp asks once more where a connection is lost before an answer"


def test_more_than_the_most_is_not_read() -> None:
    async def flood(exchange: Exchange) -> None:
        await exchange.send(STREAM_HEAD)
        while not exchange.transport.is_closing():
            await exchange.send(chunked(b"x" * 65_536))

    found, server = asked(flood)
    assert isinstance(found, ProviderError)
    assert found.code == "PROVIDER_PROTOCOL_ERROR"
    found, _ = asked(saying(answer(200, b"x" * MIB)))
    assert isinstance(found, ProbeAnswer)
    found, _ = asked(saying(answer(200, b"x" * 11)), max_bytes=10)
    assert isinstance(found, ProviderError)
    assert len(server.requests) == 1


@pytest.mark.parametrize("script", [saying(), saying(STREAM_HEAD), saying(STREAM_HEAD + chunked(b"x"))])
def test_who_is_silent_is_not_waited_for(script: Script) -> None:
    found, _ = asked(script, timeout_s=0.05)
    assert isinstance(found, ProviderError)
    assert found.details == {"errno": "ETIMEDOUT"}


def test_where_nobody_listens_nobody_answers() -> None:
    async def main() -> ProviderError:
        async with fault_server(saying()) as server:
            url = server.url
        with pytest.raises(ProviderError) as failed:
            await probe(url, "/")
        return failed.value

    assert run(main()).details == {"errno": "ECONNREFUSED"}


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8080",
        "http://169.254.169.254",
        "http://no-such-host.invalid",
        "https://127.0.0.1:8080",
        "http://0.0.0.0:8080",
        "http://127.1:8080",
        "http://me@127.0.0.1",
        "file:///etc/passwd",
    ],
)
def test_only_this_machine_is_asked(url: str) -> None:
    with pytest.raises(InvalidParams):
        run(probe(url, "/"))
