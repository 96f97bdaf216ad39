"""Which jobs are at work: up to `max_running_jobs`, and up to `max_running_batches` at providers.

Law:
1.  Higher priorities first, equal ones in their order. A job that cannot begin yet (its key is locked away) lets the
    others pass.
2.  A change of state is on the disk before it is told; that an attempt may cost money is there before it begins.
3.  What the disk does not take is tried again until it does: no answer is dropped.
4.  What a process left running is looked at before anything begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.job import JobInfo
from llm_sidecar.services.jobs.batch import BatchJobs
from llm_sidecar.services.jobs.inference import InferenceJobs
from llm_sidecar.services.jobs.notices import JobNotices
from llm_sidecar.services.jobs.run import Ending, RunningJob, failed, interrupted_error
from llm_sidecar.storage.jobs import JobTable, StoredJob

_AGAIN_SECONDS: Final = 5.0
"""Until what could not be done (a disk, a locked vault) is tried again."""
_MAY_COME: Final = frozenset({"VAULT_LOCKED"})
"""Why a job cannot begin yet."""


class JobPool:
    """Used from the event loop only. `wake` it when there may be something to do; `opening`: what comes first."""

    def __init__(
        self,
        table: JobTable,
        inferences: InferenceJobs,
        batches: BatchJobs,
        *,
        notices: JobNotices,
        limits: Callable[[], Limits],
        opening: asyncio.Future[None] | None = None,
    ) -> None:
        self._table = table
        self._inferences = inferences
        self._batches = batches
        self._notices = notices
        self._limits = limits
        self._opening = opening
        self._loop = asyncio.get_running_loop()
        self._is_asked = False
        self._is_ready = False
        """Whether what the process before left has been looked at."""
        self._held = asyncio.Event()
        self._stuck = asyncio.Event()
        """The database did not let something be done, the last time."""
        self._running: dict[int, RunningJob] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._not_before: dict[int, float] = {}
        self._server: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There may be something to do; the first time, what the process before left."""
        self._is_asked = True
        if not self._held.is_set() and (self._server is None or self._server.done()):
            self._server = self._loop.create_task(self._serve(), name="jobs")

    def wake_all(self) -> None:
        """As `wake`; what could not begin, perhaps can now."""
        self._not_before.clear()
        self.wake()

    def hold(self) -> None:
        """Begin nothing any more."""
        self._held.set()

    def cancel(self, row: int) -> None:
        """The row says that it is to stop."""
        running = self._running.get(row)
        if running is not None:
            running.cancel()

    async def drained(self) -> None:
        """Return when every job that can be done now is over. (Batches, what waits for a key or a disk, and what a
        limit has put back for a moment, go on with the next process.)"""
        stuck = asyncio.ensure_future(self._stuck.wait())
        try:
            while not stuck.done() and (busy := [*self._serving(), *self._at_work(batches=False)]):
                await asyncio.wait([*busy, stuck], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stuck.cancel()

    async def settled(self) -> None:
        """Return when no inference is a job's any more. (Batches go on, with the next process.)"""
        while tasks := [*self._beginning(), *self._at_work(batches=False)]:
            await asyncio.wait(tasks)

    async def aclose(self) -> None:
        """Return when everything that ended is stored. What its inferences do is ended by their service."""
        self.hold()
        if self._server is not None and not self._is_ready:
            self._server.cancel()  # it waits for a key, or a disk, and has begun nothing
        for server in self._beginning():
            await asyncio.wait([server])
        for task in self._at_work(batches=True):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _serving(self) -> list[asyncio.Task[None]]:
        return [self._server] if self._server is not None and not self._server.done() else []

    def _beginning(self) -> list[asyncio.Task[None]]:
        """What begins jobs, if it does just now: one that the row says runs must not be left without its task."""
        return self._serving() if self._is_ready else []

    def _at_work(self, *, batches: bool) -> list[asyncio.Task[None]]:
        return [
            self._tasks[row]
            for row, job in self._running.items()
            if row in self._tasks and (job.job.info.kind == "batch") == batches
        ]

    # --- beginning ---

    async def _serve(self) -> None:
        if not self._is_ready:
            if self._opening is not None:
                await asyncio.wait([self._opening])
            await self._insist(self._recover)
            self._is_ready = True
        while self._is_asked and not self._held.is_set():
            self._is_asked = False
            if not await self._could(self._fill):
                self._loop.call_later(_AGAIN_SECONDS, self.wake)

    async def _insist(self, step: Callable[[], Awaitable[object]]) -> None:
        """Do it, however often it takes; once, when the end has come."""
        while not await self._could(step) and not self._held.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_SECONDS):
                    await self._held.wait()

    async def _could(self, step: Callable[[], Awaitable[object]]) -> bool:
        """Whether the database let it be done."""
        try:
            await step()
        except SidecarError as error:
            log.warning("jobs wait", code=error.code)
            self._stuck.set()
            return False
        self._stuck.clear()
        return True

    async def _recover(self) -> None:
        limits = self._limits()
        if not (limits.max_running_jobs or limits.max_running_batches):
            return  # nothing begins here: a process that does jobs looks at them, and its host is told
        ended, batches = await self._table.recover(interrupted_error())
        for info in ended:
            self._notices.tell(info)
        for job, params in batches if limits.max_running_batches else ():
            self._begin(RunningJob(job, costs_money=True), params)

    async def _fill(self) -> None:
        for batches in (False, True):
            while self._has_room(batches=batches):
                found = await self._table.next(batches=batches, without=self._passed_over())
                if found is None:
                    break
                await self._try(*found)

    def _has_room(self, *, batches: bool) -> bool:
        limits = self._limits()
        busy = sum((job.job.info.kind == "batch") == batches for job in self._running.values())
        return not self._held.is_set() and busy < (limits.max_running_batches if batches else limits.max_running_jobs)

    def _passed_over(self) -> list[int]:
        now = self._loop.time()
        self._not_before = {row: at for row, at in self._not_before.items() if at > now}
        return [*self._not_before, *self._running]

    async def _try(self, job: StoredJob, params: bytes) -> None:
        """Begin it, or find out why it cannot."""
        kind, costs_money = job.info.kind, True
        if kind != "batch":
            try:
                costs_money = self._inferences.costs_money(kind, params)
            except SidecarError as error:
                if error.code in _MAY_COME:
                    self._wait(job.id, _AGAIN_SECONDS)
                    return
                await self._end(RunningJob(job, costs_money=False), failed(error))
                return
        running = RunningJob(job, costs_money=costs_money)
        self._running[job.id] = running
        try:
            info = await self._table.start(job.id, costs_money=costs_money and kind != "batch")
        except BaseException:
            del self._running[job.id]
            raise
        if info is None:  # cancelled meanwhile
            del self._running[job.id]
            return
        self._notices.tell(info)
        self._begin(running, params)

    def _begin(self, running: RunningJob, params: bytes) -> None:
        row = running.job.id
        self._running[row] = running
        self._tasks[row] = self._loop.create_task(self._run(running, params), name=running.job.info.job_id)

    def _wait(self, row: int, seconds: float) -> None:
        self._not_before[row] = self._loop.time() + seconds
        self._loop.call_later(seconds, self.wake)

    # --- ending ---

    async def _run(self, running: RunningJob, params: bytes) -> None:
        try:
            ending = await self._outcome(running, params)
            await self._insist(lambda: self._end(running, ending))
        finally:
            del self._running[running.job.id], self._tasks[running.job.id]
            self.wake()

    async def _outcome(self, running: RunningJob, params: bytes) -> Ending:
        if self._held.is_set():
            return Ending("again")
        try:
            if running.job.info.kind == "batch":
                return await self._batches.run(running, params)
            return await self._inferences.run(running, params)
        except SidecarError as error:
            return failed(error, paid=running.costs_money)
        except Exception as error:
            log.error("job failed", jobId=running.job.info.job_id, exception=type(error).__name__)
            message = f"Internal error in job {running.job.info.job_id}."
            return failed(SidecarError("INTERNAL_ERROR", message), paid=running.costs_money)

    async def _end(self, running: RunningJob, ending: Ending) -> None:
        row = running.job.id
        info: JobInfo | None = None
        if ending.state == "again":
            info = await self._table.put_back(row, paid=ending.paid)
            if ending.delay_ms:
                self._wait(row, ending.delay_ms / 1000)
        if info is None:
            state = "cancelled" if ending.state == "again" else ending.state
            most_kept = self._limits().max_finished_jobs
            info = await self._table.end(
                row, state, most_kept, error=ending.error, result=ending.result, paid=ending.paid
            )
        if info is not None:
            self._notices.tell(info, ending.items)
