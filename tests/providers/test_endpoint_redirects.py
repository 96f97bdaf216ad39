"""Redirects with a credential: a typed error, and whoever is named there never sees a request.

Every adapter with its own header × every status × to the same origin, another port, another name, another scheme.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Provider, ProviderRequest
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.contract import outcome_of, run
from tests.providers.fault_server import Exchange, answer, fault_server
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat

KEY = "sk-canary-in-flight"
HEADERS = {
    "openai chat": "authorization",
    "openai responses": "authorization",
    "ollama": "authorization",
    "anthropic": "x-api-key",
    "gemini": "x-goog-api-key",
    "azure": "api-key",
}
TARGETS = {
    "the same origin": "{first}/again",
    "a path": "/again",
    "another port": "{second}/v1",
    "another name": "{second_by_name}/v1",
    "another scheme": "{second_encrypted}/v1",
    "no scheme": "//{second_place}/v1",
}


def the_format(name: str) -> WireFormat:
    (found,) = [fmt for fmt in FORMATS.values() if fmt.name == name.replace("azure", "openai chat")]
    return found


def the_request(name: str, url: str) -> ProviderRequest:
    request = the_format(name).request(url, "m", KEY)
    if name != "azure":
        return request
    return replace(request, endpoint=replace(request.endpoint, provider_id="azure"))


async def both_ways(provider: Provider, request: ProviderRequest) -> list[SidecarError]:
    """The errors of an answer and of a list of models."""
    _, first = await outcome_of(provider, request)
    assert first is not None
    with pytest.raises(SidecarError) as second:
        await provider.list_models(request.endpoint)
    return [first, second.value]


def test_the_matrix_is_whole() -> None:
    assert set(FORMATS) == set(HEADERS) - {"azure"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", HEADERS)
def test_no_redirect_is_followed_with_a_key(name: str, target: str) -> None:
    async def main() -> None:
        said = b""

        async def redirect(exchange: Exchange) -> None:
            await exchange.send(said)

        async def never(exchange: Exchange) -> None:
            await exchange.send(answer(200, b"{}"))

        async with fault_server(redirect) as first, fault_server(never) as second:
            location = TARGETS[target].format(
                first=first.url,
                second=second.url,
                second_by_name=second.url.replace("127.0.0.1", "localhost"),
                second_encrypted=second.url.replace("http:", "https:"),
                second_place=second.url.removeprefix("http://"),
            )
            provider = the_format(name).make(HttpClient(Limits))
            request = the_request(name, first.url)
            for status in (301, 302, 303, 307, 308):
                said = answer(status, b"", ("Location", location))
                before = len(first.requests)
                for error in await both_ways(provider, request):
                    assert error.code == "PROVIDER_PROTOCOL_ERROR"
                    assert not error.retryable
                    assert second.url.rpartition(":")[2] not in error.message
                assert "/again" not in [asked.path for asked in first.requests]
                asked = first.requests[before]
                assert KEY in asked.headers[HEADERS[name]], "the key was really sent"
            await provider.aclose()
            assert second.connections == []

    run(main())
