"""The `llm:*` methods: from the wire's params to the services, and back.

Law: no decision is made here; a handler names the service and says what waits for its response. Imported when the
handshake has been answered, or on first use: a host should not wait for it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from llm_sidecar.limits import Limits
from llm_sidecar.messages import chat, generation, inference, models
from llm_sidecar.messages.shape import NoParams
from llm_sidecar.messages.status import ServiceStatus
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.brands import BRANDS, EnvironmentKeys
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.providers.registry import ProviderRegistry
from llm_sidecar.rpc.context import Context, Handler, Late
from llm_sidecar.rpc.outbox import Outbox
from llm_sidecar.services.chat_completions import ChatCompletions
from llm_sidecar.services.generation import TextGeneration
from llm_sidecar.services.inference import InferenceService
from llm_sidecar.services.model_lists import ModelLists
from llm_sidecar.services.provider_list import provider_list
from llm_sidecar.services.routing import Router


class Methods:
    """The services of one sidecar, and the handlers that call them. `started_at` is on the monotonic clock;
    `loop_lag_ms` is what the last tick measured."""

    def __init__(
        self,
        outbox: Outbox,
        limits: Callable[[], Limits],
        keys: EnvironmentKeys,
        started_at: float,
        loop_lag_ms: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._loop_lag_ms = loop_lag_ms
        self._started_at = started_at
        self._registry = ProviderRegistry(limits)
        self._router = Router(self._registry, keys)
        self._keys = keys
        self._prices = PriceList()
        self._model_lists = ModelLists(self._router, self._prices, limits)
        self.inferences = InferenceService(self._router, outbox, self._prices, limits)
        self._generation = TextGeneration(self._router, self.inferences)
        self._chat = ChatCompletions(self.inferences, outbox, limits)
        self.handlers: dict[str, Handler] = {
            "llm:inference": self._infer,
            "llm:cancel": self._cancel,
            "llm:inference:attach": self._attach,
            "llm:generate-text": self._generate_text,
            "llm:chat:completions": self._complete_chat,
            "llm:get-status": self._status,
            "llm:window:closed": self._window_closed,
            "llm:providers:list": self._list_providers,
            "llm:models:list": self._list_models,
        }

    async def warm(self, provider_ids: list[str]) -> None:
        """Load the code of these providers before their first request."""
        await self._router.warm(provider_ids)
        for brand in (BRANDS[name] for name in provider_ids if name in BRANDS):
            await self._prices.warm(Endpoint(brand.id, self._keys.base_url(brand) or brand.base_url or ""))

    async def aclose(self) -> None:
        """Return when every upstream is closed."""
        await self.inferences.closed()
        await self._registry.aclose()

    def _infer(self, context: Context, params: inference.InferenceParams) -> inference.InferenceAccepted:
        run = self.inferences.admit(params)
        context.after_reply(lambda: self.inferences.start(run))
        return inference.InferenceAccepted(inference_id=run.inference_id)

    def _cancel(self, context: Context, params: inference.CancelParams) -> inference.Success:
        announce = self.inferences.cancel(params.inference_id)
        if announce is not None:
            context.after_reply(announce)
        return inference.Success(success=announce is not None)

    def _attach(self, _context: Context, params: inference.AttachParams) -> Late:
        return Late(self.inferences.attach(params.inference_id, params.from_seq))

    def _generate_text(
        self, _context: Context, params: generation.GenerateTextParams
    ) -> asyncio.Future[generation.GeneratedText]:
        return self._generation.generate(params)

    def _complete_chat(
        self, context: Context, params: chat.ChatCompletionParams
    ) -> asyncio.Future[chat.ChatCompletion]:
        return self._chat.complete(params, context.request_id)

    def _window_closed(self, context: Context, params: inference.WindowClosedParams) -> inference.WindowClosedResult:
        announcements = self.inferences.cancel_window(params.window_id)
        for announce in announcements:
            context.after_reply(announce)
        return inference.WindowClosedResult(cancelled=len(announcements), released=0, destroyed=0)

    def _list_providers(self, _context: Context, _params: NoParams) -> models.ProviderList:
        return provider_list(self._keys)

    def _list_models(self, _context: Context, params: models.ModelListParams) -> Awaitable[models.ModelList]:
        return self._model_lists.models(params)

    def _status(self, _context: Context, _params: NoParams) -> ServiceStatus:
        return ServiceStatus(
            total_sessions=0,
            active_sessions=0,
            active_inferences=self.inferences.slots.active,
            queued_inferences=self.inferences.slots.waiting,
            total_inferences=self.inferences.total_inferences,
            total_tokens=self.inferences.total_tokens,
            uptime_ms=int((time.monotonic() - self._started_at) * 1000),
            rss_bytes=_resident_bytes(),
            outbox_bytes=self._outbox.queued_bytes,
            loop_lag_ms=self._loop_lag_ms(),
            cache=self.inferences.cache.figures,
            providers=self.inferences.providers,
            circuits=self.inferences.circuits.states,
        )


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return _peak_resident_bytes()


def _peak_resident_bytes() -> int:
    """Where the present figure is not to be had (macOS), the highest so far; 0 where not even that."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
