"""Budgets: once they are spent, what costs money is refused and nothing else; no clock and no disk loses spending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.usage import Budget, SetBudgetParams
from llm_sidecar.providers.base import Endpoint, Provider
from llm_sidecar.services.routing import Route
from llm_sidecar.services.usage.budgets import Budgets
from llm_sidecar.services.usage.periods import period_around
from llm_sidecar.services.usage.service import UsageService
from llm_sidecar.storage.budgets import BudgetRows
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.usage import UsageRows
from tests.services.host import Refused, settle
from tests.services.recorded_usage import RecordedHost, complete
from tests.services.recorded_usage import play as play_host
from tests.storage.test_usage_rows import row

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_795_824_000_000
"""2026-11-28 00:00 UTC, a Saturday."""


def route(provider_id: str = "openai", profile_id: str | None = None) -> Route:
    return Route(cast(Provider, None), Endpoint(provider_id, "https://x.test", None), "m", profile_id)


class Desk:
    """Budgets and usage on a clock that the test sets."""

    def __init__(self, database: Database, now: int = NOW) -> None:
        self.database = database
        self.now = now
        self.profiles = {"p", "q"}
        self.budgets = Budgets(BudgetRows(database), lambda name: name in self.profiles, clock=lambda: self.now)
        self.usage = UsageService(UsageRows(database), self.budgets, lambda: None, lambda: self.now)  # type: ignore[arg-type,return-value]

    async def limit(self, dollars: float | None, period: Any = "month", **more: Any) -> list[Budget]:
        return (await self.budgets.set(SetBudgetParams(period=period, limit=dollars, **more))).budgets

    async def spend(self, dollars: float | None, profile_id: str | None = None) -> None:
        await self.usage.add(row(at=self.now, cost=dollars, profile_id=profile_id))

    async def spent(self, period: str = "month", profile_id: str | None = None) -> float:
        budgets = (await self.budgets.get()).budgets
        return next(item.spent for item in budgets if (item.period, item.profile_id) == (period, profile_id))

    def refuses(self, *routes: Route) -> bool:
        try:
            self.budgets.check(list(routes or (route(),)))
        except SidecarError as error:
            return error.code == "BUDGET_EXCEEDED"
        return False

    def fail_writes(self, fails: bool) -> None:
        self.database.read_now(lambda connection: connection.execute(f"PRAGMA query_only = {'ON' if fails else 'OFF'}"))


def play(
    scenario: Callable[[Desk], Awaitable[None]], folder: Path | None = None, *, loads: bool = True, now: int = NOW
) -> None:
    async def main() -> None:
        database = Database.open(None if folder is None else str(folder))
        desk = Desk(database, now)
        if loads:
            desk.budgets.load_now()
        try:
            await scenario(desk)
        finally:
            await database.aclose()

    asyncio.run(asyncio.wait_for(main(), 10))


# --- what is refused ---


def test_a_spent_budget_refuses_what_costs_money_and_nothing_else() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(10)
        await desk.spend(9.999999999)
        assert not desk.refuses()
        await desk.spend(0.000000001)
        assert desk.refuses(route("openai"))
        assert desk.refuses(route("openai-compatible"))
        for free in ("demo", "ollama", "llama.cpp", "lmstudio"):
            assert not desk.refuses(route(free))

    play(scenario)


def test_the_refusal_says_which_budget_and_when_it_begins_anew() -> None:
    async def scenario(desk: Desk) -> None:
        desk.now = NOW + 5 * HOUR
        await desk.limit(1, "day", profile_id="p", utc_offset_minutes=60)
        await desk.spend(2.5, "p")
        with pytest.raises(SidecarError) as caught:
            desk.budgets.check([route("openai", "p")])
        assert caught.value.code == "BUDGET_EXCEEDED"
        assert not caught.value.retryable
        resets_at = NOW + 23 * HOUR
        assert caught.value.details == {
            "period": "day", "profileId": "p", "limit": 1.0, "spent": 2.5, "resetsAt": resets_at,
        }  # fmt: skip

    play(scenario)


def test_of_two_spent_budgets_the_refusal_names_the_one_that_lasts_longer() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(1, "day")
        await desk.limit(1, "month")
        await desk.spend(2)
        with pytest.raises(SidecarError) as caught:
            desk.budgets.check([route()])
        assert (caught.value.details or {})["period"] == "month"

    play(scenario)


def test_a_budget_of_nothing_lets_nothing_paid_through() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(0)
        assert desk.refuses()

    play(scenario)


def test_a_profiles_budget_is_its_own_and_the_common_one_is_everybodys() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(1, profile_id="p")
        await desk.limit(5)
        await desk.spend(2, "p")
        assert desk.refuses(route(profile_id="p"))
        assert not desk.refuses(route(profile_id="q"), route())
        await desk.spend(3, "q")
        assert desk.refuses(route(profile_id="q"))
        assert desk.refuses(route())

    play(scenario)


def test_a_paid_fallback_is_left_out_while_its_budget_is_spent() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(1)
        await desk.spend(1)
        routes = [route("ollama"), route("openai"), route("llama.cpp"), route("anthropic")]
        desk.budgets.check(routes)
        assert [item.endpoint.provider_id for item in routes] == ["ollama", "llama.cpp"]
        assert desk.refuses(route("openai"), route("ollama"))

    play(scenario)


def test_what_has_no_price_does_not_count() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(1)
        await desk.spend(None)
        assert await desk.spent() == 0.0

    play(scenario)


# --- setting ---


def test_budgets_are_set_changed_and_removed_and_survive_a_restart(tmp_path: Path) -> None:
    async def first(desk: Desk) -> None:
        assert (await desk.budgets.get()).budgets == []
        await desk.limit(3, "day", profile_id="p")
        await desk.limit(7)
        await desk.limit(4, "day", profile_id="p", utc_offset_minutes=-120)
        await desk.spend(1, "p")

    async def second(desk: Desk) -> None:
        total, own = (await desk.budgets.get()).budgets
        assert (total.profile_id, total.limit, total.spent, total.remaining) == (None, 7.0, 1.0, 6.0)
        assert (own.profile_id, own.period, own.limit, own.utc_offset_minutes) == ("p", "day", 4.0, -120)
        desk.profiles.clear()
        assert [item.profile_id for item in await desk.limit(None, "day", profile_id="p")] == [None]
        assert [item.limit for item in await desk.limit(None, "day")] == [7.0]

    async def third(desk: Desk) -> None:
        assert await desk.limit(None) == []
        assert not desk.refuses()

    for scenario in (first, second, third):
        play(scenario, tmp_path)


def test_a_budget_of_an_unknown_profile_is_refused() -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(SidecarError) as caught:
            await desk.limit(1, profile_id="nobody")
        assert caught.value.code == "PROFILE_NOT_FOUND"
        assert (await desk.budgets.get()).budgets == []

    play(scenario)


def test_a_new_budget_counts_what_was_spent_before_it() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.spend(4, "p")
        (budget,) = await desk.limit(5)
        assert (budget.spent, budget.remaining) == (4.0, 1.0)

    play(scenario)


def test_a_budget_that_cannot_be_stored_leaves_the_old_one() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(5)
        desk.fail_writes(True)
        for dollars in (9, None):
            with pytest.raises(SidecarError) as caught:
                await desk.limit(dollars)
            assert caught.value.code == "STORAGE_WRITE_ERROR"
        (budget,) = (await desk.budgets.get()).budgets
        assert budget.limit == 5.0

    play(scenario)


def test_a_change_whose_request_is_cancelled_is_made_whole() -> None:
    async def scenario(desk: Desk) -> None:
        change = asyncio.ensure_future(desk.limit(5))
        for _ in range(3):
            await asyncio.sleep(0)
        change.cancel()
        await asyncio.gather(change, return_exceptions=True)
        in_memory: list[Budget] = []
        while not in_memory:
            stored = await desk.database.read(lambda connection: connection.execute("SELECT * FROM budgets").fetchall())
            in_memory = (await desk.budgets.get()).budgets
        assert len(stored) == len(in_memory) == 1

    play(scenario)


# --- what is counted ---


def test_what_could_not_be_stored_is_counted_as_long_as_the_process_lives() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(5)
        desk.fail_writes(True)
        with pytest.raises(SidecarError):
            await desk.spend(6)
        assert desk.refuses()
        assert await desk.spent() == 6.0

    play(scenario)


def test_it_is_counted_before_it_is_stored() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.limit(5)
        storing = asyncio.ensure_future(desk.spend(6))
        await asyncio.sleep(0)
        assert desk.refuses()
        await storing

    play(scenario)


def test_a_database_that_opens_late_is_counted_once(tmp_path: Path) -> None:
    """Rows from before, stored meanwhile, lost meanwhile, and being stored while it is read."""

    async def before(desk: Desk) -> None:
        await desk.limit(100)
        await desk.spend(1)

    async def late(desk: Desk) -> None:
        desk.fail_writes(True)
        with pytest.raises(SidecarError):
            await desk.spend(10)
        assert not desk.refuses()
        desk.fail_writes(False)
        stored_by_then = asyncio.ensure_future(desk.spend(20))
        await asyncio.sleep(0)
        asked = asyncio.ensure_future(desk.spent())
        await asyncio.sleep(0)
        meanwhile = asyncio.ensure_future(desk.spend(40))
        await asyncio.gather(stored_by_then, asked, meanwhile)
        assert await desk.spent() == 71.0
        await desk.spend(29)
        assert desk.refuses()

    play(before, tmp_path)
    play(late, tmp_path, loads=False)


def test_without_a_database_paid_inferences_go_on_and_asking_says_why(tmp_path: Path) -> None:
    (tmp_path / "llm-sidecar.sqlite3").write_bytes(b"not a database, but long enough to look like a file" * 10)

    async def scenario(desk: Desk) -> None:
        assert not desk.refuses()
        for call in (desk.budgets.get(), desk.limit(1)):
            with pytest.raises(SidecarError) as caught:
                await call
            assert caught.value.code == "STORAGE_CORRUPT"

    play(scenario, tmp_path)


# --- time ---


def test_a_new_period_begins_with_nothing_spent() -> None:
    async def scenario(desk: Desk) -> None:
        desk.now = NOW + 3 * DAY - 1  # the last millisecond of November
        await desk.limit(1)
        await desk.spend(1)
        assert desk.refuses()
        desk.now += 1
        assert not desk.refuses()
        assert await desk.spent() == 0.0

    play(scenario)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_jumps_loses_no_spending(restarts: bool, tmp_path: Path) -> None:
    async def spend(desk: Desk) -> None:
        await desk.limit(5)
        await desk.spend(5)
        desk.now = NOW + 400 * DAY
        assert not desk.refuses()
        await desk.spend(1)
        if not restarts:
            await jump_back(desk)

    async def jump_back(desk: Desk) -> None:
        assert await desk.spent() == 1.0
        desk.now = NOW
        assert desk.refuses()
        assert await desk.spent() == 5.0

    play(spend, tmp_path)
    if restarts:
        play(jump_back, tmp_path, now=NOW + 400 * DAY)


@given(
    at=st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)),
    offset=st.integers(-56, 56).map(lambda quarters: quarters * 15),
)
def test_days_and_months_are_those_of_the_calendar(at: datetime, offset: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    there = at.replace(tzinfo=UTC).astimezone(zone)
    instant = round(there.timestamp() * 1000)
    there = datetime.fromtimestamp(instant / 1000, zone)
    midnight = there.replace(hour=0, minute=0, second=0, microsecond=0)
    assert period_around(instant, "day", offset) == (
        midnight.timestamp() * 1000, (midnight + timedelta(days=1)).timestamp() * 1000,
    )  # fmt: skip
    first = midnight.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    assert period_around(instant, "month", offset) == (first.timestamp() * 1000, following.timestamp() * 1000)


def test_a_clock_beyond_all_calendars_is_no_fault() -> None:
    for period in ("day", "month"):
        start, end = period_around(2**53, cast(Any, period), 840)
        assert start < end


# --- everything at once ---

steps = st.lists(
    st.one_of(
        st.tuples(st.just("spend"), st.sampled_from([None, "p", "q"]), st.integers(0, 3 * 10**9)),
        st.tuples(st.just("clock"), st.integers(-40 * DAY, 40 * DAY), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
        st.tuples(st.just("offset"), st.sampled_from([0, 60, -765]), st.none()),
    ),
    max_size=12,
)


@given(steps)
@settings(max_examples=60)
def test_the_sum_in_memory_is_that_of_the_rows(plan: list[Any]) -> None:
    """A model in Python: which rows end in the present period of a budget."""
    spent: list[tuple[int, str | None, int]] = []

    async def scenario(desk: Desk) -> None:
        offset = 0
        await desk.limit(1_000)
        await desk.limit(1_000, "day", profile_id="p")
        for kind, what, amount in plan:
            if kind == "spend":
                await desk.spend(amount / 10**9, what)
                spent.append((desk.now, what, amount))
            elif kind == "clock":
                desk.now += what
            elif kind == "offset":
                offset = what
                await desk.limit(1_000, utc_offset_minutes=what)
                await desk.limit(1_000, "day", profile_id="p", utc_offset_minutes=what)
            else:
                fresh = Desk(desk.database, desk.now)
                fresh.budgets.load_now()
                desk = fresh
            for period, profile_id in (("month", None), ("day", "p")):
                start, end = period_around(desk.now, cast(Any, period), offset)
                owned = [a for at, whose, a in spent if start <= at < end and profile_id in {None, whose}]
                assert await desk.spent(period, profile_id) == sum(owned) / 10**9

    play(scenario)


# --- with a host ---


def test_a_host_is_refused_once_its_budget_is_spent_and_what_runs_goes_on() -> None:
    async def scenario(host: RecordedHost) -> None:
        await host.result_of("llm:budget:set", period="month", limit=8)
        running, call = await host.begin()
        await host.answered()
        await host.answered()
        with pytest.raises(Refused) as caught:
            await host.infer()
        assert caught.value.code == "BUDGET_EXCEEDED"
        assert caught.value.data["retryable"] is False
        assert caught.value.data["details"]["spent"] == 10.0
        complete(call)
        assert (await host.ended(running))["method"] == "llm:done"
        for method, params in (
            ("llm:generate-text", {"providerId": "demo", "prompt": "hi"}),
            ("llm:chat:completions", {"request": {"model": "m", "messages": [{"role": "user", "content": "x"}]}}),
        ):
            with pytest.raises(Refused) as caught:
                await host.result_of(method, **({"service": "demo", **params} if "request" in params else params))
            assert caught.value.code == "BUDGET_EXCEEDED"
        assert host.service.slots.active == 0
        await host.result_of("llm:budget:set", period="month", limit=None)
        await host.answered()

    play_host(scenario)


def test_an_answer_from_the_cache_is_given_though_the_budget_is_spent() -> None:
    async def scenario(host: RecordedHost) -> None:
        await host.answered(cache=True)
        await host.result_of("llm:budget:set", period="day", limit=0)
        again = await host.infer(cache=True)
        assert (await host.ended(again))["cached"] is True
        with pytest.raises(Refused):
            await host.infer()
        await settle()

    play_host(scenario)
