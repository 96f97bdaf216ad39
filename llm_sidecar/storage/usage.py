"""Rows of usage: one per inference; lists and sums of them.

Law: rows are only added. Lists go from the newest row to the oldest, by id: a clock that jumps changes no order, and
a page begins below the id where the one before ended, so that rows which are added meanwhile move nothing. Sums come
from the tables of sums, and from rows only for the parts of a quarter of an hour at both ends of a range.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final, NamedTuple

from llm_sidecar.messages.usage import GroupBy, UsageRow
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.schema_usage import QUARTER_MS, QUARTERS, SESSIONS, SUMS, as_sums

NANO: Final = 1_000_000_000
MOST_COST: Final = 10_000 * NANO
"""Of one row: more than any inference costs; sums of a million such rows are far from 64 bits."""
MOST_COUNT: Final = 10**12
"""Of tokens and milliseconds in one row, for the same reason."""

_COLUMNS: Final = (
    "inference_id",
    "at",
    "provider_id",
    "model_id",
    "profile_id",
    "session_id",
    "job_id",
    "outcome",
    "code",
    "prompt_tokens",
    "completion_tokens",
    "cached_prompt_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "source",
    "cost",
    "first_token_ms",
    "total_ms",
    "attempts",
    "cached",
)
_COUNTS: Final = {"prompt_tokens", "completion_tokens", "cached_prompt_tokens", "cache_write_tokens",
                  "reasoning_tokens", "first_token_ms", "total_ms"}  # fmt: skip
_INSERT: Final = f"INSERT INTO usage ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_SELECT: Final = f"SELECT id, {', '.join(_COLUMNS)} FROM usage"
_KEYS: Final[dict[GroupBy | None, str]] = {
    None: "NULL",
    "provider": "provider_id",
    "model": "model_id",
    "profile": "profile_id",
    "session": "session_id",
    "day": "(quarter * 15 + :offset + 1440) / 1440 - 1",
}


class Sums(NamedTuple):
    """What a group of inferences comes to; as the tables of sums. `key` '' stands for none; of a day it is its number
    since 1970-01-01."""

    key: str | int | None
    requests: int = 0
    errors: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0
    unpriced: int = 0
    first_token_ms: int = 0
    first_tokens: int = 0
    total_ms: int = 0
    answers: int = 0


class Range(NamedTuple):
    """From `start` (included) to `end` (excluded), epoch milliseconds; None: from or to wherever there is something."""

    start: int | None = None
    end: int | None = None


class Filter(NamedTuple):
    """Which rows. None: all."""

    provider_id: str | None = None
    session_id: str | None = None
    profile_id: str | None = None


class Place(NamedTuple):
    """Where a page begins: below row `below`; `lowest` is the last row that can belong to the list."""

    below: int
    lowest: int = 0


def nano_dollars(cost: float) -> int:
    """US dollars as they are stored."""
    return round(min(cost * NANO, MOST_COST))


class UsageRows:
    """The table `usage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: UsageRow) -> None:
        """Store one. Raises as `Database.write`."""
        await self._database.write(lambda connection: insert_usage(connection, row))

    async def page(self, which: Filter, when: Range, after: Place | None, limit: int) -> list[tuple[Place, UsageRow]]:
        """Up to `limit` rows, newest first, each with the place after it. Raises as `Database.read`."""
        return await self._database.read(lambda connection: _page(connection, which, when, after, limit))

    async def sums(self, group_by: GroupBy | None, when: Range, offset: int, limit: int) -> tuple[list[Sums], Sums]:
        """Up to `limit` groups (the first that is missing is one more: those that cost most, or the newest days first)
        and all of them together. `offset`: minutes from UTC, for days. Raises as `Database.read`."""
        return await self._database.read(lambda connection: _sums(connection, group_by, when, offset, limit))


def insert_usage(connection: sqlite3.Connection, row: UsageRow) -> None:
    """Store one, in a transaction that has begun."""
    connection.execute(_INSERT, [_stored(name, getattr(row, name)) for name in _COLUMNS])


def _stored(name: str, value: Any) -> Any:
    if name == "cost":
        return None if value is None else nano_dollars(value)
    return min(value, MOST_COUNT) if name in _COUNTS and value is not None else value


# --- lists ---


def _page(
    connection: sqlite3.Connection, which: Filter, when: Range, after: Place | None, limit: int
) -> list[tuple[Place, UsageRow]]:
    place = after or _first_place(connection, when)
    if place is None:
        return []
    conditions, values = ["id < ?", "id >= ?"], [place.below, place.lowest, *_bounds(when)]
    conditions += ["+at >= ?"] * (when.start is not None) + ["+at < ?"] * (when.end is not None)
    # What names the fewest rows is looked up by its index, which has the order of ids; `+` keeps the rest from theirs.
    named = {name: getattr(which, name) for name in ("session_id", "profile_id", "provider_id")}
    given = {name: value for name, value in named.items() if value is not None}
    conditions += [f"{'+' if number else ''}{name} = ?" for number, name in enumerate(given)]
    values += given.values()
    sql = f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
    found = connection.execute(sql, [*values, limit]).fetchall()
    return [(Place(row[0], place.lowest), _row(row[1:])) for row in found]


def _first_place(connection: sqlite3.Connection, when: Range) -> Place | None:
    """Between which ids the rows of a range are: without that, a page of an old range would be looked for from the
    newest row on. It reads no more than the index of the range."""
    if when == Range():
        return Place(2**63 - 1)
    sql = f"SELECT min(id), max(id) FROM usage WHERE {_within(when)}"
    lowest, highest = connection.execute(sql, _bounds(when)).fetchone()
    return None if highest is None else Place(highest + 1, lowest)


def _row(stored: tuple[Any, ...]) -> UsageRow:
    values = dict(zip(_COLUMNS, stored, strict=True))
    cost = values["cost"]
    values.update(
        cached=bool(values["cached"]),
        cost=None if cost is None else cost / NANO,
        total_tokens=values["prompt_tokens"] + values["completion_tokens"],
    )
    return UsageRow(**values)


# --- sums ---


def _sums(
    connection: sqlite3.Connection, group_by: GroupBy | None, when: Range, offset: int, limit: int
) -> tuple[list[Sums], Sums]:
    source, values = _source(SESSIONS if group_by == "session" else QUARTERS, when)
    added = ", ".join(f"sum({column})" for column in SUMS)
    order = "1 DESC" if group_by == "day" else "sum(cost) DESC, sum(prompt_tokens + completion_tokens) DESC, 1"
    sql = f"SELECT {_KEYS[group_by]}, {added} FROM ({source}) GROUP BY 1 ORDER BY {order} LIMIT :limit"
    values |= {"offset": offset, "limit": limit + 1}
    groups = [Sums._make(row) for row in connection.execute(sql, values)]
    if len(groups) <= limit:
        return groups, total_of(groups)
    totals = connection.execute(f"SELECT {added} FROM ({source})", values).fetchone()
    return groups, Sums(None, *totals)


def total_of(groups: list[Sums]) -> Sums:
    """All of them together."""
    columns = list(zip(*groups, strict=True))[1:]
    return Sums(None, *(sum(column) for column in columns)) if groups else Sums(None)


def _source(table: tuple[str, ...], when: Range) -> tuple[str, dict[str, Any]]:
    """The sums of a range, and the values of its parameters: whole quarters as they are, and rows at both ends."""
    name, *keys = table
    first = None if when.start is None else -(-when.start // QUARTER_MS)
    end = None if when.end is None else when.end // QUARTER_MS
    values = {"first": first, "end_quarter": end, "start": when.start, "end": when.end}
    rows = f"SELECT {as_sums('usage', *keys)} FROM usage WHERE at >= :{{}} AND at < :{{}}"
    names = ", ".join(["quarter", *keys, *SUMS])
    if first is not None and end is not None and first >= end:
        only = f"SELECT {names} FROM {name} WHERE 0 UNION ALL " + rows.format("start", "end")
        return only, values
    conditions = [f"quarter >= {first}"] * (first is not None) + [f"quarter < {end}"] * (end is not None)
    parts = [f"SELECT {names} FROM {name} WHERE {' AND '.join(conditions) or '1'}"]
    if first is not None:
        values["first_at"] = first * QUARTER_MS
        parts.append(rows.format("start", "first_at"))
    if end is not None:
        values["end_at"] = end * QUARTER_MS
        parts.append(rows.format("end_at", "end"))
    return " UNION ALL ".join(parts), values


def _within(when: Range) -> str:
    return " AND ".join(["at >= ?"] * (when.start is not None) + ["at < ?"] * (when.end is not None)) or "1"


def _bounds(when: Range) -> list[int]:
    return [bound for bound in when if bound is not None]
