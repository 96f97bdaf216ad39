"""Any server that speaks OpenAI's chat completions: OpenAI, DeepSeek, Azure, llama.cpp, LM Studio, vLLM, …

Law: the rules of `providers.base`. One request per answer, sent to the endpoint it names and nowhere else. The format
is in `openai_request` (out), `openai_stream` (in) and `openai_errors`; bytes on the wire are `http`'s business.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from llm_sidecar.errors import ProviderError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.endpoints import normalise_base_url
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.http import HttpClient, HttpResponse
from llm_sidecar.providers.openai_chunks import UNREADABLE, ModelEntry, count, decode_models
from llm_sidecar.providers.openai_errors import error_from_response
from llm_sidecar.providers.openai_request import chat_body
from llm_sidecar.providers.openai_stream import ChatDecoder

_STREAMS: Final = frozenset({"text/event-stream", "text/plain", "application/octet-stream", ""})
"""Content types under which servers are known to stream events."""
_WHOLE: Final = "application/json"
"""The content type of a server that ignores `stream: true`."""


class OpenAIChatProvider:
    """`Provider` for the chat completions format. Use it from one event loop."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._http = HttpClient(limits)
        self._first_models: dict[str, str] = {}

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncIterator[AsyncIterator[list[ProviderEvent]]]:
        """One streamed answer; see the rules of `providers.base`."""
        endpoint = request.endpoint
        model_id = request.model_id or await self._first_model(endpoint)
        try:
            async with self._exchange("POST", endpoint, "/chat/completions", chat_body(request, model_id)) as response:
                yield _Answer(response, endpoint, self._limits().max_provider_event_bytes)
        except ProviderError as error:
            if error.code == "INVALID_MODEL":
                self._first_models.pop(endpoint.base_url, None)
            raise

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        """The models offered at `endpoint`, in the server's order; how long that may take is the caller's business.

        Raises `ProviderError`.
        """
        async with self._exchange("GET", endpoint, "/models") as response:
            body = await response.read_all(self._limits().max_provider_event_bytes)
        try:
            models = decode_models(body).data
        except UNREADABLE as error:
            raise ProviderError("PROVIDER_PROTOCOL_ERROR", "The provider's list of models is not readable.") from error
        return [_describe(model) for model in models or () if model.id]

    async def warm(self) -> None:
        await self._http.warm()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _first_model(self, endpoint: Endpoint) -> str:
        """The model meant where none was named: local servers offer the one that is loaded (first)."""
        known = self._first_models.get(endpoint.base_url)
        if known is not None:
            return known
        models = await self.list_models(endpoint)
        if not models:
            raise ProviderError("INVALID_MODEL", "No model was named, and the provider lists none.")
        self._first_models[endpoint.base_url] = models[0].id
        return models[0].id

    @asynccontextmanager
    async def _exchange(
        self, method: str, endpoint: Endpoint, path: str, body: bytes | None = None
    ) -> AsyncIterator[HttpResponse]:
        """Send a request; give its successful answer. Raises what went wrong, typed."""
        url = normalise_base_url(endpoint.base_url) + path
        headers = _headers(endpoint) if body is None else {**_headers(endpoint), "Content-Type": "application/json"}
        response = await self._http.send(method, url, headers, body)
        try:
            if response.status >= 400:
                beginning = await response.read_prefix(self._limits().max_error_body_bytes)
                raise error_from_response(response.status, response.headers, beginning, secret=endpoint.api_key)
            yield response
        finally:
            response.close()


class _Answer:
    """The batches of one answer, as they arrive. Raises `PROVIDER_PROTOCOL_ERROR` for a body that can be none."""

    def __init__(self, response: HttpResponse, endpoint: Endpoint, max_event_bytes: int) -> None:
        self._is_whole = response.content_type == _WHOLE
        if not self._is_whole and response.content_type not in _STREAMS:
            raise ProviderError("PROVIDER_PROTOCOL_ERROR", "The provider's answer is not a stream of events.")
        self._response = response
        self._decoder = ChatDecoder(endpoint.provider_id, max_event_bytes, endpoint.api_key)
        self._max_event_bytes = max_event_bytes

    def __aiter__(self) -> AsyncIterator[list[ProviderEvent]]:
        return self

    async def __anext__(self) -> list[ProviderEvent]:
        decoder = self._decoder
        while not decoder.complete:
            if decoder.failure is not None:
                raise decoder.failure
            batch = await self._next_batch()
            if batch:
                return batch
        self._response.finish()
        raise StopAsyncIteration

    async def _next_batch(self) -> list[ProviderEvent]:
        if self._is_whole:
            return self._decoder.feed_completion(await self._response.read_all(self._max_event_bytes))
        data = await self._response.read()
        return self._decoder.feed(data) if data else self._decoder.end()


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"Accept": "text/event-stream, application/json"}
    if endpoint.api_key:
        if not endpoint.api_key.isascii() or not endpoint.api_key.isprintable():
            raise ProviderError("AUTH_ERROR", "The key holds characters that no key has (a line break, perhaps).")
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    return headers


def _describe(model: ModelEntry) -> ModelDescription:
    context = model.max_model_len or model.context_length or model.context_window
    return ModelDescription(model.id, count(context or (model.meta.n_ctx if model.meta is not None else None)))
