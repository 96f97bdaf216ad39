"""Any server that speaks OpenAI's chat completions: OpenAI, DeepSeek, Azure, llama.cpp, LM Studio, vLLM, …

Law: the rules of `providers.base`. One request per answer, sent to the endpoint it names and nowhere else. The format
is in `request` (out) and `stream` (in), where things are in `endpoint`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.exchange import DecodedBody, exchange
from llm_sidecar.providers.first_model import FirstModels, opening_of
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.endpoint import openai_headers, openai_url
from llm_sidecar.providers.openai.models import list_openai_models
from llm_sidecar.providers.openai.request import chat_body
from llm_sidecar.providers.openai.stream import ChatDecoder


class OpenAIChatProvider:
    """`Provider` for the chat completions format. Use it from one event loop."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._first_models = FirstModels(self.list_models)

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncIterator[AsyncIterator[list[ProviderEvent]]]:
        """One streamed answer; see the rules of `providers.base`."""
        endpoint = request.endpoint
        async with self._first_models.named(request) as model_id:
            url = openai_url(endpoint, "/chat/completions", model_id)
            body = chat_body(request, model_id)
            headers = openai_headers(endpoint)
            async with exchange(self._http, url, headers, body, endpoint=endpoint) as response:
                max_event_bytes = self._http.limits.max_provider_event_bytes
                answers_tools = any(message.role == "tool" for message in request.messages[-1:])
                decoder = ChatDecoder(
                    endpoint.provider_id, max_event_bytes, endpoint.api_key, answers_tools=answers_tools
                )
                yield DecodedBody(response, decoder, max_event_bytes, opening=opening_of(request, model_id))

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        """The models offered at `endpoint`; how long that may take is the caller's business. Raises `ProviderError`."""
        return await list_openai_models(self._http, endpoint)

    async def warm(self) -> None:
        await self._http.warm()

    async def aclose(self) -> None:
        await self._http.aclose()
