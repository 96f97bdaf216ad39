"""The models of an Ollama server: its list, and what it tells about each.

Law: of `POST /api/show` and `GET /api/ps` nothing is needed; what fails there costs only what it would have told.
Models in memory come first: without a named model the first one answers, and loading another takes long. The context of
a model in memory is the one it was loaded with, since Ollama cuts longer prompts; of any other, the longest it can
take. Models known not to chat (embeddings, images) are left out. No answer is trusted.

Servers of 2026 tell contexts and capabilities in the list (`ListModelResponse` in `api/types.go`); older ones are asked
about each model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.base import Endpoint, ModelDescription
from llm_sidecar.providers.decoding.json_object import JsonObject
from llm_sidecar.providers.exchange import fetch
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.ollama.endpoint import ollama_headers, ollama_url

T = TypeVar("T")

_MAX_SHOWN: Final = 64
"""Models asked about, one request each; further ones are listed without their context."""
_SHOWN_AT_ONCE: Final = 4


class _Model(Struct):
    id: str
    context: int | None
    capabilities: list[str]
    """Empty: not told."""
    is_loaded: bool = False


async def list_ollama_models(http: HttpClient, endpoint: Endpoint) -> list[ModelDescription]:
    """The models that can answer, those in memory first. Raises `ProviderError` where the list cannot be had."""
    return await _Listing(http, endpoint).models()


class _Listing:
    """One look at one server."""

    def __init__(self, http: HttpClient, endpoint: Endpoint) -> None:
        self._http = http
        self._endpoint = endpoint
        self._places = asyncio.Semaphore(_SHOWN_AT_ONCE)

    async def models(self) -> list[ModelDescription]:
        models = await self._ask("/api/tags", _tagged)
        loaded = await self._loaded() if models else {}
        for model in models:
            if model.id in loaded:
                model.is_loaded = True
                model.context = loaded[model.id] or model.context
        async with asyncio.TaskGroup() as tasks:
            for model in [model for model in models if model.context is None][:_MAX_SHOWN]:
                tasks.create_task(self._show(model))
        models = [model for model in models if not model.capabilities or "completion" in model.capabilities]
        models.sort(key=lambda model: not model.is_loaded)
        return [ModelDescription(model.id, context_window=model.context) for model in models]

    async def _loaded(self) -> dict[str, int | None]:
        """The context of each model in memory, by its id."""
        try:
            running = await self._ask("/api/ps", lambda body: JsonObject.decode(body).children("models"))
        except ProviderError:
            return {}
        return {_id(model): model.number("context_length") for model in running}

    async def _show(self, model: _Model) -> None:
        try:
            async with self._places:
                told = await self._ask("/api/show", JsonObject.decode, msgspec.json.encode({"model": model.id}))
        except ProviderError:
            return
        info = told.child("model_info")
        model.context = info.number(f"{info.text('general.architecture')}.context_length")
        model.capabilities = model.capabilities or told.texts("capabilities")

    async def _ask(self, path: str, decode: Callable[[bytes], T], body: bytes | None = None) -> T:
        url, headers = ollama_url(self._endpoint, path), ollama_headers(self._endpoint)
        return await fetch(self._http, url, headers, decode, body=body, endpoint=self._endpoint)


def _tagged(body: bytes) -> list[_Model]:
    listed = JsonObject.decode(body).listed("models")
    return [
        _Model(_id(model), model.child("details").number("context_length"), model.texts("capabilities"))
        for model in listed
        if _id(model)
    ]


def _id(model: JsonObject) -> str:
    """Older servers know only `name`."""
    return model.text("model") or model.text("name")
