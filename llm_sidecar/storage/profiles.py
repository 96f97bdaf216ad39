"""Profiles: one row each, and which keys of the vault are theirs.

Law: every method is one transaction. A key is announced (`expect_key`) before it is written to the vault, and belongs
to its profile with the very transaction that changes the profile; a crash at any point leaves a profile with the key it
had or with the one it gets, and every other key in the list of those to be thrown away.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final, NamedTuple

from llm_sidecar.storage.database import Database

_COLUMNS: Final = (
    "profile_id, name, provider_type, endpoint_url, key_id, model_id, is_active, consent_timestamp, allow_insecure, "
    "created_at, modified_at"
)


class ProfileRow(NamedTuple):
    """A profile as it is stored. `key_id` None: it has no key. Instants are epoch milliseconds."""

    profile_id: str
    name: str
    provider_type: str
    endpoint_url: str
    key_id: str | None
    model_id: str | None
    is_active: bool
    consent_timestamp: int | None
    allow_insecure: bool
    created_at: int
    modified_at: int


class KeyName(NamedTuple):
    """Where a key is kept: of which profile, under which id."""

    profile_id: str
    key_id: str


class ProfileTable:
    """Every method raises what `Database` does; used from the event loop only. `generation` is the vault's after the
    save that goes with a change; None where it was not saved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_now(self) -> list[ProfileRow]:
        """All, in the order they were made. Everything waits."""
        sql = f"SELECT {_COLUMNS} FROM profiles ORDER BY id"
        return self._database.read_now(lambda connection: [_row(found) for found in connection.execute(sql)])

    async def insert(self, row: ProfileRow, generation: int | None = None) -> None:
        """A new one. Its key, if it has one, is no longer loose."""

        def work(connection: sqlite3.Connection) -> None:
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO profiles ({_COLUMNS}) VALUES ({marks})", row)
            _keep_key(connection, row)
            _set_mark(connection, generation)

        await self._database.write(work)

    async def update(self, row: ProfileRow, generation: int | None = None) -> None:
        """Everything but whether it is active. A key that it had, and has no longer, is loose."""

        def work(connection: sqlite3.Connection) -> None:
            _loosen_key(connection, row.profile_id, but=row.key_id)
            connection.execute(
                "UPDATE profiles SET name = ?, provider_type = ?, endpoint_url = ?, key_id = ?, model_id = ?, "
                "consent_timestamp = ?, allow_insecure = ?, modified_at = ? WHERE profile_id = ?",
                (
                    row.name,
                    row.provider_type,
                    row.endpoint_url,
                    row.key_id,
                    row.model_id,
                    row.consent_timestamp,
                    row.allow_insecure,
                    row.modified_at,
                    row.profile_id,
                ),
            )
            _keep_key(connection, row)
            _set_mark(connection, generation)

        await self._database.write(work)

    async def delete(self, profile_id: str, activate: str | None) -> None:
        """Its key is loose. `activate` becomes the active one."""

        def work(connection: sqlite3.Connection) -> None:
            _loosen_key(connection, profile_id, but=None)
            connection.execute("DELETE FROM profiles WHERE profile_id = ?", (profile_id,))
            if activate is not None:
                _activate(connection, activate)

        await self._database.write(work)

    async def activate(self, profile_id: str) -> None:
        """This one and no other."""
        await self._database.write(lambda connection: _activate(connection, profile_id))

    # --- keys ---

    async def expect_key(self, name: KeyName) -> None:
        """A key is about to be written under this name; until a profile has it, it is loose."""
        sql = "INSERT OR IGNORE INTO loose_keys (profile_id, key_id) VALUES (?, ?)"
        await self._database.write(lambda connection: connection.execute(sql, name))

    async def loose_keys(self) -> list[KeyName]:
        """Those that are nobody's."""
        sql = "SELECT profile_id, key_id FROM loose_keys"
        return await self._database.read(lambda connection: [KeyName(*found) for found in connection.execute(sql)])

    async def forget_keys(self, names: list[KeyName], generation: int | None = None) -> None:
        """These are thrown away."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM loose_keys WHERE profile_id = ? AND key_id = ?", names)
            _set_mark(connection, generation)

        await self._database.write(work)

    # --- the vault's generation ---

    def generation_now(self) -> int | None:
        """Of the vault as it was saved last; None where none was. Everything waits."""
        sql = "SELECT generation FROM vault_mark"
        found = self._database.read_now(lambda connection: connection.execute(sql).fetchone())
        return None if found is None else int(found[0])

    async def set_generation(self, generation: int) -> None:
        """No older state of the vault is to be believed from now on."""
        await self._database.write(lambda connection: _set_mark(connection, generation))


def _row(found: tuple[Any, ...]) -> ProfileRow:
    row = ProfileRow(*found)
    return row._replace(is_active=bool(row.is_active), allow_insecure=bool(row.allow_insecure))


def _activate(connection: sqlite3.Connection, profile_id: str) -> None:
    connection.execute("UPDATE profiles SET is_active = 0 WHERE is_active")
    connection.execute("UPDATE profiles SET is_active = 1 WHERE profile_id = ?", (profile_id,))


def _keep_key(connection: sqlite3.Connection, row: ProfileRow) -> None:
    """The row's key is the profile's."""
    connection.execute("DELETE FROM loose_keys WHERE profile_id = ? AND key_id = ?", (row.profile_id, row.key_id))


def _loosen_key(connection: sqlite3.Connection, profile_id: str, *, but: str | None) -> None:
    """The key of the stored row is nobody's, unless it is `but`."""
    connection.execute(
        "INSERT OR IGNORE INTO loose_keys (profile_id, key_id) SELECT profile_id, key_id FROM profiles "
        "WHERE profile_id = ? AND key_id IS NOT NULL AND key_id IS NOT ?",
        (profile_id, but),
    )


def _set_mark(connection: sqlite3.Connection, generation: int | None) -> None:
    if generation is not None:
        connection.execute("INSERT OR REPLACE INTO vault_mark (id, generation) VALUES (1, ?)", (generation,))
