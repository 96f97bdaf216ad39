"""Budgets: what inferences may cost in a day or a month, all of them or those of one profile.

Law:
1.  Only what can cost money is refused, and only before it begins: what runs goes on, so that several at once may
    exceed a budget by what they cost. Prices that are not known are not counted.
2.  What was spent is kept in memory, and counted before its row is on the disk; what could not be stored counts as
    long as the process lives.
3.  Spending belongs to the quarter of an hour in which it ended. When the clock jumps, what was spent in the period
    that it jumps to counts: nothing is lost, and nothing is carried over.
4.  Where the database cannot be read, there are no budgets: inferences go on, as everything else does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.usage import Budget, BudgetList, SetBudgetParams
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.prices import may_cost
from llm_sidecar.services.routing import Route
from llm_sidecar.services.usage.periods import period_around
from llm_sidecar.services.usage.spending import Spending
from llm_sidecar.storage.budgets import EVERYTHING, BudgetRows, Spent, StoredBudget
from llm_sidecar.storage.clock import now_ms
from llm_sidecar.storage.schema_usage import QUARTER_MS
from llm_sidecar.storage.usage import NANO, nano_dollars


class Budgets:
    """Used from the event loop only. `has_profile` says whether there is a profile of an id; `clock` gives epoch
    milliseconds; `costs_money`, whether an endpoint can."""

    def __init__(
        self,
        rows: BudgetRows,
        has_profile: Callable[[str], bool],
        *,
        costs_money: Callable[[Endpoint], bool] = may_cost,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._rows = rows
        self._has_profile = has_profile
        self._costs_money = costs_money
        self._clock = clock
        self._budgets: dict[tuple[str, str], StoredBudget] = {}
        self._spending = Spending()
        self._waiting: list[Spent] = []
        """Spent, and not (yet) in the database, which has not been read yet."""
        self._is_loaded = False
        self._loading = asyncio.Lock()
        self._changes: set[asyncio.Task[Any]] = set()

    def load_now(self) -> None:
        """At the start. What cannot be read is read later."""
        try:
            self._take(*self._rows.load_now(self._clock()))
        except SidecarError as error:
            log.warning("no budgets", code=error.code)

    # --- spending ---

    def add(self, profile_id: str | None, at: int, cost: float | None) -> Spent:
        """An inference that ended `at` cost so much (US dollars). It counts from now on; tell `stored` when its row
        is."""
        spent = Spent(at // QUARTER_MS, profile_id or EVERYTHING, nano_dollars(cost or 0.0))
        if self._is_loaded:
            self._spending.add(spent)
        elif spent.cost:
            self._waiting.append(spent)
        return spent

    async def stored(self, spent: Spent) -> None:
        """Its row is in the database. Raises what that does, if it has not been read yet."""
        if not self._is_loaded:
            if spent in self._waiting:
                self._waiting.remove(spent)
            await self._load()

    def check(self, routes: list[Route]) -> None:
        """Raises `BUDGET_EXCEEDED` if the first of `routes` costs money that nobody may spend. A fallback of which that
        is true is taken out of the list: it is not asked, whatever becomes of those before."""
        now = self._clock()
        for route in list(routes):
            if not self._costs_money(route.endpoint):
                continue
            exceeded = self._exceeded(route.profile_id, now)
            if exceeded is None:
                continue
            if route is routes[0]:
                raise _refusal(exceeded)
            log.info("fallback left out", provider=route.endpoint.provider_id, code="BUDGET_EXCEEDED")
            routes.remove(route)

    # --- setting and getting ---

    async def set(self, params: SetBudgetParams) -> BudgetList:
        """Set or remove one; returns all. Raises `PROFILE_NOT_FOUND`, or what the database does; the old one stands
        then."""
        if params.limit is not None and params.profile_id is not None and not self._has_profile(params.profile_id):
            raise SidecarError("PROFILE_NOT_FOUND", "There is no profile of this id.")
        await self._load()
        change = asyncio.ensure_future(self._set(params))  # to its end, also where nobody waits for it any more
        self._changes.add(change)
        change.add_done_callback(self._changes.discard)
        await asyncio.shield(change)
        return self._list()

    async def get(self) -> BudgetList:
        """All of them. Raises what the database does, if it could not be read so far."""
        await self._load()
        return self._list()

    async def _set(self, params: SetBudgetParams) -> None:
        profile_id = params.profile_id or EVERYTHING
        if params.limit is None:
            await self._rows.remove(profile_id, params.period)
            self._budgets.pop((profile_id, params.period), None)
            return
        budget = StoredBudget(profile_id, params.period, round(params.limit * NANO), params.utc_offset_minutes)
        await self._rows.save(budget)
        self._budgets[profile_id, params.period] = budget

    def _list(self) -> BudgetList:
        now = self._clock()
        budgets = [self._state(budget, now) for _, budget in sorted(self._budgets.items())]
        return BudgetList(budgets=budgets)

    # --- inside ---

    async def _load(self) -> None:
        """Read the database, where that has not succeeded so far. Rows that are written by then are told as `stored`
        before it answers, so that `_waiting` is what it does not tell."""
        async with self._loading:
            if not self._is_loaded:
                self._take(*await self._rows.load(self._clock()))

    def _take(self, budgets: list[StoredBudget], stored: list[Spent]) -> None:
        self._budgets = {(budget.profile_id, budget.period): budget for budget in budgets}
        for spent in (*stored, *self._waiting):
            self._spending.add(spent)
        self._waiting.clear()
        self._is_loaded = True

    def _exceeded(self, profile_id: str | None, now: int) -> Budget | None:
        """The budget that is spent, if there is one; of several, the one that is the longest to wait for."""
        ids = (EVERYTHING, profile_id or EVERYTHING)
        states = [self._state(budget, now) for budget in self._budgets.values() if budget.profile_id in ids]
        spent = [state for state in states if state.remaining <= 0]
        return max(spent, key=lambda state: state.resets_at, default=None)

    def _state(self, budget: StoredBudget, now: int) -> Budget:
        start, end = period_around(now, budget.period, budget.utc_offset_minutes)
        spent = self._spending.between(budget.profile_id, start // QUARTER_MS, end // QUARTER_MS)
        return Budget(
            period=budget.period,
            profile_id=budget.profile_id or None,
            limit=budget.max_cost / NANO,
            spent=spent / NANO,
            remaining=max(budget.max_cost - spent, 0) / NANO,
            resets_at=end,
            utc_offset_minutes=budget.utc_offset_minutes,
        )


def _refusal(budget: Budget) -> SidecarError:
    whose = "this profile" if budget.profile_id else "all inferences"
    return SidecarError(
        "BUDGET_EXCEEDED",
        f"The budget of {whose} for this {budget.period} is spent. Raise it with llm:budget:set, or use a free model.",
        details={
            "period": budget.period,
            "profileId": budget.profile_id,
            "limit": budget.limit,
            "spent": budget.spent,
            "resetsAt": budget.resets_at,
        },
    )
