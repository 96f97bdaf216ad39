"""Jobs: work that survives the process. What a host asks about them; `pool` does them.

Law: a job is acknowledged when it is on the disk, and so is a cancel. What it is to do is checked before, as far as
that can be told without a key.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.limits import Limits
from llm_sidecar.messages.inference import Success
from llm_sidecar.messages.job import (
    JobAccepted,
    JobInfo,
    JobList,
    JobListParams,
    JobResult,
    JobResultParams,
    SubmitJobParams,
)
from llm_sidecar.services import metadata
from llm_sidecar.services.jobs.batch import BatchJobs
from llm_sidecar.services.jobs.batch_plan import BatchPlan
from llm_sidecar.services.jobs.inference import InferenceJobs
from llm_sidecar.services.jobs.notices import JobNotices
from llm_sidecar.services.jobs.pool import JobPool
from llm_sidecar.services.pages import DEFAULT_PAGE, Cursors, fits_a_page, fitting
from llm_sidecar.storage.batch_items import BatchTable
from llm_sidecar.storage.jobs import JobTable, NewJob, StoredJob

T = TypeVar("T")

_JOBS: Final = Cursors("jobs")
_ITEMS: Final = Cursors("items")


class JobService:
    """Used from the event loop only. Everything may raise what the database does."""

    def __init__(
        self,
        *,
        table: JobTable,
        items: BatchTable,
        inferences: InferenceJobs,
        batches: BatchJobs,
        notices: JobNotices,
        pool: JobPool,
        limits: Callable[[], Limits],
    ) -> None:
        self._table = table
        self._items = items
        self._inferences = inferences
        self._batches = batches
        self._notices = notices
        self._limits = limits
        self.pool = pool

    async def submit(self, params: SubmitJobParams, inner: Any) -> JobAccepted:
        """Take a job; `inner` is its params, typed (of a batch: `BatchPlan`). `pool.wake` once that is answered.

        Raises `JOB_EXISTS`, `OVERLOADED`, `InvalidParams`, or why nobody could answer it.
        """
        requests = None
        noted = metadata.encoded(params.metadata)
        try:
            if isinstance(inner, BatchPlan):
                self._batches.check(inner)
                requests = [(request.custom_id, request.stored) for request in inner.requests]
                stored = msgspec.json.encode(inner.target)
            else:
                self._inferences.check(params.kind, inner)
                stored = msgspec.json.encode(inner)
        except InvalidParams as error:
            raise within(error, "params") from None
        job = NewJob(
            job_id=params.job_id or f"job-{os.urandom(9).hex()}",
            kind=params.kind,
            params=stored,
            priority=params.priority,
            if_interrupted=params.if_interrupted,
            window_id=params.window_id,
            metadata=noted,
            requests=requests,
        )
        await self._whole(self._table.submit(job, self._limits().max_queued_jobs), lambda _: self.pool.wake())
        return JobAccepted(job_id=job.job_id)

    async def get(self, job_id: str) -> JobInfo:
        """Raises `JOB_NOT_FOUND`."""
        return (await self._table.get(job_id)).info

    async def list(self, params: JobListParams) -> JobList:
        """A page, newest first. Raises `InvalidParams` for a cursor that no page gave."""
        (before,) = (None,) if params.cursor is None else _JOBS.read(params.cursor)
        limit = params.limit or DEFAULT_PAGE
        found = await self._table.page(params.state, params.kind, before, limit + 1)
        for _, info in found:
            if not fits_a_page(info, self._limits()):
                info.metadata = None
        shown = fitting([info for _, info in found[:limit]], self._limits())
        is_more = len(shown) < len(found)
        return JobList(jobs=shown, next_cursor=_JOBS.at(found[len(shown) - 1][0]) if is_more else None)

    async def result(self, params: JobResultParams) -> JobResult:
        """What came of it so far. Raises `JOB_NOT_FOUND`, and `InvalidParams` for a cursor that no page gave."""
        job, stored = await self._table.result(params.job_id)
        info = job.info
        result = JobResult(job_id=info.job_id, state=info.state, error=info.error)
        if info.kind != "batch":
            result.result = None if stored is None else msgspec.json.decode(stored)
            return result
        (after,) = (0,) if params.cursor is None else _ITEMS.read(params.cursor)
        limit = params.limit or DEFAULT_PAGE
        found = await self._items.page(job.id, after, limit + 1, self._limits().max_message_bytes)
        result.items = fitting([item for _, item in found[:limit]], self._limits())
        if len(result.items) < len(found):
            result.next_cursor = _ITEMS.at(found[len(result.items) - 1][0])
        return result

    async def cancel(self, job_id: str, after_reply: Callable[[Callable[[], object]], None]) -> Success:
        """Stop it; `after_reply` takes what tells that it is over. Raises `JOB_NOT_FOUND`."""
        job = await self._whole(self._table.cancel(job_id, self._limits().max_finished_jobs), self._stop)
        after_reply(lambda: self._stop(job))
        return Success(success=job is not None)

    def _stop(self, job: StoredJob | None) -> None:
        """Its row says that it is cancelled."""
        if job is not None and job.info.state == "cancelled":
            self._notices.tell(job.info)
        elif job is not None:
            self.pool.cancel(job.id)

    async def _whole(self, change: Awaitable[T], afterwards: Callable[[T], object]) -> T:
        """Make a change of the database; `afterwards` is for one whose asker has left."""
        task = asyncio.ensure_future(change)

        def told(done: asyncio.Future[T]) -> None:
            if not done.cancelled() and done.exception() is None:
                afterwards(done.result())

        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(told)
            raise


def within(error: InvalidParams, path: str) -> InvalidParams:
    """The same problems, of params that are at `path`."""
    fields = (error.details or {}).get("fields", [])
    return InvalidParams(
        [FieldProblem(f"{path}.{field['path']}" if field["path"] else path, field["reason"]) for field in fields]
    )
