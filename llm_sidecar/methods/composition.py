"""The services of one sidecar, made in order, and the handlers that call them.

Law: it connects, and decides nothing. Imported when the handshake has been answered, or on first use: a host should not
wait for it.
"""

from __future__ import annotations

from collections.abc import Callable

from llm_sidecar.limits import Limits
from llm_sidecar.methods.inference import InferenceMethods
from llm_sidecar.methods.jobs import JobMethods
from llm_sidecar.methods.models import ModelMethods
from llm_sidecar.methods.opening import waiting_for
from llm_sidecar.methods.profiles import ProfileMethods
from llm_sidecar.methods.sessions import SessionMethods
from llm_sidecar.methods.status import StatusMethods
from llm_sidecar.methods.usage import UsageMethods
from llm_sidecar.methods.vault import VaultMethods
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.brands import BRANDS, EnvironmentKeys
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.providers.registry import ProviderRegistry
from llm_sidecar.rpc.context import Handler
from llm_sidecar.rpc.outbox import Outbox
from llm_sidecar.services.audit import Audit
from llm_sidecar.services.completions.generation import TextGeneration
from llm_sidecar.services.completions.service import ChatCompletions
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.jobs.batch import BatchJobs
from llm_sidecar.services.jobs.inference import InferenceJobs
from llm_sidecar.services.jobs.notices import JobNotices
from llm_sidecar.services.jobs.pool import JobPool
from llm_sidecar.services.jobs.service import JobService
from llm_sidecar.services.model_lists import ModelLists
from llm_sidecar.services.profiles.discovery import DiscoveryService
from llm_sidecar.services.profiles.keys import ProfileKeys
from llm_sidecar.services.profiles.prompt_test import PromptTests
from llm_sidecar.services.profiles.service import ProfileService
from llm_sidecar.services.profiles.vault import VaultService
from llm_sidecar.services.routing import Router
from llm_sidecar.services.sessions.pages import SessionPages
from llm_sidecar.services.sessions.request import SessionRequests
from llm_sidecar.services.sessions.service import SessionService
from llm_sidecar.services.usage.budgets import Budgets
from llm_sidecar.services.usage.service import UsageService
from llm_sidecar.storage.audit import AuditRows
from llm_sidecar.storage.batch_items import BatchTable
from llm_sidecar.storage.budgets import BudgetRows
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.jobs import JobTable
from llm_sidecar.storage.profiles import ProfileTable
from llm_sidecar.storage.usage import UsageRows
from llm_sidecar.vault.key_sources import KeySource


class Methods:
    """`folder` is where things are kept, None: nowhere. `started_at` is on the monotonic clock; `loop_lag_ms` is what
    the last tick measured. `key_source` is where the vault's key comes from."""

    def __init__(
        self,
        outbox: Outbox,
        limits: Callable[[], Limits],
        *,
        keys: EnvironmentKeys,
        started_at: float,
        loop_lag_ms: Callable[[], float],
        folder: str | None,
        key_source: KeySource | None,
        use_proxy: bool = False,
    ) -> None:
        self._keys = keys
        self._registry = ProviderRegistry(limits, use_proxy=use_proxy)
        self._prices = PriceList()
        self.database = Database.open(folder)
        self._audit = Audit(AuditRows(self.database), limits)
        self._router = Router(self._registry, keys)
        table = ProfileTable(self.database)
        self._profile_keys = ProfileKeys(table, self._audit, folder, key_source)
        self.profiles = self._router.profiles = ProfileService(table, self._profile_keys, self._audit, limits)
        self.profiles.start()
        self.inferences = InferenceService(self._router, outbox, self._prices, limits)
        self.budgets = Budgets(BudgetRows(self.database), lambda profile_id: profile_id in self.profiles.rows)
        self.budgets.load_now()
        self.usage = UsageService(UsageRows(self.database), self.budgets, limits)
        self.inferences.gates.append(lambda _params, routes: self.budgets.check(routes))
        self.inferences.recorders.append(self.usage.record)
        requests = SessionRequests(self._router, self._prices)
        self._sessions = sessions = SessionService(self.database, self.inferences, self._router, requests, limits)
        pages = SessionPages(self.database, sessions, limits)
        texts = TextGeneration(self._router, self.inferences)
        chats = ChatCompletions(self.inferences, outbox, limits)
        tests = PromptTests(self.profiles, self.inferences, self._audit, limits)
        self.discovery = DiscoveryService(self.profiles, limits)
        self.jobs = self._job_service(texts, chats, outbox, limits)
        self.handlers: dict[str, Handler] = {
            **InferenceMethods(self.inferences, texts, chats).handlers,
            **ModelMethods(keys, ModelLists(self._router, self._prices, limits)).handlers,
            **SessionMethods(sessions, pages, self.inferences).handlers,
            **ProfileMethods(self.profiles, tests, self.discovery).handlers,
            **VaultMethods(
                VaultService(self.profiles, self._profile_keys, self._audit), self.jobs.pool.wake_all
            ).handlers,
            **UsageMethods(self.usage, self.budgets, self._audit).handlers,
            **JobMethods(self.jobs).handlers,
            **StatusMethods(self.inferences, sessions, outbox, started_at, loop_lag_ms).handlers,
        }
        if self.profiles.opening is not None:
            self.handlers = waiting_for(self.profiles.opening, self.handlers)
        self.jobs.pool.wake()

    def _job_service(
        self, texts: TextGeneration, chats: ChatCompletions, outbox: Outbox, limits: Callable[[], Limits]
    ) -> JobService:
        table, items, notices = JobTable(self.database), BatchTable(self.database), JobNotices(outbox)
        batches = BatchJobs(
            jobs=table,
            table=items,
            router=self._router,
            registry=self._registry,
            prices=self._prices,
            usage=self.usage,
            gates=self.inferences.gates,
            notices=notices,
            limits=limits,
        )
        inferences = InferenceJobs(self._router, self.inferences, texts, chats, limits)
        opening = self.profiles.opening
        return JobService(
            table=table,
            items=items,
            inferences=inferences,
            batches=batches,
            notices=notices,
            pool=JobPool(table, inferences, batches, notices=notices, limits=limits, opening=opening),
            limits=limits,
        )

    async def drained(self) -> None:
        """Return when what was asked is done: `idle`, after every job that can be done now."""
        await self.jobs.pool.drained()
        await self.idle()

    async def idle(self) -> None:
        """Begin no job any more; return when no inference is live."""
        self.jobs.pool.hold()
        await self.inferences.idle()
        await self.jobs.pool.settled()

    def end_all(self) -> None:
        """End every inference; `idle` returns when that has been told."""
        self.jobs.pool.hold()
        self.inferences.end_all()

    async def warm(self, provider_ids: list[str]) -> None:
        """Load the code of these providers before their first request."""
        await self._router.warm(provider_ids)
        for brand in (BRANDS[name] for name in provider_ids if name in BRANDS):
            await self._prices.warm(Endpoint(brand.id, self._keys.base_url(brand) or brand.base_url or ""))

    async def aclose(self) -> None:
        """Return when every upstream is closed, and everything is stored."""
        await self.inferences.closed()
        await self.jobs.pool.aclose()
        await self._registry.aclose()
        self._sessions.end()
        await self.profiles.settled()
        self._profile_keys.vault.lock()
        await self.database.aclose()
