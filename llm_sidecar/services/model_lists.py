"""The models behind a profile, a provider or a service: asked for now, with their prices where those are known.

Law: what the provider says comes first, the price list fills in what it leaves out. One deadline for the provider's
answer; no retry, nothing remembered. The list always fits one message, and says when it is not all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.models import ModelInfo, ModelList, ModelListParams
from llm_sidecar.providers.base import Endpoint, ModelDescription
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.services.pages import ENVELOPE_BYTES
from llm_sidecar.services.routing import Route, Router

_MOST_MODELS: Final = 2_000
"""Twice what the largest aggregators offer."""
_LONGEST_ID: Final = 300
"""What a request takes as `modelId`: a longer one could not be asked for."""
_LONGEST_NAME: Final = 200


class ModelLists:
    """Used from the event loop only."""

    def __init__(self, router: Router, prices: PriceList, limits: Callable[[], Limits]) -> None:
        self._router = router
        self._prices = prices
        self._limits = limits

    async def models(self, params: ModelListParams) -> ModelList:
        """The models of what `params` name. Raises `SERVICE_NOT_FOUND`, `TIMEOUT`, what the router raises, or what went
        wrong at the provider."""
        route = self._route(params)
        offered = [model for model in await self._fetch(route) if len(model.id) <= _LONGEST_ID]
        await self._prices.warm(route.endpoint)
        listed: list[ModelInfo] = []
        room = self._limits().max_message_bytes - ENVELOPE_BYTES
        for model in offered[:_MOST_MODELS]:
            info = self._describe(route.endpoint, model)
            room -= len(msgspec.json.encode(info)) + 1
            if room < 0:
                break
            listed.append(info)
            await asyncio.sleep(0)  # finding a price takes up to a millisecond: answers that stream get their turn
        return ModelList(object="list", data=listed, truncated=len(listed) < len(offered))

    def _route(self, params: ModelListParams) -> Route:
        if params.service is not None and params.service not in BRANDS:
            raise SidecarError("SERVICE_NOT_FOUND", "There is no service of this name.")
        return self._router.target(params.profile_id, params.provider_id or params.service)

    async def _fetch(self, route: Route) -> list[ModelDescription]:
        milliseconds = self._limits().list_models_timeout_ms
        try:
            async with asyncio.timeout(milliseconds / 1000):
                return await route.provider.list_models(route.endpoint)
        except TimeoutError:
            message = f"The provider did not list its models within {milliseconds} ms."
            raise SidecarError("TIMEOUT", message) from None

    def _describe(self, endpoint: Endpoint, model: ModelDescription) -> ModelInfo:
        listed = self._prices.listed(endpoint, model.id)
        return ModelInfo(
            id=model.id,
            object="model",
            provider_id=endpoint.provider_id,
            name=model.name[:_LONGEST_NAME] if model.name else None,
            context_window=model.context_window or (listed.context_window if listed is not None else None),
            max_output_tokens=model.max_output_tokens or None,
            prices=listed.prices if listed is not None else None,
        )
