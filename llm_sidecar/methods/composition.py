"""The services of one sidecar, made in order, and the handlers that call them.

Law: it connects, and decides nothing. Imported when the handshake has been answered, or on first use: a host should not
wait for it.
"""

from __future__ import annotations

from collections.abc import Callable

from llm_sidecar.limits import Limits
from llm_sidecar.methods.inference import InferenceMethods
from llm_sidecar.methods.models import ModelMethods
from llm_sidecar.methods.status import StatusMethods
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.brands import BRANDS, EnvironmentKeys
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.providers.registry import ProviderRegistry
from llm_sidecar.rpc.context import Handler
from llm_sidecar.rpc.outbox import Outbox
from llm_sidecar.services.chat_completions import ChatCompletions
from llm_sidecar.services.generation import TextGeneration
from llm_sidecar.services.inference import InferenceService
from llm_sidecar.services.model_lists import ModelLists
from llm_sidecar.services.routing import Router
from llm_sidecar.storage.database import Database


class Methods:
    """`folder` is where things are kept, None: nowhere. `started_at` is on the monotonic clock; `loop_lag_ms` is what
    the last tick measured. `vault_key` is what the host gave in its handshake."""

    def __init__(
        self,
        outbox: Outbox,
        limits: Callable[[], Limits],
        *,
        keys: EnvironmentKeys,
        started_at: float,
        loop_lag_ms: Callable[[], float],
        folder: str | None,
        vault_key: str | None,
    ) -> None:
        self._keys = keys
        self._registry = ProviderRegistry(limits)
        self._prices = PriceList()
        self.database = Database.open(folder)
        self._router = Router(self._registry, keys)
        self.inferences = InferenceService(self._router, outbox, self._prices, limits)
        texts = TextGeneration(self._router, self.inferences)
        chats = ChatCompletions(self.inferences, outbox, limits)
        self.handlers: dict[str, Handler] = {
            **InferenceMethods(self.inferences, texts, chats).handlers,
            **ModelMethods(keys, ModelLists(self._router, self._prices, limits)).handlers,
            **StatusMethods(self.inferences, outbox, started_at, loop_lag_ms).handlers,
        }

    async def warm(self, provider_ids: list[str]) -> None:
        """Load the code of these providers before their first request."""
        await self._router.warm(provider_ids)
        for brand in (BRANDS[name] for name in provider_ids if name in BRANDS):
            await self._prices.warm(Endpoint(brand.id, self._keys.base_url(brand) or brand.base_url or ""))

    async def aclose(self) -> None:
        """Return when every upstream is closed, and everything is stored."""
        await self.inferences.closed()
        await self._registry.aclose()
        await self.database.aclose()
