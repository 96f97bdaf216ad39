"""The model meant where none was named: local servers offer the one that is loaded first in their list.

Law: asked once per endpoint, and again after the server said it does not know it (another one was loaded meanwhile).
Whoever asked is told which one it was, also where the server never names it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.events import ModelNamed, ProviderEvent


class FirstModels:
    """Remembers the first model of each endpoint. `list_models` asks for all of them."""

    def __init__(self, list_models: Callable[[Endpoint], Awaitable[list[ModelDescription]]]) -> None:
        self._list_models = list_models
        self._known: dict[str, str] = {}

    @asynccontextmanager
    async def named(self, request: ProviderRequest) -> AsyncIterator[str]:
        """The model to ask for, while it is asked. Raises `INVALID_MODEL` where none was named and none is offered."""
        base_url = request.endpoint.base_url
        model_id = request.model_id or self._known.get(base_url) or await self._find(request.endpoint)
        try:
            yield model_id
        except ProviderError as error:
            if error.code == "INVALID_MODEL":
                self._known.pop(base_url, None)
            error.model_id = model_id
            raise

    async def _find(self, endpoint: Endpoint) -> str:
        models = await self._list_models(endpoint)
        if not models:
            raise ProviderError("INVALID_MODEL", "No model was named, and the provider lists none.")
        self._known[endpoint.base_url] = models[0].id
        return models[0].id


def opening_of(request: ProviderRequest, model_id: str) -> list[ProviderEvent]:
    """What is to be said before the answer of `model_id`: its name, unless the request named it."""
    return [] if request.model_id else [ModelNamed(model_id)]
