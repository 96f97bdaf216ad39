"""Batches: what is asked, where it was handed over to, and what came of it.

Law: an item and the row of what it used are written together, once for each name: results that are read again change
nothing. A batch is read and written a page at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from llm_sidecar.messages.job import BatchItem
from llm_sidecar.messages.usage import UsageRow
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.usage import insert_usage

_INSERT: Final = "INSERT OR IGNORE INTO batch_items (job, custom_id, item) VALUES (?, ?, ?)"
_IS_ASKED: Final = "SELECT 1 FROM batch_requests WHERE job = ? AND custom_id = ?"
_UNANSWERED: Final = (
    "FROM batch_requests AS asked WHERE job = ? AND id > ? AND NOT EXISTS (SELECT 1 FROM batch_items AS item "
    "WHERE item.job = asked.job AND item.custom_id = asked.custom_id) ORDER BY id LIMIT ?"
)


class StoredBatch(NamedTuple):
    """How far a batch has come. `token`: it is being handed over, under this name; `batch_id`: it was, and the provider
    calls it so. `items` is how many there are here."""

    total: int
    items: int
    token: str | None
    batch_id: str | None


class StoredRequest(NamedTuple):
    """One of its requests; `number` orders them."""

    number: int
    custom_id: str
    request: bytes


class BatchTable:
    """Every method raises what `Database` does. `row` is a job's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, row: int) -> StoredBatch:
        sql = "SELECT total, items, token, batch_id FROM batches WHERE job = ?"
        found = await self._database.read(lambda connection: connection.execute(sql, (row,)).fetchone())
        return StoredBatch(*found)

    async def sending(self, row: int, token: str, *, costs_money: bool) -> None:
        """It is about to be handed over."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE batches SET token = ? WHERE job = ?", (token, row))
            connection.execute("UPDATE jobs SET costs_money = ? WHERE id = ?", (costs_money, row))

        await self._database.write(work)

    async def not_sent(self, row: int) -> None:
        """The provider did not take it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE batches SET token = NULL WHERE job = ?", (row,))
            connection.execute("UPDATE jobs SET costs_money = 0 WHERE id = ?", (row,))

        await self._database.write(work)

    async def sent(self, row: int, batch_id: str) -> None:
        """The provider has it, and calls it so."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE batches SET batch_id = ? WHERE job = ?", (batch_id, row))
            connection.execute("UPDATE jobs SET costs_money = 0 WHERE id = ?", (row,))

        await self._database.write(work)

    async def requests(self, row: int, after: int, limit: int) -> list[StoredRequest]:
        """Up to `limit` of them after the number `after` (0: from the first), in their order, without those that have
        an item already."""
        sql = f"SELECT id, custom_id, request {_UNANSWERED}"
        rows = await self._database.read(lambda connection: connection.execute(sql, (row, after, limit)).fetchall())
        return [StoredRequest(*found) for found in rows]

    async def missing(self, row: int, after: int, limit: int) -> list[tuple[int, str]]:
        """Numbers and names of the requests nothing came of, as `requests`."""
        sql = f"SELECT id, custom_id {_UNANSWERED}"
        return await self._database.read(lambda connection: connection.execute(sql, (row, after, limit)).fetchall())

    async def add(self, row: int, items: Sequence[tuple[BatchItem, UsageRow | None]]) -> tuple[int, list[UsageRow]]:
        """Store what came, with what it used. Names that have an item, or were not asked, are passed over. Returns how
        many items there are now, and the rows of usage that are new."""

        def work(connection: sqlite3.Connection) -> tuple[int, list[UsageRow]]:
            added, used = 0, []
            for item, usage in items:
                if not connection.execute(_IS_ASKED, (row, item.custom_id)).fetchone():
                    continue
                if connection.execute(_INSERT, (row, item.custom_id, msgspec.json.encode(item))).rowcount > 0:
                    added += 1
                    if usage is not None:
                        insert_usage(connection, usage)
                        used.append(usage)
            sql = "UPDATE batches SET items = items + ? WHERE job = ? RETURNING items"
            (count,) = connection.execute(sql, (added, row)).fetchone()
            return count, used

        return await self._database.write(work)

    async def page(self, row: int, after: int, limit: int, most_bytes: int) -> list[tuple[int, BatchItem]]:
        """Up to `limit` items after the number `after`, in the order they came, each with its number; not many more
        bytes than `most_bytes`."""
        sql = "SELECT id, item FROM batch_items WHERE job = ? AND id > ? ORDER BY id LIMIT ?"

        def work(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
            found: list[tuple[int, bytes]] = []
            room = most_bytes
            for number, item in connection.execute(sql, (row, after, limit)):
                found.append((number, item))
                room -= len(item)
                if room < 0 and len(found) > 1:
                    break
            return found

        rows = await self._database.read(work)
        return [(number, msgspec.json.decode(item, type=BatchItem)) for number, item in rows]
