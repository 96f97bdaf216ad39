"""From every version to this one; a newer one is refused untouched."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.storage import migrations, opening
from llm_sidecar.storage.migrations import MIGRATIONS, NEWEST, Migration, migrate, version_of


def layout(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def at_version(path: str, number: int) -> sqlite3.Connection:
    """A database as a sidecar of version `number` left it."""
    connection = sqlite3.connect(path, isolation_level=None)
    for step in MIGRATIONS[:number]:
        connection.executescript(f"BEGIN;{step.sql};PRAGMA user_version = {step.number};COMMIT;")
    return connection


def test_versions_count_up_from_one() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert len({step.name for step in MIGRATIONS}) == len(MIGRATIONS)


@pytest.mark.parametrize("number", range(NEWEST + 1))
def test_every_version_becomes_the_newest(tmp_path: Path, number: int) -> None:
    path = str(tmp_path / "db")
    before = at_version(path, number)
    if number:
        before.execute(
            "INSERT INTO sessions (session_id, activity, is_ephemeral, created_at, last_activity, options) "
            "VALUES ('kept', 1, 0, 0, 0, '{}')"
        )
    before.close()
    connection = opening.connect(path)
    assert version_of(connection) == NEWEST
    assert layout(connection) == layout(opening.connect(None))
    if number:
        assert connection.execute("SELECT session_id FROM sessions").fetchall() == [("kept",)]
    assert migrate(connection) == 0
    connection.close()


def test_what_nobody_timed_is_null_and_in_no_mean_any_more(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    before = at_version(path, 5)
    columns = (
        "id, inference_id, at, provider_id, model_id, outcome, prompt_tokens, completion_tokens, source, cost, "
        "attempts, cached, total_ms, first_token_ms, job_id"
    )
    same = "0, 'openai', 'm', 'done', 10, 5, 'reported', 7, 1, 0"
    for ids, times in (("3, 'chat'", "900, 100, NULL"), ("5, 'item'", "0, NULL, 'j'"), ("9, 'quick'", "0, 0, 'k'")):
        before.execute(f"INSERT INTO usage ({columns}) VALUES ({ids}, {same}, {times})")
    sums = "SELECT requests, prompt_tokens, completion_tokens, cost, first_token_ms, first_tokens, total_ms, answers"
    assert before.execute(f"{sums} FROM usage_quarters").fetchall() == [(3, 30, 15, 21, 100, 2, 900, 3)]
    before.close()
    connection = opening.connect(path)
    rows = "SELECT id, inference_id, total_ms FROM usage ORDER BY id"
    assert connection.execute(rows).fetchall() == [(3, "chat", 900), (5, "item", None), (9, "quick", 0)]
    for table in ("usage_quarters", "usage_sessions"):
        assert connection.execute(f"{sums} FROM {table}").fetchall() == [(3, 30, 15, 21, 100, 2, 900, 2)]
    connection.close()


def test_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = at_version(str(path), NEWEST)
    connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SidecarError) as refused:
        opening.connect(str(path))
    assert refused.value.code == "STORAGE_NEWER"
    assert refused.value.details == {"version": NEWEST + 1, "newest": NEWEST}
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["db"]


def test_a_step_that_fails_leaves_the_version_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "db")
    before = layout(at_version(path, NEWEST))
    broken = Migration(NEWEST + 1, "broken", "CREATE TABLE half (id INTEGER); CREATE TABLE sessions (id INTEGER);")
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, broken))
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection)
    assert version_of(connection) == NEWEST
    assert layout(connection) == before
