"""Google's Gemini API, in its own format: its OpenAI-compatible one leaves out what tool calls and reasoning need.

Law: the rules of `providers.base`. One request per answer, sent to the endpoint it names and nowhere else; the key goes
into a header, never into the URL. The format is in `request` (out) and `stream` (in).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.endpoints import normalise_base_url
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.exchange import DecodedBody, exchange, fetch, usable_key
from llm_sidecar.providers.gemini.chunks import ModelEntry, decode_models
from llm_sidecar.providers.gemini.model import gemini_model
from llm_sidecar.providers.gemini.request import gemini_body
from llm_sidecar.providers.gemini.stream import GeminiDecoder
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.token_counts import count

_VERSION_PATH: Final = "/v1beta"
_PAGE_SIZE: Final = 1_000
"""The most the API gives at once."""
_MAX_PAGES: Final = 20
"""Google lists some dozens of models; a server that always has a next page is broken."""


class GeminiProvider:
    """`Provider` for Gemini's own format. Use it from one event loop."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncIterator[AsyncIterator[list[ProviderEvent]]]:
        """One streamed answer; see the rules of `providers.base`. Raises `INVALID_MODEL` where no model is named."""
        endpoint = request.endpoint
        model = gemini_model(request.model_id)
        url = f"{_base_url(endpoint)}/{model.path}:streamGenerateContent?alt=sse"
        body, headers = gemini_body(request, model), _headers(endpoint)
        async with exchange(self._http, url, headers, body, endpoint=endpoint) as response:
            max_event_bytes = self._http.limits.max_provider_event_bytes
            decoder = GeminiDecoder(model.name, max_event_bytes, endpoint.api_key)
            yield DecodedBody(response, decoder, max_event_bytes)

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        """The models that can answer, in Google's order. Raises `ProviderError`."""
        url, headers = f"{_base_url(endpoint)}/models?pageSize={_PAGE_SIZE}", _headers(endpoint)
        found: list[ModelDescription] = []
        next_page = ""
        for _ in range(_MAX_PAGES):
            page = await fetch(self._http, url + next_page, headers, decode_models, endpoint=endpoint)
            found += [_describe(model) for model in page.models or () if _can_answer(model)]
            if not page.next_page_token:
                break
            next_page = f"&pageToken={quote(page.next_page_token, safe='')}"
        return found

    async def warm(self) -> None:
        await self._http.warm()

    async def aclose(self) -> None:
        await self._http.aclose()


def _base_url(endpoint: Endpoint) -> str:
    """Raises `InvalidParams` for an address that is none."""
    return normalise_base_url(endpoint.base_url, _VERSION_PATH, allow_insecure=endpoint.allow_insecure)


def _headers(endpoint: Endpoint) -> dict[str, str]:
    """What opens the door. Raises `AUTH_ERROR` for a key that cannot be one."""
    headers = {"Accept": "text/event-stream, application/json"}
    key = usable_key(endpoint)
    return headers if key is None else {**headers, "x-goog-api-key": key}


def _can_answer(model: ModelEntry) -> bool:
    return bool(model.name) and "generateContent" in (model.supported_generation_methods or ())


def _describe(model: ModelEntry) -> ModelDescription:
    return ModelDescription(
        model.name.removeprefix("models/"),
        name=model.display_name,
        context_window=count(model.input_token_limit),
        max_output_tokens=count(model.output_token_limit),
    )
