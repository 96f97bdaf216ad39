"""Rows of the audit log: in order, bounded, and counted on where something goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from llm_sidecar.messages.usage import AuditAction, AuditEntry
from llm_sidecar.storage.audit import HOUR_MS, AuditRows, Event
from llm_sidecar.storage.database import Database

Run = Callable[[Coroutine[Any, Any, Any]], Any]
NEWEST = 2**62


def event(at: int, action: AuditAction = "profile.changed", *, details: str | None = None) -> Event:
    return Event(action, at, "p", details, is_merged=action == "key.used")


def play(run: Run, scenario: Callable[[AuditRows], Awaitable[None]], folder: Path | None = None) -> None:
    async def main() -> None:
        database = Database.open(None if folder is None else str(folder))
        try:
            await scenario(AuditRows(database))
        finally:
            await database.aclose()

    run(main())


async def entries(rows: AuditRows, **which: Any) -> list[AuditEntry]:
    asked: dict[str, Any] = {"action": None, "start": None, "end": None, "below": NEWEST, "limit": 1_000, **which}
    return await rows.page(**asked)


def test_only_the_newest_are_kept(run: Run) -> None:
    async def scenario(rows: AuditRows) -> None:
        for at in range(25):
            rows.post(event(at), 10)
        assert [entry.at for entry in await entries(rows)] == list(reversed(range(15, 25)))
        rows.post(event(25), 3)
        assert [entry.at for entry in await entries(rows)] == [25, 24, 23]

    play(run, scenario)


def test_filters_and_places(run: Run) -> None:
    async def scenario(rows: AuditRows) -> None:
        for at in range(6):
            rows.post(event(at, "profile.created" if at % 2 else "profile.deleted"), 100)
        assert [entry.at for entry in await entries(rows, action="profile.created")] == [5, 3, 1]
        assert [entry.at for entry in await entries(rows, start=2, end=4)] == [3, 2]
        first = await entries(rows, limit=4)
        assert [entry.at for entry in await entries(rows, below=first[-1].id)] == [1, 0]

    play(run, scenario)


def test_what_was_posted_is_there_after_the_end_in_its_order(run: Run, tmp_path: Path) -> None:
    async def post(rows: AuditRows) -> None:
        for at in range(300):
            rows.post(event(at, details='{"name":"x"}'), 1_000)

    async def look(rows: AuditRows) -> None:
        found = await entries(rows)
        assert [entry.at for entry in found] == list(reversed(range(300)))
        assert found[0].details == {"name": "x"}

    play(run, post, tmp_path)
    play(run, look, tmp_path)


def test_an_event_that_goes_on_is_one_row_with_its_count_also_over_a_restart(run: Run, tmp_path: Path) -> None:
    async def use(rows: AuditRows) -> None:
        used = event(1_000, "key.used")
        rows.post(used, 100)
        rows.post(event(1_500), 100)
        for _ in range(4):
            used.count += 1
            rows.post(used, 100)

    async def use_again(rows: AuditRows) -> None:
        rows.post(event(2_000, "key.used"), 100)
        rows.post(event(1_000 + HOUR_MS, "key.used"), 100)
        found = await entries(rows)
        assert [(entry.action, entry.at, entry.repeated) for entry in found] == [
            ("key.used", 1_000 + HOUR_MS, 1),
            ("profile.changed", 1_500, 1),
            ("key.used", 1_000, 6),
        ]

    play(run, use, tmp_path)
    play(run, use_again, tmp_path)


def test_an_event_whose_row_was_dropped_for_newer_ones_is_noted_anew(run: Run) -> None:
    async def scenario(rows: AuditRows) -> None:
        used = event(1, "key.used")
        rows.post(used, 2)
        rows.post(event(2), 2)
        rows.post(event(3), 2)
        used.count += 1
        rows.post(used, 2)
        assert [(entry.at, entry.repeated) for entry in await entries(rows)] == [(1, 2), (3, 1)]

    play(run, scenario)


def test_an_event_that_goes_on_does_not_count_on_somebody_elses_row(run: Run) -> None:
    """What could not be stored gives its id back: the next event gets it."""

    async def main() -> None:
        database = Database.open(None)
        rows = AuditRows(database)
        used = event(1, "key.used")
        rows.post(used, 100)
        await entries(rows)
        database.read_now(lambda connection: connection.execute("DELETE FROM audit"))
        other = Event("key.used", 1, "q", None, is_merged=True)
        rows.post(other, 100)
        used.count += 1
        rows.post(used, 100)
        assert [(entry.profile_id, entry.repeated) for entry in await entries(rows)] == [("p", 2), ("q", 1)]
        await database.aclose()

    run(main())
