"""The HTTP client: what it refuses to do, and what it costs to have around."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.contract import run
from tests.providers.fault_server import Exchange, answer, fault_server, saying, saying_then_closing

CERTIFICATE = Path(__file__).parent / "self_signed_localhost.pem"
"""Key and certificate for `localhost` and 127.0.0.1 that nobody trusts; made for these tests only."""


@asynccontextmanager
async def client() -> AsyncIterator[HttpClient]:
    http = HttpClient(Limits)
    try:
        yield http
    finally:
        await http.aclose()


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout


def test_the_adapter_does_not_import_aiohttp_until_it_is_used() -> None:
    said = python(
        "import sys, llm_sidecar.limits as l;"
        "import llm_sidecar.providers.openai.chat as m, llm_sidecar.providers.http.client as h;"
        "m.OpenAIChatProvider(h.HttpClient(l.Limits));"
        "print([n for n in ('aiohttp', 'openai', 'httpx2', 'pydantic', 'anyio', 'yarl') if n in sys.modules])"
    )
    assert said.strip() == "[]"


def test_warming_up_imports_it_in_a_thread_and_opens_nothing() -> None:
    said = python(
        "import asyncio, sys, threading\n"
        "from llm_sidecar.limits import Limits\n"
        "from llm_sidecar.providers.http.client import HttpClient\n"
        "from llm_sidecar.providers.openai.chat import OpenAIChatProvider\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'aiohttp': print(threading.current_thread() is threading.main_thread())\n"
        "sys.meta_path.insert(0, Watch())\n"
        "async def main():\n"
        "    provider = OpenAIChatProvider(HttpClient(Limits))\n"
        "    await asyncio.gather(provider.warm(), provider.warm())\n"
        "    print('aiohttp' in sys.modules, provider._http._here)\n"
        "    await provider.aclose()\n"
        "asyncio.run(main())\n"
    )
    assert said.split("\n") == ["False", "True None", ""]


def certificate_failure(url_host: str) -> ProviderError:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)

    async def main() -> ProviderError:
        async with fault_server(saying(answer(200, b"{}")), tls=tls) as server, client() as http:
            with pytest.raises(ProviderError) as failed:
                await http.send("GET", server.url.replace("127.0.0.1", url_host) + "/v1", {"Authorization": "Bearer x"})
            assert server.requests == [], "nothing was sent to a stranger"
            return failed.value

    return run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_that_nobody_vouches_for_is_refused(host: str) -> None:
    error = certificate_failure(host)
    assert error.code == "NETWORK_ERROR"
    assert error.details == {"errno": "TLS_ERROR"}


def test_a_server_that_speaks_no_tls_is_a_tls_error() -> None:
    async def main() -> None:
        async with fault_server(saying()) as server, client() as http:
            task = asyncio.create_task(http.send("GET", server.url.replace("http://", "https://"), {}))
            await server.connected.wait()
            await server.connections[0].send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(ProviderError) as failed:
                await task
            assert failed.value.details == {"errno": "TLS_ERROR"}

    run(main())


def test_a_server_that_hangs_up_on_the_handshake_is_a_network_error() -> None:
    async def main() -> None:
        async with fault_server(saying()) as server, client() as http:
            task = asyncio.create_task(http.send("GET", server.url.replace("http://", "https://"), {}))
            await server.connected.wait()
            server.connections[0].reset()
            with pytest.raises(ProviderError) as failed:
                await task
            assert failed.value.code == "NETWORK_ERROR"

    run(main())


def test_session_keys_are_not_written_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(key_log))
    certificate_failure("localhost")
    assert not key_log.exists() or "SECRET" not in key_log.read_text()


def test_proxies_netrc_and_cookies_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        cookie = ("Set-Cookie", "session=canary; Path=/")
        async with (
            fault_server(saying(answer(200, b"{}", cookie))) as server,
            fault_server(saying(answer(200, b"{}"))) as proxy,
            client() as http,
        ):
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.delenv("no_proxy", raising=False)
            netrc = tmp_path / "netrc"
            netrc.write_text("machine localhost login me password canary\n")
            monkeypatch.setenv("NETRC", str(netrc))
            for _ in range(2):
                response = await http.send("GET", server.url.replace("127.0.0.1", "localhost"), {})
                await response.read_all(100)
                response.close()
            assert proxy.connections == []
            assert len(server.requests) == 2
            for request in server.requests:
                assert "cookie" not in request.headers
                assert "authorization" not in request.headers

    run(main())


def test_a_lost_idle_connection_is_replaced_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        whole = answer(200, b"{}")
        opened = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await exchange.send(whole[:-1])
            await opened.wait()
            await exchange.send(whole[-1:])

        async with fault_server(script) as server, client() as http:
            for _ in range(3):
                opened.clear()
                response = await http.send("GET", server.url, {})
                opened.set()
                assert await response.read_all(100) == b"{}"
                response.close()
                server.connections[-1].reset()
                await server.all_hung_up()
                for _ in range(10):
                    await asyncio.sleep(0)
            assert len(server.connections) == 3

    run(main())
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("closed", [1, 3])
def test_a_request_that_meets_a_connection_just_closed_is_sent_again(closed: int) -> None:
    """llama.cpp closes its connection after every answer, and says it keeps it."""

    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            if exchange in answered:
                exchange.close()  # the second request on a connection is one too many
            else:
                answered.add(exchange)
                await exchange.send(answer(200, b"{}"))

        answered: set[Exchange] = set()
        async with fault_server(script) as server, client() as http:
            responses = [await http.send("POST", server.url, {}, b"{}") for _ in range(closed)]
            for response in responses:
                assert await response.read_all(100) == b"{}"
                response.close()
            response = await http.send("POST", server.url, {}, b"{}")
            assert await response.read_all(100) == b"{}"
            response.close()
            assert len(server.connections) == closed + 1

    run(main())


def test_a_request_that_meets_a_new_connection_just_closed_is_not_sent_again() -> None:
    async def main() -> None:
        async with fault_server(saying_then_closing()) as server, client() as http:
            with pytest.raises(ProviderError) as failed:
                await http.send("POST", server.url, {}, b"{}")
            assert failed.value.code == "NETWORK_ERROR"
            assert len(server.requests) == 1

    run(main())
