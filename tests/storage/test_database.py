"""The database: one connection on its thread, writes that are committed together, errors with a type."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.storage.database import FILE_NAME, Database

Run = Callable[[Any], Any]
INSERT = "INSERT INTO sessions (session_id, activity, is_ephemeral, created_at, last_activity, options)"


def insert(name: str) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        activity = "(SELECT coalesce(max(activity), 0) + 1 FROM sessions)"
        return connection.execute(f"{INSERT} VALUES (?, {activity}, 0, 0, 0, '{{}}')", (name,)).rowcount

    return work


def names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT session_id FROM sessions ORDER BY id")]


def test_a_write_is_there_for_everybody_when_it_is_acknowledged(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        database = Database.open(str(tmp_path))
        assert await database.write(insert("a")) == 1
        with sqlite3.connect(tmp_path / FILE_NAME) as other:
            assert names(other) == ["a"]
        other.close()
        await database.aclose()

    run(main())


def test_the_disk_is_asked_to_keep_what_is_acknowledged(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        database = Database.open(str(tmp_path))
        pragmas = ["journal_mode", "synchronous", "foreign_keys", "secure_delete"]
        found = await database.read(lambda c: [c.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas])
        assert found == ["wal", 2, 1, 1]
        await database.aclose()

    run(main())


def test_writes_that_wait_together_are_committed_together_and_fail_alone(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        database = Database.open(str(tmp_path))
        began, go_on = threading.Event(), threading.Event()

        def hold(_connection: sqlite3.Connection) -> None:
            began.set()
            go_on.wait(10)

        commits = 0

        def count(statement: str) -> None:
            nonlocal commits
            commits += statement == "COMMIT"

        await database.read(lambda connection: connection.set_trace_callback(count))
        held = asyncio.ensure_future(database.read(hold))
        await asyncio.to_thread(began.wait, 10)
        tasks = [asyncio.ensure_future(database.write(insert(name))) for name in ("a", "b", "a", "c")]
        await asyncio.sleep(0)
        go_on.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await held
        assert [type(result) for result in results] == [int, int, sqlite3.IntegrityError, int]
        assert await database.read(names) == ["a", "b", "c"]
        assert commits == 1
        await database.aclose()

    run(main())


def test_work_that_raises_undoes_only_itself_and_its_error_passes_through(run: Run) -> None:
    async def main() -> None:
        database = Database.open(None)

        def work(connection: sqlite3.Connection) -> None:
            insert("gone")(connection)
            raise SidecarError("SESSION_EXISTS", "x")

        with pytest.raises(SidecarError) as raised:
            await database.write(work)
        assert raised.value.code == "SESSION_EXISTS"
        assert await database.read(names) == []
        await database.aclose()

    run(main())


def test_a_write_that_nobody_waits_for_is_done(run: Run) -> None:
    async def main() -> None:
        database = Database.open(None)
        task = asyncio.ensure_future(database.write(insert("a")))
        await asyncio.sleep(0)
        task.cancel()
        database.post(insert("b"), "b")
        assert await database.read(names) == ["a", "b"]
        await database.aclose()

    run(main())


def test_everything_asked_for_is_done_before_it_closes_and_nothing_after(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        database = Database.open(str(tmp_path))
        for number in range(500):
            database.post(insert(str(number)), "number")
        await database.aclose()
        with pytest.raises(SidecarError) as raised:
            await database.write(insert("late"))
        assert raised.value.code == "SHUTTING_DOWN"
        again = Database.open(str(tmp_path))
        assert len(await again.read(names)) == 500
        await again.aclose()

    run(main())


@pytest.mark.parametrize("put_there", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_a_problem_at_once(run: Run, tmp_path: Path, put_there: Callable[[Path], None]) -> None:
    """Opened like a file, a pipe would keep everybody waiting."""
    put_there(tmp_path / "llm-sidecar.sqlite3")

    async def main() -> None:
        database = Database.open(str(tmp_path))
        assert database.problem is not None
        details = {"reason": "cannotOpen", "file": str(tmp_path / "llm-sidecar.sqlite3")}
        assert (database.problem.code, database.problem.details) == ("STORAGE_READ_ERROR", details)
        await database.aclose()

    run(main())


def test_a_folder_that_is_not_there_is_a_problem_and_no_exception(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        database = Database.open(str(tmp_path / "missing"))
        assert database.problem is not None
        assert database.problem.code.startswith("STORAGE_")
        with pytest.raises(SidecarError) as raised:
            await database.write(insert("a"))
        assert raised.value.code == "STORAGE_WRITE_ERROR"
        (tmp_path / "missing").mkdir()
        await database.write(insert("a"))  # it is tried again, without a restart
        assert await database.read(names) == ["a"]
        assert database.problem is None
        await database.aclose()

    run(main())
