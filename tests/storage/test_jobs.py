"""The rows of jobs: who comes first, one change of state each, what is forgotten, and what a dead process leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.job import BatchItem, JobError, JobInfo, JobKind, JobProgress
from llm_sidecar.messages.usage import UsageRow
from llm_sidecar.storage.batch_items import BatchTable
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.jobs import JobTable, NewJob

Run = Callable[[Any], Any]
DEAD = JobError(code="JOB_INTERRUPTED", message="dead", retryable=True)


class Store:
    def __init__(self) -> None:
        self.database = Database.open(None)
        self.jobs = JobTable(self.database)
        self.batches = BatchTable(self.database)

    async def add(self, name: str, *, kind: JobKind = "inference", rule: str = "fail", **more: Any) -> int:
        requests = more.pop("requests", None)
        job = NewJob(name, kind, b"{}", more.pop("priority", 0), rule, None, None, requests)
        await self.jobs.submit(job, 100)
        return (await self.jobs.get(name)).id

    async def started(self, name: str, *, costs_money: bool = False, **more: Any) -> int:
        row = await self.add(name, **more)
        assert await self.jobs.start(row, costs_money=costs_money) is not None
        return row

    async def end(self, row: int, state: Any = "done", kept: int = 100, **more: Any) -> JobInfo | None:
        return await self.jobs.end(row, state, kept, **{"error": None, "result": b"1", "paid": False, **more})

    async def state(self, name: str) -> str:
        return (await self.jobs.get(name)).info.state


def usage(name: str) -> UsageRow:
    return UsageRow(
        inference_id=name, at=1, provider_id="openai", model_id="m", outcome="done", prompt_tokens=1,
        completion_tokens=1, total_tokens=2, source="reported", cost=0.5, first_token_ms=None, total_ms=0, attempts=1,
    )  # fmt: skip


def test_the_next_is_the_highest_and_the_oldest_of_its_kind(run: Run) -> None:
    async def main() -> None:
        store = Store()
        rows = [await store.add(f"j{at}", priority=priority) for at, priority in enumerate((0, 2, 2))]
        batch = await store.add("b", kind="batch", priority=9, requests=[("a", b"{}")])
        for without, expected in (([], rows[1]), ([rows[1]], rows[2]), (rows[1:], rows[0])):
            found = await store.jobs.next(batches=False, without=without)
            assert found is not None
            assert found[0].id == expected
        assert await store.jobs.next(batches=False, without=rows) is None
        found = await store.jobs.next(batches=True, without=[])
        assert found is not None
        assert found[0].id == batch

    run(main())


def test_who_comes_second_changes_nothing(run: Run) -> None:
    async def main() -> None:
        store = Store()
        row = await store.started("one")
        assert await store.jobs.start(row, costs_money=False) is None
        assert await store.end(row) is not None
        assert await store.end(row, "failed") is None
        assert await store.jobs.cancel("one", 100) is None
        assert await store.jobs.put_back(row) is None
        await store.jobs.progress(row, JobProgress(current=1))
        info = (await store.jobs.get("one")).info
        assert (info.state, info.progress, info.attempts) == ("done", None, 1)

    run(main())


def test_a_job_that_was_cancelled_ends_as_nothing_else(run: Run) -> None:
    async def main() -> None:
        store = Store()
        row = await store.started("one")
        assert await store.jobs.cancel("one", 100) is not None
        assert await store.jobs.put_back(row) is None
        info = await store.end(row, "failed", error=DEAD)
        assert info is not None
        assert (info.state, info.error) == ("cancelled", None)

    run(main())


@pytest.mark.parametrize(
    ("rule", "is_cancelled", "costs_money", "state"),
    [
        ("fail", False, True, "interrupted"),
        ("fail", False, False, "interrupted"),
        ("restart", False, True, "queued"),
        ("restart", False, False, "queued"),
        ("restart", True, True, "cancelled"),
        ("fail", True, False, "cancelled"),
    ],
)
def test_what_a_dead_process_leaves(run: Run, rule: str, is_cancelled: bool, costs_money: bool, state: str) -> None:
    async def main() -> None:
        store = Store()
        await store.started("one", rule=rule, costs_money=costs_money)
        waiting = await store.add("two")
        if is_cancelled:
            await store.jobs.cancel("one", 100)
        ended, batches = await store.jobs.recover(DEAD)
        info = (await store.jobs.get("one")).info
        assert (info.state, info.may_have_been_paid) == (state, costs_money)
        assert [job.job_id for job in ended] == (["one"] if state != "queued" else [])
        assert batches == []
        assert (await store.jobs.get("two")).id == waiting
        assert await store.state("two") == "queued"
        assert await store.jobs.recover(DEAD) == ([], [])

    run(main())


def test_a_batch_goes_on_after_a_dead_process(run: Run) -> None:
    async def main() -> None:
        store = Store()
        row = await store.started("one", kind="batch", requests=[("a", b"{}")])
        await store.batches.sending(row, "token", costs_money=True)
        _, batches = await store.jobs.recover(DEAD)
        assert [(job.id, params) for job, params in batches] == [(row, b"{}")]
        assert (await store.batches.get(row)).token == "token"

    run(main())


def test_those_that_ended_first_go_first_with_all_that_is_theirs(run: Run) -> None:
    async def main() -> None:
        store = Store()
        old = await store.started("old", kind="batch", requests=[("a", b"{}"), ("b", b"{}")])
        others = [await store.started(f"j{at}") for at in range(3)]
        await store.end(others[2], kept=2)
        await store.batches.add(old, [(BatchItem(custom_id="a"), None)])
        await store.end(old, kept=2)
        await store.end(others[0], kept=2)
        names = [info.job_id for _, info in await store.jobs.page(None, None, None, 10)]
        assert names == ["j1", "j0", "old"]  # `j2` ended first; `j1` runs
        await store.end(others[1], kept=2)
        with pytest.raises(SidecarError) as failure:
            await store.jobs.get("old")
        assert failure.value.code == "JOB_NOT_FOUND"
        left = await store.database.read(
            lambda c: [c.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("batch_items", "batch_requests")]
        )
        assert left == [0, 0]

    run(main())


def test_an_item_and_what_it_used_are_stored_once_and_together(run: Run) -> None:
    async def main() -> None:
        store = Store()
        row = await store.started("one", kind="batch", requests=[("a", b"{}"), ("b", b"{}")])
        page = [(BatchItem(custom_id="a"), usage("a")), (BatchItem(custom_id="stranger"), usage("x"))]
        assert await store.batches.add(row, page) == (1, [page[0][1]])
        assert await store.batches.add(row, page) == (1, [])
        assert await store.batches.missing(row, 0, 10) == [(2, "b")]
        assert [found.custom_id for found in await store.batches.requests(row, 0, 10)] == ["b"]
        rows = await store.database.read(lambda c: c.execute("SELECT inference_id FROM usage").fetchall())
        assert rows == [("a",)]

    run(main())


def test_a_page_of_items_is_bounded_by_its_bytes_and_never_empty(run: Run) -> None:
    async def main() -> None:
        store = Store()
        names = [f"r{at}" for at in range(5)]
        row = await store.started("one", kind="batch", requests=[(name, b"{}") for name in names])
        await store.batches.add(
            row, [(BatchItem(custom_id=name, result={"text": "x" * 1_000}), None) for name in names]
        )
        assert len(await store.batches.page(row, 0, 5, 10_000)) == 5
        assert len(await store.batches.page(row, 0, 5, 1_500)) == 2
        assert len(await store.batches.page(row, 0, 5, 1)) == 2
        assert [item.custom_id for _, item in await store.batches.page(row, 3, 5, 1 << 20)] == ["r3", "r4"]

    run(main())
