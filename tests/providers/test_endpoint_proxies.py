"""Proxies: never used unless the host says so; then for other machines only, as the variables say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import product

import pytest

from llm_sidecar import redaction
from llm_sidecar.errors import InvalidParams, ProviderError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.http.proxies import Proxies
from llm_sidecar.providers.registry import ProviderRegistry
from tests.providers.certificates import Authority, trusting
from tests.providers.contract import run
from tests.providers.fault_server import Exchange, FaultServer, answer, fault_server, saying

VARIABLES = ["http_proxy", "https_proxy", "all_proxy"]
NO_PROXY = [None, "", "*", "elsewhere.test"]
KEY = {"Authorization": "Bearer sk-canary-in-flight"}


@pytest.fixture(autouse=True)
def _no_variables_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*VARIABLES, "no_proxy"]:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("The only one")


async def look_up(name: str) -> Sequence[str]:
    """`here.test` is this machine; nobody but a proxy finds the others (and an address in a test is not asked for)."""
    if name in ("here.test", "localhost"):
        return ["127.0.0.1"]
    raise OSError("Name or service not known")


def port_of(server: FaultServer) -> str:
    return server.url.rpartition(":")[2]


@asynccontextmanager
async def client(proxies: Proxies | None = None) -> AsyncIterator[HttpClient]:
    http = HttpClient(Limits, look_up=look_up, proxies=proxies)
    try:
        yield http
    finally:
        await http.aclose()


async def get(http: HttpClient, url: str) -> int:
    response = await http.send("GET", url, KEY, allow_insecure=True)
    await response.read_all(100)
    response.close()
    return response.status


# --- not used: the matrix ---


@pytest.mark.parametrize("no_proxy", NO_PROXY)
@pytest.mark.parametrize(("variable", "upper"), list(product(VARIABLES, [False, True])))
def test_no_variable_makes_the_client_use_a_proxy_by_itself(
    variable: str, upper: bool, no_proxy: str | None, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To this machine by address and by name, over TLS, and to another machine (which is not there)."""

    async def main() -> None:
        trusting(authority, monkeypatch)
        async with (
            fault_server(saying(answer(200, b"{}"))) as server,
            fault_server(saying(answer(200, b"{}")), tls=authority.server_for("127.0.0.1")) as encrypted,
            fault_server(saying(answer(200, b"{}"))) as proxy,
        ):
            monkeypatch.setenv(variable.upper() if upper else variable, proxy.url)
            if no_proxy is not None:
                monkeypatch.setenv("NO_PROXY" if upper else "no_proxy", no_proxy)
            async with client() as http:
                for host in ("127.0.0.1", "localhost", "here.test"):
                    assert await get(http, f"http://{host}:{port_of(server)}/") == 200
                assert await get(http, f"{encrypted.url}/") == 200
                for url in ("https://elsewhere.test/", "http://elsewhere.test/"):
                    with pytest.raises(ProviderError):
                        await get(http, url)
            assert len(server.requests) == 3
            assert proxy.connections == []

    run(main())


# --- used: what the host asked for ---


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "https://a.test/v1", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "https://a.test/v1", "http://p:1"),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https://a.test", "http://p:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q:1"}, "https://a.test", None),
        ({"HTTPS_PROXY": "https://p:1"}, "https://a.test", "https://p:1"),
        ({"HTTPS_PROXY": "p:3128"}, "https://a.test", "http://p:3128"),
        ({"HTTPS_PROXY": " http://p:1 "}, "https://a.test", "http://p:1"),
        ({"HTTPS_PROXY": "http://me:secret-word-1@p:1"}, "https://a.test", "http://me:secret-word-1@p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https://a.test", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://a.test", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "http://a.test", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://a.test", None),
        ({"ALL_PROXY": "http://p:1"}, "http://a.test", "http://p:1"),
        ({"all_proxy": "http://p:1"}, "https://a.test", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https://a.test", "http://q:1"),
        ({}, "https://a.test", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://a.test", None),
        ({"ALL_PROXY": "http://p:1", "no_proxy": "a.test"}, "https://a.test", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "b.test, A.TEST"}, "https://a.test", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": ".a.test"}, "https://x.a.test", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "*.a.test"}, "https://x.a.test", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "a.test"}, "https://xa.test", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "a.test:8443"}, "https://a.test:8443", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "a.test:8443"}, "https://a.test", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "a.test:443"}, "https://a.test", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "https://11.1.2.3", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "10.1.2.3"}, "https://10.1.2.3", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "10.1.2.3:8443"}, "https://10.1.2.3:8443", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "[2001:db8::7]"}, "https://[2001:db8::7]", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "2001:db8::/32"}, "https://[2001:db8::7]:8443", None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": ",, ,"}, "https://a.test", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "no_proxy": "", "NO_PROXY": "*"}, "https://a.test", "http://p:1"),
        # this machine: never
        ({"ALL_PROXY": "http://p:1"}, "https://127.0.0.1:8443", None),
        ({"ALL_PROXY": "http://p:1"}, "https://127.9.9.9", None),
        ({"ALL_PROXY": "http://p:1"}, "http://[::1]:8080", None),
        ({"ALL_PROXY": "http://p:1"}, "https://localhost", None),
        ({"ALL_PROXY": "http://p:1"}, "https://a.localhost", None),
        ({"ALL_PROXY": "http://p:1"}, "https://here.test", None),
        ({"ALL_PROXY": "http://p:1"}, "http://here.test", None),
        ({"ALL_PROXY": "not a proxy"}, "http://here.test", None),
    ],
)
def test_the_variables_are_read_as_other_programs_read_them(
    environment: Mapping[str, str], url: str, proxy: str | None
) -> None:
    assert run(Proxies(environment).on_the_way_to(url, look_up, 5)) == proxy


@pytest.mark.parametrize(
    "text", ["socks5://p:1080", "http://", "http://p:99999", "http://p:0", "ftp://p", "http://p q", "http://[::1"]
)
def test_a_variable_that_names_no_proxy_is_refused_by_name_and_not_passed_over(text: str) -> None:
    proxies = Proxies({"Https_Proxy": "", "HTTPS_PROXY": text})
    with pytest.raises(InvalidParams) as caught:
        run(proxies.on_the_way_to("https://a.test", look_up, 5))
    assert "HTTPS_PROXY" in caught.value.message
    assert text == "http://" or text not in caught.value.message


def test_a_name_is_looked_up_once_and_not_for_longer_than_a_connection_may_take() -> None:
    asked: list[str] = []

    async def hang(name: str) -> Sequence[str]:
        asked.append(name)
        await asyncio.Event().wait()
        return []

    async def main() -> None:
        proxies = Proxies({"ALL_PROXY": "http://p:1"})
        for _ in range(3):
            assert await proxies.on_the_way_to("https://a.test", hang, 0) == "http://p:1"

    run(main())
    assert asked in (["a.test"], [])


@pytest.fixture
def hidden() -> Iterator[list[str]]:
    before = list(redaction._hidden.texts)
    yield before
    redaction._hidden.texts = before


def test_the_password_of_a_proxy_is_hidden(hidden: list[str]) -> None:
    Proxies({"HTTPS_PROXY": "http://me:pass%20word-77@p:1", "HTTP_PROXY": "me:other-word-88@p:1"})
    assert redaction.redact("pass%20word-77 pass word-77 other-word-88") == "*** *** ***"
    assert "pass word-77" not in hidden


# --- used: over the wire ---


def tunnelling(target: FaultServer, *, status: int = 200) -> tuple[list[Exchange], object]:
    """A proxy's script: it joins its client with `target`, whatever host was asked for."""
    clients: list[Exchange] = []

    async def script(exchange: Exchange) -> None:
        clients.append(exchange)
        if status != 200:
            await exchange.send(answer(status, b"", ("Location", "https://evil.test")))
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port_of(target)))
        exchange.data_received = writer.write  # type: ignore[method-assign]
        await exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while data := await reader.read(65_536):
            await exchange.send(data)
        writer.close()

    return clients, script


def test_over_tls_the_proxy_sees_a_name_and_no_key(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        trusting(authority, monkeypatch)
        async with fault_server(saying(answer(200, b"{}")), tls=authority.server_for("elsewhere.test")) as server:
            _, script = tunnelling(server)
            async with fault_server(script) as proxy:  # type: ignore[arg-type]
                async with client(Proxies({"HTTPS_PROXY": proxy.url.replace("//", "//me:pass-word-1@")})) as http:
                    assert await get(http, "https://elsewhere.test/v1") == 200
                    assert await get(http, "https://elsewhere.test/v1") == 200
                (asked,) = proxy.requests
                assert (asked.method, asked.path) == ("CONNECT", "elsewhere.test:443")
                assert not any("canary" in value for value in asked.headers.values())
                assert asked.headers["proxy-authorization"].startswith("Basic ")
            assert [request.headers["authorization"] for request in server.requests] == [KEY["Authorization"]] * 2
            assert not any("proxy-authorization" in request.headers for request in server.requests)

    run(main())


def test_through_a_proxy_certificates_are_checked_as_well(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        trusting(authority, monkeypatch)
        async with fault_server(saying(answer(200, b"{}")), tls=authority.server_for("evil.test")) as server:
            _, script = tunnelling(server)
            async with (
                fault_server(script) as proxy,  # type: ignore[arg-type]
                client(Proxies({"HTTPS_PROXY": proxy.url})) as http,
            ):
                with pytest.raises(ProviderError) as failed:
                    await get(http, "https://elsewhere.test/v1")
                assert failed.value.details == {"errno": "TLS_ERROR"}
            assert server.requests == []

    run(main())


@pytest.mark.parametrize("status", [301, 302, 307, 403, 407, 502])
def test_a_proxy_that_refuses_is_an_error_of_the_network_and_its_redirect_is_not_followed(status: int) -> None:
    async def main() -> None:
        async with fault_server(saying()) as target:
            _, script = tunnelling(target, status=status)
            async with (
                fault_server(script) as proxy,  # type: ignore[arg-type]
                client(Proxies({"HTTPS_PROXY": proxy.url})) as http,
            ):
                with pytest.raises(ProviderError) as failed:
                    await get(http, "https://elsewhere.test/v1")
                assert failed.value.code == "NETWORK_ERROR"
                assert failed.value.details == {"errno": "PROXY_ERROR"}
                assert "elsewhere.test:443" in failed.value.message
                assert len(proxy.requests) == 1

    run(main())


def test_a_proxy_that_is_not_there_is_an_error_of_the_network() -> None:
    async def main() -> None:
        async with fault_server(saying()) as gone:
            url = gone.url
        async with client(Proxies({"ALL_PROXY": url})) as http:
            for address in ("https://elsewhere.test/v1", "http://elsewhere.test/v1"):
                with pytest.raises(ProviderError) as failed:
                    await get(http, address)
                assert failed.value.details == {"errno": "PROXY_ERROR"}

    run(main())


def test_plain_http_to_another_machine_goes_through_the_proxy_only_where_it_is_allowed_at_all() -> None:
    async def main() -> None:
        async with fault_server(saying(answer(200, b"{}"))) as proxy, client(Proxies({"ALL_PROXY": proxy.url})) as http:
            assert await get(http, "http://elsewhere.test/v1") == 200
            assert [request.path for request in proxy.requests] == ["http://elsewhere.test/v1"]
            with pytest.raises(InvalidParams):
                await http.send("GET", "http://elsewhere.test/v1", KEY)
            assert len(proxy.requests) == 1

    run(main())


def test_this_machine_is_reached_without_the_proxy(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        trusting(authority, monkeypatch)
        async with (
            fault_server(saying(answer(200, b"{}"))) as plain,
            fault_server(saying(answer(200, b"{}")), tls=authority.server_for("here.test")) as encrypted,
            fault_server(saying(answer(200, b"{}"))) as proxy,
            client(Proxies({"ALL_PROXY": proxy.url})) as http,
        ):
            for host in ("127.0.0.1", "localhost", "here.test"):
                assert await get(http, f"http://{host}:{port_of(plain)}/") == 200
            assert await get(http, f"https://here.test:{port_of(encrypted)}/") == 200
            assert proxy.connections == []

    run(main())


def test_the_registry_reads_the_environment_only_if_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    assert ProviderRegistry(Limits)._http._proxies is None
    assert ProviderRegistry(Limits, use_proxy=True)._http._proxies is not None


def test_no_proxy_can_make_a_context_that_checks_nothing() -> None:
    """`ssl=` of aiohttp: what is not a context would be the default one, or none."""
    from llm_sidecar.providers.http.connector import trust_system

    assert trust_system().verify_mode is ssl.CERT_REQUIRED
    assert trust_system().check_hostname
