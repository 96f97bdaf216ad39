"""Ollama's own API, at a server on this machine, one behind a proxy, or ollama.com.

Law: the rules of `providers.base`. The format is in `request` (out) and `stream` (in), where things are
in `endpoint`. Its OpenAI-compatible API is not used: it hides errors in the middle of a stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.exchange import DecodedBody, exchange
from llm_sidecar.providers.first_model import FirstModels, opening_of
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.ollama.endpoint import ollama_headers, ollama_url
from llm_sidecar.providers.ollama.models import list_ollama_models
from llm_sidecar.providers.ollama.request import ollama_body
from llm_sidecar.providers.ollama.stream import OllamaDecoder

_STREAM_TYPES: Final = frozenset({"application/x-ndjson", "text/plain", "application/octet-stream", ""})
"""Ollama's own content type, and what proxies are known to make of one they do not know."""


class OllamaProvider:
    """`Provider` for Ollama's chat format. Use it from one event loop."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._first_models = FirstModels(self.list_models)

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncIterator[AsyncIterator[list[ProviderEvent]]]:
        """One streamed answer; see the rules of `providers.base`."""
        endpoint = request.endpoint
        async with self._first_models.named(request) as model_id:
            url, headers = ollama_url(endpoint, "/api/chat"), ollama_headers(endpoint)
            body = ollama_body(request, model_id)
            async with exchange(self._http, url, headers, body, endpoint=endpoint) as response:
                max_event_bytes = self._http.limits.max_provider_event_bytes
                decoder = OllamaDecoder(max_event_bytes, endpoint.api_key)
                opening = opening_of(request, model_id)
                yield DecodedBody(response, decoder, max_event_bytes, _STREAM_TYPES, opening=opening)

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        """The models that can answer at `endpoint`, those in memory first; how long that may take is the caller's
        business. Raises `ProviderError`."""
        return await list_ollama_models(self._http, endpoint)

    async def warm(self) -> None:
        await self._http.warm()

    async def aclose(self) -> None:
        await self._http.aclose()
