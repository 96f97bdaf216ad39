"""The audit log: the newest security events, in the order they happened.

Law: nothing is changed but the count of an event that goes on; the oldest go when there are too many.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from llm_sidecar.messages.usage import AuditAction, AuditEntry
from llm_sidecar.storage.database import Database

HOUR_MS: Final = 3_600_000

_SELECT: Final = "SELECT id, at, action, profile_id, details, repeated FROM audit"
_INSERT: Final = "INSERT INTO audit (at, action, profile_id, details, repeated) VALUES (?, ?, ?, ?, ?)"
_UPDATE: Final = "UPDATE audit SET repeated = ? WHERE id = ? AND at = ? AND action = ? AND profile_id IS ?"
_GOING_ON: Final = (
    "SELECT id, at, repeated FROM audit WHERE action = ? AND profile_id IS ? AND details IS ? AND at > ? AND at <= ? "
    "ORDER BY id DESC LIMIT 1"
)


class Event:
    """Something that happened, `count` times since `at`. The event loop counts, the database's thread does the rest."""

    __slots__ = ("action", "at", "count", "details", "is_merged", "profile_id", "row")

    def __init__(
        self, action: AuditAction, at: int, profile_id: str | None, details: str | None, *, is_merged: bool
    ) -> None:
        self.action: AuditAction = action
        self.at = at
        self.profile_id = profile_id
        self.details = details
        self.is_merged = is_merged
        """Whether it goes on: one that is stored already and began less than an hour before is the same."""
        self.count = 1
        self.row: tuple[int, int, int] | None = None
        """Its row: the id, when that began, and what it had counted before."""


class AuditRows:
    """The table `audit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def post(self, event: Event, most: int) -> None:
        """Store an event, or how often it happened by now, in the order of posting; keep the newest `most`. A failure
        is logged."""
        self._database.post(lambda connection: _save(connection, event, most), "an event of the audit log")

    async def page(
        self, action: AuditAction | None, start: int | None, end: int | None, below: int, limit: int
    ) -> list[AuditEntry]:
        """Up to `limit` entries with ids below `below`, newest first. Raises as `Database.read`."""
        asked = {"id < ?": below, "action = ?": action, "at >= ?": start, "at < ?": end}
        given = {condition: value for condition, value in asked.items() if value is not None}
        sql = f"{_SELECT} WHERE {' AND '.join(given)} ORDER BY id DESC LIMIT ?"
        values = [*given.values(), limit]
        found = await self._database.read(lambda connection: connection.execute(sql, values).fetchall())
        return [_entry(row) for row in found]


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    row_id, at, action, profile_id, details, repeated = row
    facts = None if details is None else msgspec.json.decode(details)
    return AuditEntry(id=row_id, at=at, action=action, profile_id=profile_id, details=facts, repeated=repeated)


def _save(connection: sqlite3.Connection, event: Event, most: int) -> None:
    if event.is_merged and event.row is None:
        same = (event.action, event.profile_id, event.details, event.at - HOUR_MS, event.at)
        event.row = connection.execute(_GOING_ON, same).fetchone()
    if event.row is not None:
        row_id, at, before = event.row
        values = (before + event.count, row_id, at, event.action, event.profile_id)
        if connection.execute(_UPDATE, values).rowcount:
            return
    added = connection.execute(_INSERT, (event.at, event.action, event.profile_id, event.details, event.count))
    assert added.lastrowid is not None
    event.row = (added.lastrowid, event.at, 0)
    connection.execute("DELETE FROM audit WHERE id <= ?", (added.lastrowid - most,))
