"""Any server that speaks Anthropic's Messages API: Anthropic itself, llama.cpp, gateways.

Law: the rules of `providers.base`. Sent to the endpoint it names and nowhere else, and one request per answer, but for
a turn that the provider pauses: that is asked on with, in the same stream. The format is in `request` (out)
and `stream` (in).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import quote

from llm_sidecar.providers.anthropic.events import ModelInfo, decode_models
from llm_sidecar.providers.anthropic.request import message_body
from llm_sidecar.providers.anthropic.stream import MessageDecoder
from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.endpoints import normalise_base_url
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.exchange import DecodedBody, exchange, fetch, usable_key
from llm_sidecar.providers.first_model import FirstModels, opening_of
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.token_counts import count

_VERSION: Final = "2023-06-01"
"""The API version that knows a temperature: 2026-10-21 refuses every request that names one ("Versions", Anthropic's
documentation, which names no other difference in what is sent or read here)."""
_PAGE: Final = 1_000
"""Models asked for at once; the most there can be."""
_MAX_PAGES: Final = 10


class AnthropicProvider:
    """`Provider` for the Messages format. Use it from one event loop."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._first_models = FirstModels(self.list_models)

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncIterator[AsyncIterator[list[ProviderEvent]]]:
        """One streamed answer; see the rules of `providers.base`."""
        async with self._first_models.named(request) as model_id, AsyncExitStack() as open_exchange:
            turn = _Turn(self._http, request, model_id, open_exchange)
            await turn.ask()
            yield turn

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        """The models offered at `endpoint`, newest first; how long that may take is the caller's business.

        Raises `ProviderError`.
        """
        headers = anthropic_headers(endpoint)
        models: list[ModelDescription] = []
        url = first_url = f"{anthropic_url(endpoint, '/models')}?limit={_PAGE}"
        for _ in range(_MAX_PAGES):
            page = await fetch(self._http, url, headers, decode_models, endpoint=endpoint)
            models += [_describe(model) for model in page.data or () if model.id]
            if not page.has_more or not page.last_id:
                break
            url = f"{first_url}&after_id={quote(page.last_id, safe='')}"
        return models

    async def warm(self) -> None:
        await self._http.warm()

    async def aclose(self) -> None:
        await self._http.aclose()


class _Turn:
    """The batches of one answer, over as many requests as the provider makes of it."""

    def __init__(
        self, http: HttpClient, request: ProviderRequest, model_id: str, open_exchange: AsyncExitStack
    ) -> None:
        endpoint = request.endpoint
        self._http = http
        self._request = request
        self._model_id = model_id
        self._open_exchange = open_exchange
        self._max_event_bytes = http.limits.max_provider_event_bytes
        self._decoder = MessageDecoder(endpoint.provider_id, self._max_event_bytes, endpoint.api_key)
        self._opening = opening_of(request, model_id)

    async def ask(self) -> None:
        """Send the request, or (after a pause) send it again with what has come."""
        endpoint, decoder = self._request.endpoint, self._decoder
        url, headers = anthropic_url(endpoint, "/messages"), anthropic_headers(endpoint)
        body = message_body(self._request, self._model_id, decoder.content())
        await self._open_exchange.aclose()
        response = await self._open_exchange.enter_async_context(
            exchange(self._http, url, headers, body, endpoint=endpoint)
        )
        self._body = DecodedBody(response, decoder, self._max_event_bytes, opening=self._opening)
        self._opening = []

    def __aiter__(self) -> AsyncIterator[list[ProviderEvent]]:
        return self

    async def __anext__(self) -> list[ProviderEvent]:
        while True:
            try:
                return await anext(self._body)
            except StopAsyncIteration:
                if not self._decoder.paused:
                    raise
            await self.ask()
            self._decoder.resume()


def anthropic_url(endpoint: Endpoint, path: str) -> str:
    """The URL of `path` (it begins with a slash). Raises `InvalidParams` for an address that is none."""
    return normalise_base_url(endpoint.base_url, allow_insecure=endpoint.allow_insecure) + path


def anthropic_headers(endpoint: Endpoint) -> dict[str, str]:
    """What opens the door. Raises `AUTH_ERROR` for a key that cannot be one."""
    headers = {"Accept": "text/event-stream, application/json", "anthropic-version": _VERSION}
    key = usable_key(endpoint)
    if key is not None:
        headers["x-api-key"] = key
    return headers


def _describe(model: ModelInfo) -> ModelDescription:
    return ModelDescription(model.id, model.display_name, count(model.max_input_tokens), count(model.max_tokens))
