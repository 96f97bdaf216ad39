"""OpenAI's Responses API: its reasoning models show their reasoning, and see it again, only here.

Law: the rules of `providers.base`. One request per answer; nothing is stored at the provider, so that the whole
conversation travels each time. The format is in `request` (out), `stream` (in) and
`replay` (out again).

With one exception: OpenAI gives summaries of reasoning only to organisations that let themselves be verified, and
refuses the whole request of any other (400 `unsupported_value`, "Your organization must be verified to generate
reasoning summaries"). Then the same is asked once more without a summary; the endpoint is not asked for one again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.exchange import DecodedBody, exchange
from llm_sidecar.providers.first_model import FirstModels, opening_of
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.http.response import HttpResponse
from llm_sidecar.providers.openai.endpoint import openai_headers, openai_url
from llm_sidecar.providers.openai.models import list_openai_models
from llm_sidecar.providers.openai_responses.replay import origin_of
from llm_sidecar.providers.openai_responses.request import responses_body
from llm_sidecar.providers.openai_responses.stream import ResponsesDecoder

_SUMMARY: Final = "reasoning.summary"
"""OpenAI's name for it in an error."""


class OpenAIResponsesProvider:
    """`Provider` for the Responses format. Use it from one event loop."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._first_models = FirstModels(self.list_models)
        self._unverified: set[int] = set()
        """Hashes of the endpoints (and their keys, which are not kept) that refuse a summary."""

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncIterator[AsyncIterator[list[ProviderEvent]]]:
        """One streamed answer; see the rules of `providers.base`."""
        endpoint = request.endpoint
        async with self._first_models.named(request) as model_id, AsyncExitStack() as opened:
            try:
                response = await opened.enter_async_context(self._ask(request, model_id))
            except ProviderError as error:
                if error.param != _SUMMARY:
                    raise
                self._unverified.add(hash(endpoint))
                response = await opened.enter_async_context(self._ask(request, model_id))
            max_event_bytes = self._http.limits.max_provider_event_bytes
            decoder = ResponsesDecoder(origin_of(endpoint, model_id), max_event_bytes, endpoint.api_key)
            yield DecodedBody(response, decoder, max_event_bytes, opening=opening_of(request, model_id))

    def _ask(self, request: ProviderRequest, model_id: str) -> AbstractAsyncContextManager[HttpResponse]:
        endpoint = request.endpoint
        body = responses_body(request, model_id, with_summary=hash(endpoint) not in self._unverified)
        url, headers = openai_url(endpoint, "/responses", model_id), openai_headers(endpoint)
        return exchange(self._http, url, headers, body, endpoint=endpoint)

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        """The models offered at `endpoint`: one list for both of OpenAI's formats. Raises `ProviderError`."""
        return await list_openai_models(self._http, endpoint)

    async def warm(self) -> None:
        await self._http.warm()

    async def aclose(self) -> None:
        await self._http.aclose()
