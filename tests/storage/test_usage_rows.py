"""Rows of usage: they come back as they were stored, in pages that nothing moves, and their sums are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.usage import GroupBy, UsageRow
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.usage import NANO, Filter, Place, Range, Sums, UsageRows

Run = Callable[[Coroutine[Any, Any, Any]], Any]
DAY = 86_400_000
NOW = 1_795_824_000_000
"""2026-11-28 00:00 UTC."""


def row(number: int = 0, **changes: Any) -> UsageRow:
    plain: dict[str, Any] = {
        "inference_id": f"inf-{number}",
        "at": NOW + number,
        "provider_id": "openai",
        "model_id": "gpt-4o",
        "outcome": "done",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "source": "reported",
        "cost": 0.25,
        "first_token_ms": 100,
        "total_ms": 1_000,
        "attempts": 1,
        **changes,
    }
    return UsageRow(total_tokens=plain["prompt_tokens"] + plain["completion_tokens"], **plain)


def play(run: Run, scenario: Callable[[UsageRows], Awaitable[None]], folder: Path | None = None) -> None:
    async def main() -> None:
        database = Database.open(None if folder is None else str(folder))
        try:
            await scenario(UsageRows(database))
        finally:
            await database.aclose()

    run(main())


EVERYTHING = Filter()
ALWAYS = Range()


async def listed(rows: UsageRows, which: Filter = EVERYTHING, when: Range = ALWAYS, size: int = 3) -> list[UsageRow]:
    """All pages of a list."""
    found: list[UsageRow] = []
    after: Place | None = None
    while page := await rows.page(which, when, after, size):
        found += [item for _, item in page]
        after = page[-1][0]
    return found


# --- rows and pages ---


def test_a_row_comes_back_as_it_was_stored(run: Run, tmp_path: Path) -> None:
    full = row(
        profile_id="p", session_id="s", job_id="j", code="TIMEOUT", outcome="error", cached_prompt_tokens=3,
        cache_write_tokens=2, reasoning_tokens=1, source="partial", attempts=4, inference_id="☃\0'; DROP TABLE usage;",
    )  # fmt: skip
    bare = row(1, cost=None, first_token_ms=None, cached=True)

    async def store(rows: UsageRows) -> None:
        await rows.add(full)
        await rows.add(bare)

    async def look(rows: UsageRows) -> None:
        assert await listed(rows) == [bare, full]

    play(run, store, tmp_path)
    play(run, look, tmp_path)


def test_pages_do_not_move_while_rows_are_added_nor_when_the_clock_jumps(run: Run) -> None:
    async def scenario(rows: UsageRows) -> None:
        for number in range(10):
            await rows.add(row(number))
        seen: list[str] = []
        after: Place | None = None
        while page := await rows.page(Filter(), Range(), after, 3):
            seen += [item.inference_id for _, item in page]
            after = page[-1][0]
            await rows.add(row(100 + len(seen), at=NOW - 5 * DAY * len(seen)))
        assert seen == [f"inf-{number}" for number in reversed(range(10))]

    play(run, scenario)


def test_what_was_added_last_comes_first_whatever_the_clock_said(run: Run) -> None:
    async def scenario(rows: UsageRows) -> None:
        await rows.add(row(1, at=NOW))
        await rows.add(row(2, at=NOW - 30 * DAY))
        assert [item.inference_id for item in await listed(rows)] == ["inf-2", "inf-1"]

    play(run, scenario)


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from(["s", "t", None]), st.sampled_from(["p", None]), st.integers(0, 9)
        ),
        max_size=20,
    ),
    which=st.builds(Filter, *(st.sampled_from([name, None]) for name in "asp")),
    when=st.builds(Range, st.none() | st.integers(0, 10), st.none() | st.integers(0, 10)),
    size=st.integers(1, 7),
)
@settings(max_examples=60)
def test_filters_give_what_they_say_in_pages_of_any_size(rows: Any, which: Filter, when: Range, size: int) -> None:
    made = [
        row(number, provider_id=provider, session_id=session, profile_id=profile, at=at)
        for number, (provider, session, profile, at) in enumerate(rows)
    ]

    def belongs(item: UsageRow) -> bool:
        named = all(
            getattr(which, name) in {None, getattr(item, name)} for name in ("provider_id", "session_id", "profile_id")
        )
        return named and (when.start or 0) <= item.at < (99 if when.end is None else when.end)

    async def scenario(table: UsageRows) -> None:
        for item in made:
            await table.add(item)
        assert await listed(table, which, when, size) == [item for item in reversed(made) if belongs(item)]

    play(asyncio.run, scenario)


@pytest.mark.parametrize(
    ("which", "index"),
    [
        (Filter(), "PRIMARY KEY"),
        (Filter(provider_id="x"), "usage_provider"),
        (Filter("x", "y", "z"), "usage_session"),
        (Filter("x", None, "z"), "usage_profile"),
    ],
)
def test_a_page_reads_no_more_than_its_rows(run: Run, which: Filter, index: str) -> None:
    """Sorting or scanning the table would take a page of a million rows half a second."""

    async def main() -> None:
        database = Database.open(None)
        statements: list[str] = []
        database.read_now(lambda connection: connection.set_trace_callback(statements.append))
        await UsageRows(database).page(which, Range(1, 2), Place(2**60), 50)
        database.read_now(lambda connection: connection.set_trace_callback(None))
        (statement,) = [text for text in statements if text.startswith("SELECT id")]
        plan = database.read_now(lambda connection: connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall())
        (step,) = [line[3] for line in plan]
        assert step.startswith("SEARCH usage USING")
        assert index in step
        await database.aclose()

    run(main())


# --- sums ---

GROUPS: list[GroupBy | None] = [None, "provider", "model", "profile", "session", "day"]

instants = st.integers(NOW - 2 * DAY, NOW + 2 * DAY) | st.integers(-8, 8).map(lambda step: NOW + step * 300_000)
"""Some of them close together: several in a quarter of an hour, and on both sides of where one begins."""

usage_rows = st.lists(
    st.builds(
        row,
        at=instants,
        provider_id=st.sampled_from(["a", "b"]),
        model_id=st.sampled_from(["m", "n", ""]),
        profile_id=st.sampled_from(["p", None]),
        session_id=st.sampled_from(["s", "t", None]),
        outcome=st.sampled_from(["done", "error", "cancelled"]),
        prompt_tokens=st.integers(0, 10**6),
        completion_tokens=st.sampled_from([0, 7]),
        cached_prompt_tokens=st.none() | st.integers(0, 9),
        reasoning_tokens=st.none() | st.integers(0, 9),
        cost=st.none() | st.integers(0, 10**7).map(lambda nano: nano / NANO),
        first_token_ms=st.none() | st.integers(0, 900),
        total_ms=st.none() | st.integers(0, 900),
        cached=st.booleans(),
    ),
    max_size=15,
)


def key_of(item: UsageRow, group_by: GroupBy | None, offset: int) -> Any:
    if group_by == "day":
        return (item.at + offset * 60_000) // DAY
    return None if group_by is None else getattr(item, f"{group_by}_id") or ""


def model(items: list[UsageRow], key: Any) -> Sums:
    """The sums of some rows, in Python."""
    used = [item for item in items if not item.cached]
    timed = [item for item in used if item.first_token_ms is not None]
    times = [item.total_ms for item in used if item.outcome == "done" and item.total_ms is not None]
    unpriced = [item for item in items if item.cost is None and item.total_tokens]
    return Sums(
        key,
        requests=len(items),
        errors=sum(item.outcome == "error" for item in items),
        cancelled=sum(item.outcome == "cancelled" for item in items),
        prompt_tokens=sum(item.prompt_tokens for item in used),
        completion_tokens=sum(item.completion_tokens for item in used),
        cached_prompt_tokens=sum(item.cached_prompt_tokens or 0 for item in used),
        reasoning_tokens=sum(item.reasoning_tokens or 0 for item in used),
        cost=sum(round((item.cost or 0) * NANO) for item in items),
        unpriced=len(unpriced),
        first_token_ms=sum(item.first_token_ms or 0 for item in timed),
        first_tokens=len(timed),
        total_ms=sum(times),
        answers=len(times),
    )


@given(
    items=usage_rows,
    group_by=st.sampled_from(GROUPS),
    start=st.none() | instants,
    end=st.none() | instants,
    offset=st.integers(-56, 56).map(lambda quarters: quarters * 15),
)
@settings(max_examples=150)
def test_sums_are_exactly_those_of_the_rows(
    items: list[UsageRow], group_by: GroupBy | None, start: int | None, end: int | None, offset: int
) -> None:
    inside = [item for item in items if (start or 0) <= item.at < (2**60 if end is None else end)]
    keys = {key_of(item, group_by, offset) for item in inside}
    expected = [model([item for item in inside if key_of(item, group_by, offset) == key], key) for key in keys]

    async def scenario(table: UsageRows) -> None:
        for item in items:
            await table.add(item)
        groups, total = await table.sums(group_by, Range(start, end), offset, 100)
        assert sorted(groups, key=str) == sorted(expected, key=str)
        assert total == model(inside, None)
        if group_by == "day":
            assert [group.key for group in groups] == sorted(keys, reverse=True)
        else:
            assert [group.cost for group in groups] == sorted((group.cost for group in groups), reverse=True)

    play(asyncio.run, scenario)


def test_the_groups_that_are_left_out_are_still_in_the_total(run: Run) -> None:
    async def scenario(table: UsageRows) -> None:
        for number in range(5):
            await table.add(row(number, model_id=f"m{number}", cost=float(number)))
        groups, total = await table.sums("model", Range(), 0, 2)
        assert [group.key for group in groups] == ["m4", "m3", "m2"]
        assert (total.requests, total.cost) == (5, 10 * NANO)

    play(run, scenario)


def test_a_million_tiny_costs_add_up_exactly(run: Run) -> None:
    """Ten cents times ten is a dollar: with floats it is not."""

    async def scenario(table: UsageRows) -> None:
        await asyncio.gather(*(table.add(row(number, cost=0.1)) for number in range(10)))
        _, total = await table.sums(None, Range(), 0, 1)
        assert total.cost == NANO
        assert sum([0.1] * 10) != 1.0

    play(run, scenario)


def test_absurd_figures_of_a_server_are_cut_so_that_sums_do_not_overflow(run: Run) -> None:
    async def scenario(table: UsageRows) -> None:
        for number in range(3):
            await table.add(row(number, prompt_tokens=2**53, cost=1e300, total_ms=2**62))
        groups, total = await table.sums("provider", Range(), 0, 10)
        assert total.prompt_tokens == 3 * 10**12
        assert total.cost == 3 * 10_000 * NANO
        assert all(isinstance(value, int) for value in groups[0][1:])

    play(run, scenario)


def test_a_summary_of_all_time_reads_the_sums_and_not_the_rows(run: Run) -> None:
    async def main() -> None:
        database = Database.open(None)
        table = UsageRows(database)
        await table.add(row())
        database.read_now(lambda connection: connection.execute("DELETE FROM usage"))
        for group_by in GROUPS:
            _, total = await table.sums(group_by, Range(), 0, 10)
            assert total.requests == 1
        await database.aclose()

    run(main())


def test_a_row_that_cannot_be_written_is_an_error_and_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        database = Database.open(None)
        table = UsageRows(database)
        await table.add(row(1))
        database.read_now(lambda connection: connection.execute("PRAGMA query_only = ON"))
        with pytest.raises(SidecarError) as caught:
            await table.add(row(2))
        assert (caught.value.code, caught.value.details) == ("STORAGE_WRITE_ERROR", {"reason": "readOnly"})
        assert [item.inference_id for item in await listed(table)] == ["inf-1"]
        _, total = await table.sums(None, Range(), 0, 1)
        assert total.requests == 1
        await database.aclose()

    run(main())
