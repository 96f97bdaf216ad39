"""Jobs: one row each.

Law: a job is found by its host's id, and meant by its row's, which is never used again. A state changes in one
statement that says from which: who comes second changes nothing. What has ended keeps its answer and drops its params.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.job import JobError, JobInfo, JobKind, JobProgress, JobState
from llm_sidecar.storage.clock import now_ms
from llm_sidecar.storage.database import Database

_LAST: Final = 2**63 - 1
_COLUMNS: Final = (
    "id, if_interrupted, is_cancelled, job_id, kind, state, priority, created_at, started_at, ended_at, attempts, "
    "progress, error, may_have_been_paid, window_id, metadata"
)
_NEXT: Final = (
    "SELECT id, params FROM jobs WHERE state = 'queued' AND (kind = 'batch') = ? "
    "AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY priority DESC, id LIMIT 1"
)
_END: Final = (
    "UPDATE jobs SET state = ?, error = ?, result = ?, params = NULL, costs_money = 0, ended_at = ?, "
    "may_have_been_paid = may_have_been_paid OR ?, ending = (SELECT coalesce(max(ending), 0) + 1 FROM jobs) "
    "WHERE id = ? AND state IN ('queued', 'running')"
)
_FORGET: Final = (
    "DELETE FROM jobs WHERE ending <= (SELECT ending FROM jobs WHERE ending IS NOT NULL "
    "ORDER BY ending DESC LIMIT 1 OFFSET ?)"
)


class NewJob(NamedTuple):
    """What is handed over. `requests`: of a batch, the host's names for them and their JSON."""

    job_id: str
    kind: JobKind
    params: bytes
    priority: int
    if_interrupted: str
    window_id: str | None
    metadata: bytes | None
    requests: list[tuple[str, bytes]] | None = None


class StoredJob(NamedTuple):
    """A job's row. `info` is as the host sees it."""

    id: int
    may_restart: bool
    is_cancelled: bool
    info: JobInfo


class JobTable:
    """Every method raises what `Database` does; used from the event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(self, job: NewJob, most_queued: int) -> None:
        """Raises `JOB_EXISTS`, or `OVERLOADED` where `most_queued` wait already."""
        await self._database.write(lambda connection: _submit(connection, job, most_queued))

    async def get(self, job_id: str) -> StoredJob:
        """Raises `JOB_NOT_FOUND`."""
        return await self._database.read(lambda connection: find(connection, job_id))

    async def page(
        self, state: JobState | None, kind: JobKind | None, before: int | None, limit: int
    ) -> list[tuple[int, JobInfo]]:
        """Up to `limit` of them below the row `before`, newest first."""
        named = {"state": state, "kind": kind}
        given = {name: value for name, value in named.items() if value is not None}
        where = " AND ".join(["id < ?", *(f"{name} = ?" for name in given)])
        sql = f"SELECT {_COLUMNS} FROM jobs WHERE {where} ORDER BY id DESC LIMIT ?"
        values = [_LAST if before is None else before, *given.values(), limit]
        rows = await self._database.read(lambda connection: connection.execute(sql, values).fetchall())
        return [(row[0], _stored(row).info) for row in rows]

    async def result(self, job_id: str) -> tuple[StoredJob, bytes | None]:
        """A job, and what came of it. Raises `JOB_NOT_FOUND`."""

        def work(connection: sqlite3.Connection) -> tuple[StoredJob, bytes | None]:
            job = find(connection, job_id)
            (result,) = connection.execute("SELECT result FROM jobs WHERE id = ?", (job.id,)).fetchone()
            return job, result

        return await self._database.read(work)

    # --- running them ---

    async def next(self, *, batches: bool, without: Iterable[int]) -> tuple[StoredJob, bytes] | None:
        """Whose turn it is, and its params; `without` those rows."""
        excluded = msgspec.json.encode(list(without)).decode()

        def work(connection: sqlite3.Connection) -> tuple[StoredJob, bytes] | None:
            found = connection.execute(_NEXT, (batches, excluded)).fetchone()
            return None if found is None else (_by_row(connection, found[0]), found[1])

        return await self._database.read(work)

    async def start(self, row: int, *, costs_money: bool) -> JobInfo | None:
        """It runs from now on; None if it is not queued any more."""
        sql = (
            "UPDATE jobs SET state = 'running', started_at = ?, attempts = attempts + 1, costs_money = ?, "
            "progress = NULL WHERE id = ? AND state = 'queued'"
        )
        return await self._change(row, sql, (now_ms(), costs_money, row))

    async def put_back(self, row: int, *, paid: bool = False) -> JobInfo | None:
        """It waits again; `paid`: it may have been paid for. None if it does not run, or was cancelled."""
        sql = (
            "UPDATE jobs SET state = 'queued', costs_money = 0, progress = NULL, "
            "may_have_been_paid = may_have_been_paid OR ? WHERE id = ? AND state = 'running' AND NOT is_cancelled"
        )
        return await self._change(row, sql, (paid, row))

    async def paid(self, row: int) -> None:
        """From now on it may have been paid for, whatever comes."""
        sql = "UPDATE jobs SET may_have_been_paid = 1 WHERE id = ?"
        await self._database.write(lambda connection: connection.execute(sql, (row,)) and None)

    async def progress(self, row: int, progress: JobProgress) -> None:
        sql = "UPDATE jobs SET progress = ? WHERE id = ? AND state = 'running'"
        values = (msgspec.json.encode(progress), row)
        await self._database.write(lambda connection: connection.execute(sql, values) and None)

    async def end(
        self, row: int, state: JobState, most_kept: int, *, error: JobError | None, result: bytes | None, paid: bool
    ) -> JobInfo | None:
        """It is over; one that was cancelled meanwhile is so. None if it was over. The oldest above `most_kept` go."""

        def work(connection: sqlite3.Connection) -> JobInfo | None:
            if not end(connection, row, state, error=error, result=result, paid=paid):
                return None
            info = _by_row(connection, row).info
            connection.execute(_FORGET, (most_kept,))
            return info

        return await self._database.write(work)

    async def cancel(self, job_id: str, most_kept: int) -> StoredJob | None:
        """It is to stop; one that waits is over with that. None if it was over. Raises `JOB_NOT_FOUND`."""

        def work(connection: sqlite3.Connection) -> StoredJob | None:
            job = find(connection, job_id)
            if job.info.state not in ("queued", "running"):
                return None
            connection.execute("UPDATE jobs SET is_cancelled = 1 WHERE id = ?", (job.id,))
            if job.info.state == "queued":
                end(connection, job.id, "cancelled")
                connection.execute(_FORGET, (most_kept,))
            return _by_row_or(connection, job)

        return await self._database.write(work)

    async def recover(self, error: JobError) -> tuple[list[JobInfo], list[tuple[StoredJob, bytes]]]:
        """What a process that died left running: those that ended with it (`error` says why), and the batches that go
        on, with their params. Jobs that may start anew wait again."""
        return await self._database.write(lambda connection: _recover(connection, error))

    async def _change(self, row: int, sql: str, values: tuple[Any, ...]) -> JobInfo | None:
        def work(connection: sqlite3.Connection) -> JobInfo | None:
            changed = connection.execute(sql, values).rowcount
            return _by_row(connection, row).info if changed else None

        return await self._database.write(work)


def find(connection: sqlite3.Connection, job_id: str) -> StoredJob:
    """Raises `JOB_NOT_FOUND`."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    if row is None:
        raise SidecarError("JOB_NOT_FOUND", "There is no job of this id.")
    return _stored(row)


def end(
    connection: sqlite3.Connection,
    row: int,
    state: JobState,
    *,
    error: JobError | None = None,
    result: bytes | None = None,
    paid: bool = False,
) -> bool:
    """End a job; whether it was not over."""
    (is_cancelled,) = connection.execute("SELECT is_cancelled FROM jobs WHERE id = ?", (row,)).fetchone() or (0,)
    if is_cancelled:
        state, error = "cancelled", None
    stored_error = None if error is None else msgspec.json.encode(error)
    ended = connection.execute(_END, (state, stored_error, result, now_ms(), paid, row)).rowcount > 0
    if ended:
        connection.execute("DELETE FROM batch_requests WHERE job = ?", (row,))
    return ended


def _submit(connection: sqlite3.Connection, job: NewJob, most_queued: int) -> None:
    if connection.execute("SELECT 1 FROM jobs WHERE job_id = ?", (job.job_id,)).fetchone():
        raise SidecarError("JOB_EXISTS", "There is a job of this id already.")
    (queued,) = connection.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()
    if queued >= most_queued:
        message = f"{most_queued} jobs are waiting already."
        details = {"scope": "sidecar", "limit": most_queued}
        raise SidecarError("OVERLOADED", message, retry_after_ms=10_000, details=details)
    columns = "job_id, kind, state, priority, if_interrupted, window_id, created_at, metadata, params"
    sql = f"INSERT INTO jobs ({columns}) VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?)"
    values = (job.job_id, job.kind, job.priority, job.if_interrupted, job.window_id, now_ms(), job.metadata, job.params)
    row = connection.execute(sql, values).lastrowid
    if job.requests is not None:
        connection.execute("INSERT INTO batches (job, total) VALUES (?, ?)", (row, len(job.requests)))
        sql = "INSERT INTO batch_requests (job, custom_id, request) VALUES (?, ?, ?)"
        connection.executemany(sql, ((row, custom_id, request) for custom_id, request in job.requests))


def _recover(connection: sqlite3.Connection, error: JobError) -> tuple[list[JobInfo], list[tuple[StoredJob, bytes]]]:
    running = connection.execute(f"SELECT {_COLUMNS}, costs_money, params FROM jobs WHERE state = 'running'").fetchall()
    ended: list[JobInfo] = []
    batches: list[tuple[StoredJob, bytes]] = []
    for *columns, costs_money, params in running:
        job = _stored(columns)
        if job.info.kind == "batch":
            batches.append((job, params))
        elif job.may_restart and not job.is_cancelled:
            sql = (
                "UPDATE jobs SET state = 'queued', may_have_been_paid = may_have_been_paid OR costs_money, "
                "costs_money = 0, progress = NULL WHERE id = ?"
            )
            connection.execute(sql, (job.id,))
        else:
            end(connection, job.id, "interrupted", error=error, paid=bool(costs_money))
            ended.append(_by_row(connection, job.id).info)
    return ended, batches


def _by_row(connection: sqlite3.Connection, row: int) -> StoredJob:
    return _stored(connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (row,)).fetchone())


def _by_row_or(connection: sqlite3.Connection, job: StoredJob) -> StoredJob:
    """As it is now, or as it was where it is kept no longer."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job.id,)).fetchone()
    return job if found is None else _stored(found)


def _stored(row: Any) -> StoredJob:
    (id_, if_interrupted, is_cancelled, job_id, kind, state, priority, created_at, started_at, ended_at, attempts,
     progress, error, may_have_been_paid, window_id, metadata) = row  # fmt: skip
    info = JobInfo(
        job_id=job_id,
        kind=kind,
        state=state,
        priority=priority,
        created_at=created_at,
        started_at=started_at,
        ended_at=ended_at,
        attempts=attempts,
        progress=None if progress is None else msgspec.json.decode(progress, type=JobProgress),
        error=None if error is None else msgspec.json.decode(error, type=JobError),
        may_have_been_paid=bool(may_have_been_paid),
        window_id=window_id,
        metadata=None if metadata is None else msgspec.json.decode(metadata),
    )
    return StoredJob(id_, if_interrupted == "restart", bool(is_cancelled), info)
