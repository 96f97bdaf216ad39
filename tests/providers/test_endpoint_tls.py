"""Certificates that are wrong in one way each: no byte of the request is sent, and the error says TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.certificates import Authority, trusting
from tests.providers.contract import run
from tests.providers.fault_server import answer, fault_server, saying, saying_then_closing

KEY = {"Authorization": "Bearer sk-canary-in-flight"}
US = ("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("The trusted one")


@pytest.mark.parametrize("host", US)
@pytest.mark.parametrize(
    "fault", ["none", "expired", "not yet valid", "another host", "another authority", "a wildcard"]
)
def test_only_a_faultless_certificate_gets_the_request(
    fault: str, host: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tls = {
        "none": lambda: authority.server_for(*US),
        "expired": lambda: authority.server_for(*US, begins_in_days=-9, ends_in_days=-2),
        "not yet valid": lambda: authority.server_for(*US, begins_in_days=2, ends_in_days=9),
        "another host": lambda: authority.server_for("api.example.com", "127.0.0.2"),
        "another authority": lambda: Authority("The trusted one").server_for(*US),
        "a wildcard": lambda: authority.server_for("*"),
    }[fault]()
    key_log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(key_log))
    trusting(authority, monkeypatch)

    async def main() -> None:
        http = HttpClient(Limits)
        async with fault_server(saying(answer(200, b"{}")), tls=tls) as server:
            url = server.url.replace("127.0.0.1", host)
            if fault == "none":
                response = await http.send("POST", url, KEY, b"prompt")
                assert await response.read_all(100) == b"{}"
                response.close()
            else:
                for allow_insecure in (False, True):
                    with pytest.raises(ProviderError) as failed:
                        await http.send("POST", url, KEY, b"prompt", allow_insecure=allow_insecure)
                    assert failed.value.code == "NETWORK_ERROR"
                    assert failed.value.details == {"errno": "TLS_ERROR"}
                assert server.requests == []
                assert sum(connection.received_bytes for connection in server.connections) == 0
            await http.aclose()

    run(main())
    assert not key_log.exists()


def test_to_a_port_that_speaks_plain_http_nothing_of_the_request_is_sent() -> None:
    async def main() -> None:
        http = HttpClient(Limits)
        async with fault_server(saying()) as server:
            heard = bytearray()

            def hear(data: bytes) -> None:
                heard.extend(data)
                server.connections[0].transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("tests.providers.fault_server.Exchange.data_received", lambda _, data: hear(data))
                with pytest.raises(ProviderError) as failed:
                    await http.send("POST", server.url.replace("http:", "https:"), KEY, b"prompt")
            assert failed.value.details == {"errno": "TLS_ERROR"}
            assert heard[:1] == b"\x16", "a TLS handshake"
            assert b"canary" not in heard
            assert b"prompt" not in heard
        await http.aclose()

    run(main())


def test_an_encrypted_port_asked_in_plain_http_is_an_error_of_the_protocol_or_the_network(authority: Authority) -> None:
    async def main() -> None:
        http = HttpClient(Limits)
        async with fault_server(saying_then_closing(), tls=authority.server_for(*US)) as server:
            with pytest.raises(ProviderError) as failed:
                await http.send("GET", server.url.replace("https:", "http:"), {})
            assert failed.value.code in ("NETWORK_ERROR", "PROVIDER_PROTOCOL_ERROR")
            assert server.requests == []
        await http.aclose()

    run(main())
