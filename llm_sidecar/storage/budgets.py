"""The budgets, and what was spent: that is in the sums of usage, whose quarters of an hour every period is made of."""

from __future__ import annotations

import sqlite3
from typing import Final, Literal, NamedTuple

from llm_sidecar.storage.database import Database
from llm_sidecar.storage.schema_usage import QUARTER_MS

EVERYTHING: Final = ""
"""As a profile id: whatever the profile is."""
_DAY: Final = 24 * 4
"""Quarters of an hour."""
_DAYS: Final = 62
"""A month, and another one for a clock that is set back."""
_EARLIEST_DAY: Final = f"""
WITH RECURSIVE days (day) AS (
    SELECT max(quarter) / {_DAY} FROM usage_quarters
    UNION ALL
    SELECT (SELECT max(quarter) / {_DAY} FROM usage_quarters WHERE quarter < day * {_DAY}) FROM days
    WHERE day IS NOT NULL LIMIT {_DAYS}
) SELECT min(day) FROM days"""
"""The 62nd day, from the last one back, on which there is anything: looked up day by day, without reading the rest."""
_SAVE: Final = (
    "INSERT INTO budgets VALUES (?, ?, ?, ?) ON CONFLICT (profile_id, period) "
    "DO UPDATE SET max_cost = excluded.max_cost, utc_offset_minutes = excluded.utc_offset_minutes"
)
_SPENT: Final = (
    "SELECT quarter, profile_id, sum(cost) FROM usage_quarters WHERE quarter >= ? GROUP BY 1, 2 HAVING sum(cost) > 0"
)

Period = Literal["day", "month"]


class StoredBudget(NamedTuple):
    """At most `max_cost` nano-dollars in each `period`, which begins at midnight of a clock that is
    `utc_offset_minutes` ahead of UTC."""

    profile_id: str
    period: Period
    max_cost: int
    utc_offset_minutes: int


class Spent(NamedTuple):
    """What the inferences of a profile (`EVERYTHING`: of none) cost in a quarter of an hour, nano-dollars."""

    quarter: int
    profile_id: str
    cost: int


class BudgetRows:
    """The table `budgets`. Everything raises as the database does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, budget: StoredBudget) -> None:
        """Set it, in the place of the one of the same profile and period."""
        await self._database.write(lambda connection: connection.execute(_SAVE, budget) and None)

    async def remove(self, profile_id: str, period: Period) -> None:
        """Without it, nothing happens."""
        sql = "DELETE FROM budgets WHERE profile_id = ? AND period = ?"
        await self._database.write(lambda connection: connection.execute(sql, (profile_id, period)) and None)

    async def load(self, now_ms: int) -> tuple[list[StoredBudget], list[Spent]]:
        """All budgets, and what was spent in the two months before now and on the last 62 days of use, whichever is
        more: the clock may be wrong now, and may have been wrong then."""
        return await self._database.read(lambda connection: _load(connection, now_ms))

    def load_now(self, now_ms: int) -> tuple[list[StoredBudget], list[Spent]]:
        """As `load`, at the start."""
        return self._database.read_now(lambda connection: _load(connection, now_ms))


def _load(connection: sqlite3.Connection, now_ms: int) -> tuple[list[StoredBudget], list[Spent]]:
    earliest_day = connection.execute(_EARLIEST_DAY).fetchone()[0] or 0
    oldest = min(now_ms // QUARTER_MS - _DAYS * _DAY, earliest_day * _DAY)
    budgets = connection.execute("SELECT * FROM budgets ORDER BY profile_id, period")
    spent = connection.execute(_SPENT, (oldest,))
    return [StoredBudget._make(row) for row in budgets], [Spent._make(row) for row in spent]
