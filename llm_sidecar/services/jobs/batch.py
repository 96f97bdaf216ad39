"""Jobs of the kind `batch`: handed over to a provider, asked about until they have ended, their results stored.

Law:
1.  That it is about to be handed over is on the disk before it is; the provider's id, as soon as it is known. Where
    nobody knows whether the provider took it, it is looked for there. Where that cannot be done (Anthropic), it is
    handed over again only if the job may restart, and says from then on that it may have been paid for.
2.  Once handed over, a batch belongs to the provider: what fails on the way to it is tried again, until its results are
    gone there, too. It goes on over any number of processes.
3.  A cancel is told to the provider; what was answered by then is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Final, TypeVar

import msgspec

from llm_sidecar import log
from llm_sidecar.errors import ProviderError, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.job import BatchItem, JobProgress
from llm_sidecar.messages.usage import UsageRow
from llm_sidecar.providers.batches import BatchApi, BatchStatus
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.providers.registry import ProviderRegistry
from llm_sidecar.services.inference.service import Gate
from llm_sidecar.services.jobs.batch_handover import Handover, Uncertain
from llm_sidecar.services.jobs.batch_plan import BatchPlan, BatchTarget, check_brand, check_requests
from llm_sidecar.services.jobs.batch_results import BatchReader, failed_item
from llm_sidecar.services.jobs.notices import JobNotices
from llm_sidecar.services.jobs.run import Ending, RunningJob, failed, interrupted_error
from llm_sidecar.services.routing import Route, Router
from llm_sidecar.services.usage.service import UsageService
from llm_sidecar.storage.batch_items import BatchTable
from llm_sidecar.storage.clock import now_ms
from llm_sidecar.storage.jobs import JobTable

T = TypeVar("T")

_PAGE: Final = 100
_KEPT_MS: Final = 31 * 86_400_000
"""Longer than a provider keeps results (Anthropic: 29 days; OpenAI: 30)."""
_READINGS: Final = 10
"""How often results that break off are read again."""
_HOPELESS: Final = frozenset({"PROFILE_NOT_FOUND", "INVALID_PROVIDER", "NO_ACTIVE_PROFILE", "VALIDATION_ERROR"})
_OF_THE_DISK: Final = "STORAGE_"
_MOST_WAITS: Final = 20
"""For a provider that does not take a batch for now: ten minutes, with the usual pauses."""
_GONE: Final = frozenset({400, 404, 410})


class BatchJobs:
    """Used from the event loop only."""

    def __init__(
        self,
        *,
        jobs: JobTable,
        table: BatchTable,
        router: Router,
        registry: ProviderRegistry,
        prices: PriceList,
        usage: UsageService,
        gates: list[Gate],
        notices: JobNotices,
        limits: Callable[[], Limits],
    ) -> None:
        self.jobs = jobs
        self.table = table
        self.router = router
        self.registry = registry
        self.prices = prices
        self.usage = usage
        self.gates = gates
        self.notices = notices
        self.limits = limits

    def check(self, plan: BatchPlan) -> None:
        """Whether it can be handed over, as far as that can be told without a key. The active profile of now is its
        profile from now on. Raises `InvalidParams`, `INVALID_PROVIDER`, and as `Router.check`."""
        target = plan.target
        brand = self.router.check(target.profile_id, target.provider_id)
        if target.profile_id is None and target.provider_id is None and self.router.profiles is not None:
            target.profile_id = self.router.profiles.active_id
        check_brand(brand)
        check_requests(plan, brand)

    async def run(self, running: RunningJob, stored: bytes) -> Ending:
        """Do it, from wherever it stands."""
        return await _Batch(self, running, msgspec.json.decode(stored, type=BatchTarget)).run()


class _Batch:
    """One of them, in one process."""

    def __init__(self, jobs: BatchJobs, running: RunningJob, target: BatchTarget) -> None:
        self._jobs = jobs
        self._running = running
        self._target = target
        self._row = running.job.id
        self._handover = Handover(jobs.jobs, jobs.table, jobs.gates, self._row, may_restart=running.job.may_restart)

    async def run(self) -> Ending:
        """What becomes of it. Every step can be made again: a disk that takes nothing is waited for."""
        while True:
            try:
                return await self._attempt()
            except SidecarError as error:
                if not error.code.startswith(_OF_THE_DISK):
                    raise
                log.warning("batch waits", jobId=self._job_id, code=error.code)
                await self._sleep()

    async def _attempt(self) -> Ending:
        batch_id = (await self._jobs.table.get(self._row)).batch_id
        try:
            batch_id = batch_id or await self._handed_over()
        except Uncertain as error:
            return self._unknown(error.reason)
        except SidecarError as error:
            if error.code.startswith(_OF_THE_DISK):
                raise
            return failed(error)
        if batch_id is None:
            return Ending("cancelled")
        try:
            return await self._collected(batch_id)
        except SidecarError as error:
            if error.code.startswith(_OF_THE_DISK):
                raise
            items = (await self._jobs.table.get(self._row)).items
            return failed(error, paid=True)._replace(items=items)

    def _unknown(self, reason: SidecarError | None) -> Ending:
        """Nobody knows whether the provider has it."""
        if self._running.cancelled.is_set():
            return Ending("cancelled", paid=True)
        if reason is not None:
            return failed(reason, paid=True)
        return Ending("interrupted", error=interrupted_error(), paid=True)

    # --- to the provider ---

    async def _handed_over(self) -> str | None:
        """The provider's id of it; None if it was cancelled before. Raises `Uncertain`, or why it cannot be."""
        handover, waits = self._handover, 0
        while True:
            is_sent = (await self._jobs.table.get(self._row)).token is not None
            if self._running.cancelled.is_set() and not is_sent:
                return None
            try:
                route = self._route()
                batch_id = await handover.found(route, self._api(route), self._sleep) if is_sent else None
                if batch_id is not None or self._running.cancelled.is_set():
                    return batch_id
                return await handover.done(route, self._api(route), self._target)
            except SidecarError as error:
                is_locked = error.code == "VAULT_LOCKED"
                if isinstance(error, Uncertain) or error.code.startswith(_OF_THE_DISK):
                    raise
                waits += not is_locked
                if not (is_locked or error.retryable) or waits > _MOST_WAITS:
                    if (await self._jobs.table.get(self._row)).token is not None:
                        raise Uncertain(error) from error
                    raise
                log.warning("batch waits", jobId=self._job_id, code=error.code)
                await self._sleep(error.retry_after_ms)

    # --- at the provider ---

    async def _collected(self, batch_id: str) -> Ending:
        status = await self._ended(batch_id)
        if status.error is not None:
            return failed(status.error)
        await self._store_results(batch_id, status)
        items = await self._store_missing(status)
        is_cancelled = self._running.cancelled.is_set() or status.is_cancelled
        return Ending("cancelled" if is_cancelled else "done", items=items)

    async def _ended(self, batch_id: str) -> BatchStatus:
        """Ask until it has ended."""
        seen: JobProgress | None = None
        while True:
            status = await self._patiently(lambda route, api: api.status(route.endpoint, batch_id))
            progress = JobProgress(current=status.answered, total=status.total or None, message=status.words[:100])
            if progress != seen:
                seen = progress
                await self._tell(progress)
            if status.state == "ended":
                return status
            wants_end = self._running.cancelled.is_set() and status.state == "running"
            if wants_end:
                with suppress(SidecarError):  # it may have ended by now; else it is asked again
                    route = self._route()
                    await self._api(route).cancel(route.endpoint, batch_id)
            await self._sleep()

    async def _tell(self, progress: JobProgress) -> None:
        await self._jobs.jobs.progress(self._row, progress)
        info = self._running.job.info
        self._jobs.notices.tell(msgspec.structs.replace(info, state="running", progress=progress))

    async def _store_results(self, batch_id: str, status: BatchStatus) -> None:
        for source in status.sources:
            for reading in range(1, _READINGS + 1):
                try:
                    await self._patiently(partial(self._read, batch_id, source))
                    break
                except _BrokenOff as error:
                    if reading == _READINGS:
                        raise error.reason from None
                    await self._sleep(error.reason.retry_after_ms)

    async def _read(self, batch_id: str, source: str, route: Route, api: BatchApi) -> None:
        await self._jobs.prices.warm(route.endpoint)
        reader = BatchReader(self._job_id, route, api.price, self._jobs.prices, self._jobs.limits)
        try:
            async with aclosing(api.results(route.endpoint, batch_id, source, route.model_id)) as results:
                async for lines in results:
                    for start in range(0, len(lines), _PAGE):
                        await self._store([reader.read(line) for line in lines[start : start + _PAGE]])
        except ProviderError as error:
            if error.code in ("STREAM_TRUNCATED", "PROVIDER_PROTOCOL_ERROR"):
                raise _BrokenOff(error) from None
            raise

    async def _store(self, page: list[tuple[BatchItem, UsageRow | None]]) -> int:
        """Returns how many items there are."""
        items, used = await self._jobs.table.add(self._row, page)
        for row in used:
            await self._jobs.usage.added(row)
        return items

    async def _store_missing(self, status: BatchStatus) -> int:
        """An item for every request that has none; returns how many there are."""
        after, items = 0, (await self._jobs.table.get(self._row)).items
        reason = status.unanswered()
        while missing := await self._jobs.table.missing(self._row, after, _PAGE):
            after = missing[-1][0]
            items = await self._store([(failed_item(custom_id, reason), None) for _, custom_id in missing])
        return items

    # --- patience ---

    @property
    def _job_id(self) -> str:
        return self._running.job.info.job_id

    def _route(self) -> Route:
        """Where it goes, with the key of now."""
        return self._jobs.router.target(self._target.profile_id, self._target.provider_id, self._target.model_id)

    def _api(self, route: Route) -> BatchApi:
        api = self._jobs.registry.batches(route.endpoint.provider_id)
        if api is None:
            raise SidecarError("INVALID_PROVIDER", "This provider takes no batches.")
        return api

    async def _patiently(self, step: Callable[[Route, BatchApi], Awaitable[T]]) -> T:
        """Do it, again and again where that may help. Raises what cannot be helped."""
        while True:
            try:
                route = self._route()
                return await step(route, self._api(route))
            except _BrokenOff:
                raise
            except SidecarError as error:
                is_gone = isinstance(error, ProviderError) and error.status in _GONE
                is_too_late = now_ms() - self._running.job.info.created_at > _KEPT_MS
                is_of_the_disk = error.code.startswith(_OF_THE_DISK)
                if is_gone or is_too_late or is_of_the_disk or error.code in _HOPELESS:
                    raise
                log.warning("batch waits", jobId=self._job_id, code=error.code)
                await self._sleep(error.retry_after_ms)

    async def _sleep(self, wanted_ms: int | None = None) -> None:
        """Until the next question, or until it is cancelled."""
        seconds = max(wanted_ms or 0, self._jobs.limits().batch_poll_ms) / 1000
        if self._running.cancelled.is_set():
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._running.cancelled.wait()


class _BrokenOff(SidecarError):
    """Results that were not read to their end."""

    def __init__(self, reason: ProviderError) -> None:
        super().__init__(reason.code, reason.message)
        self.reason = reason
