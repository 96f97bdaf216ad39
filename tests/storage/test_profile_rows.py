"""Rows of profiles: one active at most, and no key that belongs to two, or to nobody without being listed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.storage.database import Database
from llm_sidecar.storage.profiles import KeyName, ProfileRow, ProfileTable

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def row(profile_id: str, key_id: str | None = None, **changes: Any) -> ProfileRow:
    plain = ProfileRow(
        profile_id=profile_id,
        name="Work",
        provider_type="openai",
        endpoint_url="https://api.openai.com/v1",
        key_id=key_id,
        model_id=None,
        is_active=False,
        consent_timestamp=None,
        allow_insecure=False,
        created_at=1,
        modified_at=1,
    )
    return plain._replace(**changes)


def play(run: Run, scenario: Callable[[ProfileTable], Awaitable[None]], folder: Path | None = None) -> None:
    async def main() -> None:
        database = Database.open(None if folder is None else str(folder))
        try:
            await scenario(ProfileTable(database))
        finally:
            await database.aclose()

    run(main())


def test_a_profile_comes_back_as_it_was_stored_in_the_order_they_were_made(run: Run, tmp_path: Path) -> None:
    rows = [row("b", "k1", model_id="m", allow_insecure=True, is_active=True), row("a", name="Heim ☃")]

    async def store(table: ProfileTable) -> None:
        for stored in rows:
            await table.insert(stored)

    async def look(table: ProfileTable) -> None:
        assert table.load_now() == rows

    play(run, store, tmp_path)
    play(run, look, tmp_path)


def test_activating_one_deactivates_the_other_in_one_step(run: Run) -> None:
    async def scenario(table: ProfileTable) -> None:
        await table.insert(row("a", is_active=True))
        await table.insert(row("b"))
        await table.activate("b")
        assert [(r.profile_id, r.is_active) for r in table.load_now()] == [("a", False), ("b", True)]

    play(run, scenario)


def test_the_database_itself_refuses_two_active_profiles(run: Run) -> None:
    async def scenario(table: ProfileTable) -> None:
        await table.insert(row("a", is_active=True))
        with pytest.raises(sqlite3.IntegrityError):
            await table.insert(row("b", is_active=True))
        assert [r.profile_id for r in table.load_now()] == ["a"]

    play(run, scenario)


def test_a_key_is_loose_until_a_profile_has_it(run: Run) -> None:
    async def scenario(table: ProfileTable) -> None:
        await table.expect_key(KeyName("a", "k1"))
        assert await table.loose_keys() == [KeyName("a", "k1")]
        await table.insert(row("a", "k1"))
        assert await table.loose_keys() == []

    play(run, scenario)


def test_a_key_that_was_replaced_or_dropped_or_whose_profile_went_is_loose(run: Run) -> None:
    async def scenario(table: ProfileTable) -> None:
        await table.insert(row("a", "k1"))
        await table.update(row("a", "k1", name="Home"))
        assert await table.loose_keys() == []
        await table.update(row("a", "k2"))
        assert await table.loose_keys() == [KeyName("a", "k1")]
        await table.update(row("a", None))
        await table.insert(row("b", "k3"))
        await table.delete("b", None)
        loose = await table.loose_keys()
        assert sorted(loose) == [KeyName("a", "k1"), KeyName("a", "k2"), KeyName("b", "k3")]
        await table.forget_keys(loose)
        assert await table.loose_keys() == []

    play(run, scenario)


def test_deleting_the_active_one_activates_its_heir_in_the_same_step(run: Run) -> None:
    async def scenario(table: ProfileTable) -> None:
        await table.insert(row("a", is_active=True))
        await table.insert(row("b"))
        await table.delete("a", "b")
        assert [(r.profile_id, r.is_active) for r in table.load_now()] == [("b", True)]

    play(run, scenario)


def test_the_vaults_generation_is_stored_with_the_change_it_goes_with(run: Run) -> None:
    async def scenario(table: ProfileTable) -> None:
        assert table.generation_now() is None
        await table.insert(row("a"), 5)
        assert table.generation_now() == 5
        await table.update(row("a", name="Home"), None)
        assert table.generation_now() == 5
        await table.forget_keys([], 7)
        assert table.generation_now() == 7
        await table.set_generation(0)
        assert table.generation_now() == 0

    play(run, scenario)


def test_a_change_that_fails_leaves_nothing_of_itself(run: Run) -> None:
    async def scenario(table: ProfileTable) -> None:
        await table.insert(row("a", "k1"))
        with pytest.raises(sqlite3.IntegrityError):
            await table.insert(row("a", "k2"), 9)
        assert table.generation_now() is None
        assert table.load_now() == [row("a", "k1")]

    play(run, scenario)


def test_changes_made_at_once_are_all_there(run: Run, tmp_path: Path) -> None:
    async def scenario(table: ProfileTable) -> None:
        await asyncio.gather(*(table.insert(row(f"p{n}")) for n in range(50)))
        assert len(table.load_now()) == 50

    play(run, scenario, tmp_path)
