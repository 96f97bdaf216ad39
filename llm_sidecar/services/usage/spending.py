"""What was spent, by quarters of an hour, in memory.

Law: the sum of a period is remembered and carried on, so that asking for it costs nothing until another period is asked
for. Bounded by number, not by the clock, which may be wrong.
"""

from __future__ import annotations

from typing import Final

from llm_sidecar.storage.budgets import EVERYTHING, Spent

_MOST_QUARTERS: Final = 20_000
"""Of one profile: more than half a year in which something is spent in every one. Then the older half goes."""


class _Account:
    """The spending of one profile, or of everything."""

    def __init__(self) -> None:
        self.quarters: dict[int, int] = {}
        self.sums: dict[tuple[int, int], int] = {}

    def add(self, quarter: int, cost: int) -> None:
        self.quarters[quarter] = self.quarters.get(quarter, 0) + cost
        for start, end in self.sums:
            if start <= quarter < end:
                self.sums[start, end] += cost
        if len(self.quarters) > _MOST_QUARTERS:
            newest = sorted(self.quarters)[_MOST_QUARTERS // 2 :]
            self.quarters = {kept: self.quarters[kept] for kept in newest}

    def between(self, start: int, end: int) -> int:
        if (start, end) not in self.sums:
            if len(self.sums) >= 2:  # a day and a month
                self.sums.clear()
            self.sums[start, end] = sum(cost for quarter, cost in self.quarters.items() if start <= quarter < end)
        return self.sums[start, end]


class Spending:
    """Nano-dollars."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def add(self, spent: Spent) -> None:
        """Count it, for its profile and for everything."""
        if spent.cost:
            for profile_id in {EVERYTHING, spent.profile_id}:
                self._account(profile_id).add(spent.quarter, spent.cost)

    def between(self, profile_id: str, start: int, end: int) -> int:
        """What a profile (or `EVERYTHING`) spent from the quarter `start` (included) to `end` (excluded)."""
        return self._account(profile_id).between(start, end)

    def _account(self, profile_id: str) -> _Account:
        return self._accounts.setdefault(profile_id, _Account())
