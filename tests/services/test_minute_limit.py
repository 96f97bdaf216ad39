"""So many a minute: refilled evenly, per key, with honest advice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import SidecarError
from llm_sidecar.services.rate_limit import MinuteLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def refused(limit: MinuteLimit, key: str, per_minute: int) -> int:
    """The advice of a refusal, in milliseconds."""
    with pytest.raises(SidecarError) as error:
        limit.spend(key, per_minute)
    assert (error.value.code, error.value.retryable) == ("RATE_LIMIT", True)
    assert error.value.details == {"scope": "sidecar", "limit": per_minute}
    assert error.value.retry_after_ms is not None
    return error.value.retry_after_ms


@pytest.mark.parametrize("per_minute", [0, -1])
def test_without_a_limit_nothing_is_refused(per_minute: int) -> None:
    limit = MinuteLimit(Clock())
    for _ in range(10_000):
        limit.spend("w", per_minute)


@pytest.mark.parametrize("per_minute", [1, 2, 7, 60, 1_000])
def test_a_whole_minutes_worth_may_come_at_once_and_not_one_more(per_minute: int) -> None:
    limit = MinuteLimit(Clock())
    for _ in range(per_minute):
        limit.spend("w", per_minute)
    assert refused(limit, "w", per_minute) == pytest.approx(60_000 / per_minute, abs=1)


def test_the_allowance_refills_evenly() -> None:
    clock = Clock()
    limit = MinuteLimit(clock)
    for _ in range(6):
        limit.spend("w", 6)
    for _ in range(20):
        clock.now += 9.9
        assert refused(limit, "w", 6) <= 101
        clock.now += 0.1
        limit.spend("w", 6)


def test_who_comes_back_after_the_time_told_is_let_in() -> None:
    clock = Clock()
    limit = MinuteLimit(clock)
    for _ in range(7):
        limit.spend("w", 7)
    for _ in range(100):
        clock.now += refused(limit, "w", 7) / 1000
        limit.spend("w", 7)


def test_a_refusal_uses_nothing_up() -> None:
    clock = Clock()
    limit = MinuteLimit(clock)
    limit.spend("w", 1)
    advice = [refused(limit, "w", 1) for _ in range(50)]
    assert set(advice) == {60_000}


def test_rest_longer_than_a_minute_saves_nothing_up() -> None:
    clock = Clock()
    limit = MinuteLimit(clock)
    limit.spend("w", 2)
    clock.now += 10_000
    limit.spend("w", 2)
    limit.spend("w", 2)
    refused(limit, "w", 2)


def test_each_key_has_its_own_bucket() -> None:
    limit = MinuteLimit(Clock())
    limit.spend("a", 1)
    limit.spend("b", 1)
    refused(limit, "a", 1)
    refused(limit, "b", 1)


def test_buckets_that_are_full_again_are_forgotten_and_no_others() -> None:
    clock = Clock()
    limit = MinuteLimit(clock)
    for number in range(5_000):
        limit.spend(f"old-{number}", 1)
    clock.now += 5
    limit.spend("recent", 1)
    clock.now += 55
    limit.spend("new", 1)
    assert len(limit._full_at) <= 2
    refused(limit, "recent", 1)
    refused(limit, "new", 1)


@given(st.integers(1, 20), st.lists(st.floats(0, 30), min_size=1, max_size=80))
def test_in_no_minute_are_more_than_twice_as_many_let_in(per_minute: int, waits: list[float]) -> None:
    """A full bucket and a minute's refill: the most a token bucket allows in any minute."""
    clock = Clock()
    limit = MinuteLimit(clock)
    let_in: list[float] = []
    for wait in waits:
        clock.now += wait
        try:
            limit.spend("w", per_minute)
            let_in.append(clock.now)
        except SidecarError:
            assert len(let_in) >= per_minute
    for start in let_in:
        assert sum(start <= at < start + 60 for at in let_in) <= 2 * per_minute
