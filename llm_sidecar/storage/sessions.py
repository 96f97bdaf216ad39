"""Sessions: one row each.

Law: a session is found by its host's id, and meant by its row's, which is never used again. The list is ordered by
`activity`, a number that every use of a session raises above all others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.session import SessionConfig, SessionInfo
from llm_sidecar.messages.shape import Shape
from llm_sidecar.storage.clock import now_ms
from llm_sidecar.storage.database import Database

_NEXT_ACTIVITY: Final = "(SELECT coalesce(max(activity), 0) + 1 FROM sessions)"
_LAST: Final = 2**63 - 1
_COLUMNS: Final = (
    "id, session_id, activity, window_id, is_ephemeral, created_at, last_activity, message_count, total_tokens, "
    "total_cost, provider_id, profile_id, model_id, answered_by_provider, answered_by_model, options, metadata"
)


class Options(Shape, kw_only=True):
    """What a session says besides the columns of its row."""

    temperature: float | None = None
    max_tokens: int | None = None
    idle_timeout_ms: int
    context_policy: str


class StoredSession(NamedTuple):
    """A session's row. `info` is as the host sees it, but for what only the running process knows."""

    id: int
    activity: int
    info: SessionInfo
    config: SessionConfig


class SessionTable:
    """Every method raises what `Database` does; used from the event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, config: SessionConfig, session_id: str) -> StoredSession:
        """A new one. Raises `SESSION_EXISTS`."""

        def work(connection: sqlite3.Connection) -> StoredSession:
            insert(connection, session_id, config)
            return find(connection, session_id)

        return await self._database.write(work)

    async def get(self, session_id: str) -> StoredSession:
        """Raises `SESSION_NOT_FOUND`."""
        return await self._database.read(lambda connection: find(connection, session_id))

    async def destroy(self, session_id: str) -> bool:
        """Whether there was one. All that was said in it goes with it."""
        sql = "DELETE FROM sessions WHERE session_id = ?"
        return await self._database.write(lambda connection: connection.execute(sql, (session_id,)).rowcount > 0)

    async def destroy_ephemeral(self, window_id: str) -> int:
        """How many ephemeral sessions the window had."""
        sql = "DELETE FROM sessions WHERE is_ephemeral AND window_id = ?"
        return await self._database.write(lambda connection: connection.execute(sql, (window_id,)).rowcount)

    def destroy_all_ephemeral_now(self) -> int:
        """How many there were, of whatever window. For the start: everything waits."""
        return self._database.write_now(_destroy_all_ephemeral)

    def destroy_all_ephemeral_soon(self) -> None:
        """As that, without waiting."""
        self._database.post(_destroy_all_ephemeral, "that ephemeral sessions are destroyed")

    async def page(
        self, before: int | None, limit: int, takes: Callable[[StoredSession], bool]
    ) -> tuple[list[StoredSession], bool]:
        """At most `limit` sessions from the latest activity on, or from the one before `before` on, as long as `takes`
        says so; and whether more follow. They come without their system prompts."""
        sql = f"SELECT {_COLUMNS}, NULL FROM sessions WHERE activity < ? ORDER BY activity DESC LIMIT ?"

        def work(connection: sqlite3.Connection) -> tuple[list[StoredSession], bool]:
            page: list[StoredSession] = []
            for row in connection.execute(sql, (_LAST if before is None else before, limit + 1)):
                session = _stored(row)
                if len(page) == limit or not takes(session):
                    return page, True
                page.append(session)
            return page, False

        return await self._database.read(work)

    def counts(self) -> tuple[int, int]:
        """How many there are, and how many of them are ephemeral. For the start: everything waits."""
        sql = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM sessions WHERE is_ephemeral)"  # by indexes
        return self._database.read_now(lambda connection: tuple(connection.execute(sql).fetchone()))


def find(connection: sqlite3.Connection, session_id: str) -> StoredSession:
    """Raises `SESSION_NOT_FOUND`."""
    sql = f"SELECT {_COLUMNS}, system_prompt FROM sessions WHERE session_id = ?"
    row = connection.execute(sql, (session_id,)).fetchone()
    if row is None:
        raise SidecarError("SESSION_NOT_FOUND", "There is no session of this id.")
    return _stored(row)


def insert(connection: sqlite3.Connection, session_id: str, config: SessionConfig) -> int:
    """The id of the new row. Raises `SESSION_EXISTS`."""
    if connection.execute("SELECT 1 FROM sessions WHERE session_id = ?", (session_id,)).fetchone() is not None:
        raise SidecarError("SESSION_EXISTS", "There is a session of this id already.")
    now = now_ms()
    options = Options(
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        idle_timeout_ms=config.idle_timeout_ms,
        context_policy=config.context_policy,
    )
    done = connection.execute(
        "INSERT INTO sessions (session_id, activity, window_id, is_ephemeral, created_at, last_activity, provider_id, "
        f"profile_id, model_id, options, metadata, system_prompt) VALUES (?, {_NEXT_ACTIVITY}, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?)",
        (
            session_id,
            config.window_id,
            config.ephemeral,
            now,
            now,
            config.provider_id,
            config.profile_id,
            config.model_id,
            msgspec.json.encode(options),
            None if config.metadata is None else msgspec.json.encode(config.metadata),
            config.system_prompt,
        ),
    )
    assert done.lastrowid is not None
    return done.lastrowid


def _destroy_all_ephemeral(connection: sqlite3.Connection) -> int:
    return connection.execute("DELETE FROM sessions WHERE is_ephemeral").rowcount


def touch(connection: sqlite3.Connection, session: int, window_id: str | None = None) -> None:
    """It is in use now, in `window_id` where that is given. Raises `SESSION_NOT_FOUND`."""
    done = connection.execute(
        f"UPDATE sessions SET activity = {_NEXT_ACTIVITY}, last_activity = ?, window_id = coalesce(?, window_id) "
        "WHERE id = ?",
        (now_ms(), window_id, session),
    )
    if done.rowcount == 0:
        raise SidecarError("SESSION_NOT_FOUND", "The session was destroyed.")


def _stored(row: tuple[Any, ...]) -> StoredSession:
    options = msgspec.json.decode(row[15], type=Options)
    metadata = None if row[16] is None else msgspec.json.decode(row[16])
    config = SessionConfig(
        session_id=row[1],
        provider_id=row[10],
        profile_id=row[11],
        model_id=row[12],
        system_prompt=row[17],
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        metadata=metadata,
        idle_timeout_ms=options.idle_timeout_ms,
        window_id=row[3],
        ephemeral=bool(row[4]),
        context_policy="truncate" if options.context_policy == "truncate" else "error",
    )
    info = SessionInfo(
        session_id=row[1],
        provider_id=row[10] or row[13],
        model_id=row[12] or (row[14] if row[10] in (None, row[13]) else None),
        profile_id=row[11],
        created_at=row[5],
        last_activity=row[6],
        is_active=False,
        message_count=row[7],
        total_tokens=row[8],
        total_cost=row[9],
        metadata=metadata,
        system_prompt=row[17],
        window_id=row[3],
        ephemeral=bool(row[4]),
    )
    return StoredSession(row[0], row[2], info, config)
