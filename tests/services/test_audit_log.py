"""The audit log: it never fails its caller, never holds a secret, and is not flooded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_sidecar import redaction
from llm_sidecar.limits import Limits
from llm_sidecar.messages.usage import AuditAction, AuditEntry, AuditListParams
from llm_sidecar.services.audit import ALLOWED_DETAILS, Audit
from llm_sidecar.storage.audit import AuditRows
from llm_sidecar.storage.database import Database

HOUR = 3_600_000
SECRET = "sk-canary-Abcdef0123456789"


class Desk:
    """An audit log on a clock that the test sets."""

    def __init__(self, folder: Path | None, limits: Limits) -> None:
        self.now = 1_000_000_000_000
        self.database = Database.open(None if folder is None else str(folder))
        self.audit = Audit(AuditRows(self.database), lambda: limits, lambda: self.now)

    async def entries(self, **params: Any) -> list[AuditEntry]:
        """All pages."""
        found: list[AuditEntry] = []
        page = await self.audit.entries(AuditListParams(**params))
        found += page.entries
        while page.next_cursor is not None:
            page = await self.audit.entries(AuditListParams(**{**params, "cursor": page.next_cursor}))
            found += page.entries
        return found


def play(scenario: Callable[[Desk], Awaitable[None]], folder: Path | None = None, **limits: int) -> None:
    async def main() -> None:
        desk = Desk(folder, Limits(**limits))
        try:
            await scenario(desk)
        finally:
            await desk.database.aclose()

    asyncio.run(asyncio.wait_for(main(), 10))


@pytest.fixture
def secret() -> Any:
    """A live secret, for the time of a test."""
    before = redaction._hidden.texts, redaction._hidden.in_json, redaction._hidden.anywhere_in_json
    redaction.hide(SECRET)
    yield SECRET
    redaction._hidden.texts, redaction._hidden.in_json, redaction._hidden.anywhere_in_json = before


def test_events_are_told_newest_first_with_their_facts() -> None:
    async def scenario(desk: Desk) -> None:
        desk.audit.record("profile.created", "p", name="Work", origin="https://api.openai.com", encrypted=True)
        desk.now += 5
        desk.audit.record("vault.rotated", generation=7)
        second, first = await desk.entries()
        assert (first.at, first.action, first.profile_id) == (desk.now - 5, "profile.created", "p")
        assert first.details == {"name": "Work", "origin": "https://api.openai.com", "encrypted": True}
        assert (second.action, second.profile_id, second.details) == ("vault.rotated", None, {"generation": 7})

    play(scenario)


def test_every_action_can_be_noted_and_asked_for() -> None:
    async def scenario(desk: Desk) -> None:
        actions = get_args(AuditAction)
        for action in actions:
            desk.audit.record(action)
        for action in actions:
            assert [entry.action for entry in await desk.entries(action=action)] == [action]

    play(scenario)


def test_half_a_character_is_replaced() -> None:
    async def scenario(desk: Desk) -> None:
        desk.audit.record("profile.changed", "p", name="x\ud800")
        (entry,) = await desk.entries()
        assert entry.details == {"name": "x?"}

    play(scenario)


def test_names_of_details_are_those_of_the_wire() -> None:
    async def scenario(desk: Desk) -> None:
        desk.audit.record("profile.activated", "p", previous_profile_id="q", model_id="m")
        (entry,) = await desk.entries()
        assert entry.details == {"previousProfileId": "q", "modelId": "m"}

    play(scenario)


def test_pages_do_not_move_while_events_are_added() -> None:
    async def scenario(desk: Desk) -> None:
        for number in range(10):
            desk.audit.record("profile.changed", str(number))
        page = await desk.audit.entries(AuditListParams(limit=4))
        seen = [entry.profile_id for entry in page.entries]
        while page.next_cursor is not None:
            desk.audit.record("profile.changed", "new")
            page = await desk.audit.entries(AuditListParams(limit=4, cursor=page.next_cursor))
            seen += [entry.profile_id for entry in page.entries]
        assert seen == [str(number) for number in reversed(range(10))]

    play(scenario)


def test_a_page_fits_its_message() -> None:
    async def scenario(desk: Desk) -> None:
        for number in range(20):
            desk.audit.record("profile.changed", str(number), name="\x01" * 200)
        page = await desk.audit.entries(AuditListParams(limit=20))
        assert len(page.entries) < 10
        assert len(await desk.entries(limit=20)) == 20

    play(scenario, max_message_bytes=8_192)


def test_the_oldest_go_first() -> None:
    async def scenario(desk: Desk) -> None:
        for number in range(12):
            desk.audit.record("profile.changed", str(number))
        assert [entry.profile_id for entry in await desk.entries()] == ["11", "10", "9"]

    play(scenario, max_audit_entries=3)


# --- what goes on ---


def test_the_use_of_a_key_is_one_entry_an_hour_with_its_count(tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        for _ in range(5):
            desk.audit.record("key.used", "p", origin="https://a.test")
            desk.audit.record("key.used", "q", origin="https://a.test")
        desk.audit.record("key.used", "p", origin="https://elsewhere.test")
        desk.now += HOUR
        desk.audit.record("key.used", "p", origin="https://a.test")
        found = [(e.profile_id, (e.details or {})["origin"][8:], e.repeated) for e in await desk.entries()]
        assert found == [("p", "a.test", 1), ("p", "elsewhere.test", 1), ("q", "a.test", 5), ("p", "a.test", 5)]

    async def after_a_restart(desk: Desk) -> None:
        desk.now += HOUR + HOUR - 1
        desk.audit.record("key.used", "p", origin="https://a.test")
        assert [entry.repeated for entry in await desk.entries()] == [2, 1, 5, 5]

    play(scenario, tmp_path)
    play(after_a_restart, tmp_path)


def test_a_clock_that_is_set_back_begins_another_entry() -> None:
    async def scenario(desk: Desk) -> None:
        desk.audit.record("key.used", "p")
        desk.now -= 1
        desk.audit.record("key.used", "p")
        assert [entry.repeated for entry in await desk.entries()] == [1, 1]

    play(scenario)


def test_a_flood_of_wrong_keys_pushes_nothing_out() -> None:
    async def scenario(desk: Desk) -> None:
        desk.audit.record("profile.deleted", "p")
        for _ in range(5_000):
            desk.audit.record("vault.unlock-failed", source="host", code="VAULT_WRONG_KEY")
        assert [(entry.action, entry.repeated) for entry in await desk.entries()] == [
            ("vault.unlock-failed", 5_000),
            ("profile.deleted", 1),
        ]

    play(scenario, max_audit_entries=10)


@given(st.lists(st.tuples(st.sampled_from("pq"), st.integers(0, HOUR)), max_size=30))
@settings(max_examples=40)
def test_every_use_is_counted_once(uses: list[tuple[str, int]]) -> None:
    async def scenario(desk: Desk) -> None:
        for profile_id, later in uses:
            desk.now += later
            desk.audit.record("key.used", profile_id)
        assert sum(entry.repeated for entry in await desk.entries()) == len(uses)

    play(scenario)


# --- what must not get in ---


def test_no_live_secret_gets_in_whole_or_cut(secret: str, tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        desk.audit.record("profile.changed", "p", name=f"key {secret}", reason="x" * 190 + secret)
        (entry,) = await desk.entries()
        assert (entry.details or {})["name"] == "key ***"
        assert (entry.details or {})["reason"] == "x" * 190 + "***"

    play(scenario, tmp_path)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret[:8].encode() not in stored


@pytest.mark.parametrize(
    "details",
    [
        {"api_key": SECRET},
        {"url": "https://x.test/?key=1"},
        {"name": {"nested": SECRET}},
        {"name": [SECRET]},
        {"name": ValueError(SECRET)},
        {"count": float("nan")},
        {"count": 2**70},
        {"name": None},
    ],
    ids=str,
)
def test_what_is_no_small_fact_of_a_known_name_is_left_out(details: dict[str, Any]) -> None:
    async def scenario(desk: Desk) -> None:
        desk.audit.record("profile.changed", "p", **details)
        (entry,) = await desk.entries()
        assert entry.details is None

    play(scenario)


def test_no_known_name_is_one_of_a_secret() -> None:
    assert not [
        name for name in ALLOWED_DETAILS if any(word in name for word in ("key", "secret", "token", "password"))
    ]


# --- what must not fail ---


def test_an_event_that_cannot_be_stored_fails_nobody_and_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario(desk: Desk) -> None:
        desk.database.read_now(lambda connection: connection.execute("PRAGMA query_only = ON"))
        for _ in range(2):
            desk.audit.record("key.used", "p")
            assert await desk.entries() == []
        desk.database.read_now(lambda connection: connection.execute("PRAGMA query_only = OFF"))
        desk.audit.record("key.used", "p")
        assert [entry.repeated for entry in await desk.entries()] == [3]

    play(scenario)
    assert '"event":"not stored"' in capfd.readouterr().err


def test_without_a_database_and_after_its_end_noting_still_fails_nobody(tmp_path: Path) -> None:
    (tmp_path / "llm-sidecar.sqlite3").write_bytes(b"not a database" * 100)

    async def scenario(desk: Desk) -> None:
        desk.audit.record("profile.changed", "p", name="half a character: \ud800")
        await desk.database.aclose()
        desk.audit.record("profile.changed", "p")

    play(scenario, tmp_path)
