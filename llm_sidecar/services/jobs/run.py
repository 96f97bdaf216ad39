"""A job at work, and what it comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from llm_sidecar.errors import ERROR_KINDS, SidecarError
from llm_sidecar.messages.job import JobError
from llm_sidecar.storage.jobs import StoredJob

LONGEST_MESSAGE: Final = 2_000


class Ending(NamedTuple):
    """What became of it. `again`: it waits for another turn, not before `delay_ms`; `paid`: it may have been paid for,
    and nobody knows whether that was answered."""

    state: Literal["done", "failed", "cancelled", "interrupted", "again"]
    result: bytes | None = None
    error: JobError | None = None
    paid: bool = False
    items: int | None = None
    delay_ms: int = 0


class RunningJob:
    """One attempt at a job. `cancelled` is set when the host wants it to stop; `on_cancel` is called then, too."""

    def __init__(self, job: StoredJob, *, costs_money: bool) -> None:
        self.job = job
        self.costs_money = costs_money
        self.cancelled = asyncio.Event()
        self.on_cancel: Callable[[], object] = lambda: None
        if job.is_cancelled:
            self.cancelled.set()

    def cancel(self) -> None:
        """Stop, as soon as that can be done well."""
        self.cancelled.set()
        self.on_cancel()


def job_error(error: SidecarError) -> JobError:
    """As a job tells it."""
    return JobError(code=error.code, message=error.message[:LONGEST_MESSAGE], retryable=error.retryable)


def failed(error: SidecarError, *, paid: bool = False) -> Ending:
    return Ending("failed", error=job_error(error), paid=paid)


def interrupted_error() -> JobError:
    """Of a job that ran when the sidecar ended."""
    kind = ERROR_KINDS["JOB_INTERRUPTED"]
    return JobError(code="JOB_INTERRUPTED", message=kind.summary, retryable=kind.retryable)
