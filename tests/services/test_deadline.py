"""The timer of the inference service: starting, pushing back, pausing, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.services.inference.deadline import Deadline
from tests.services.host import now
from tests.virtual_time import run_virtual


def timed(scenario: Callable[[Deadline], Awaitable[None]], until: float = 100.0) -> list[float]:
    """Run a scenario with a deadline; returns when it expired."""
    expired: list[float] = []

    async def main() -> None:
        await scenario(Deadline(lambda: expired.append(now())))
        await asyncio.sleep(until - now())

    run_virtual(main())
    return expired


def test_it_expires_once_after_its_time() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(3)

    assert timed(scenario) == pytest.approx([3])


def test_pushed_back_it_counts_from_then() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(3)
        for _ in range(5):
            await asyncio.sleep(2)
            deadline.push_back()

    assert timed(scenario) == pytest.approx([13])


def test_pushing_back_arms_no_timer_of_the_loop() -> None:
    async def scenario(deadline: Deadline) -> None:
        loop = asyncio.get_running_loop()
        deadline.start(3)
        armed = len(loop._scheduled)  # type: ignore[attr-defined]
        for _ in range(1_000):
            deadline.push_back()
        assert len(loop._scheduled) == armed  # type: ignore[attr-defined]

    assert len(timed(scenario)) == 1


def test_stopped_it_never_expires() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(3)
        await asyncio.sleep(2)
        deadline.stop()

    assert timed(scenario) == []


def test_started_anew_it_forgets_the_time_before() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(3)
        await asyncio.sleep(2)
        deadline.start(5)

    assert timed(scenario) == pytest.approx([7])


def test_after_it_expired_it_can_be_started_again() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(3)
        await asyncio.sleep(4)
        deadline.start(3)

    assert timed(scenario) == pytest.approx([3, 7])


def test_no_time_passes_while_it_is_paused() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(3)
        await asyncio.sleep(2)
        deadline.pause()
        assert deadline.remaining == pytest.approx(1)
        await asyncio.sleep(50)
        assert deadline.remaining == pytest.approx(1)
        deadline.resume()

    assert timed(scenario) == pytest.approx([53])


def test_pausing_twice_is_pausing_once() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(3)
        deadline.pause()
        await asyncio.sleep(10)
        deadline.pause()
        await asyncio.sleep(10)
        deadline.resume()
        deadline.resume()

    assert timed(scenario) == pytest.approx([23])


@pytest.mark.parametrize("state", ["not started", "stopped", "expired", "stopped while paused"])
def test_resuming_revives_nothing(state: str) -> None:
    async def scenario(deadline: Deadline) -> None:
        if state != "not started":
            deadline.start(1)
        if state == "stopped while paused":
            deadline.pause()
        if state.startswith("stopped"):
            deadline.stop()
        if state == "expired":
            await asyncio.sleep(2)
        deadline.pause()
        await asyncio.sleep(5)
        deadline.resume()

    assert timed(scenario) == (pytest.approx([1]) if state == "expired" else [])


def test_started_while_paused_it_runs() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(1)
        deadline.pause()
        deadline.start(3)

    assert timed(scenario) == pytest.approx([3])


@pytest.mark.parametrize("state", ["not started", "stopped", "expired"])
def test_nothing_remains_of_what_does_not_run(state: str) -> None:
    async def scenario(deadline: Deadline) -> None:
        if state != "not started":
            deadline.start(5)
        if state == "stopped":
            deadline.stop()
        await asyncio.sleep(7 if state == "expired" else 1)
        assert deadline.remaining == 0

    timed(scenario)


def test_what_remains_is_told_in_seconds() -> None:
    async def scenario(deadline: Deadline) -> None:
        deadline.start(5)
        await asyncio.sleep(2)
        assert deadline.remaining == pytest.approx(3)
        deadline.push_back()
        assert deadline.remaining == pytest.approx(5)

    timed(scenario)


STEPS = st.lists(
    st.tuples(st.floats(0, 4), st.sampled_from(["start", "push_back", "pause", "resume", "stop", "wait"])), max_size=12
)


@given(STEPS)
def test_it_agrees_with_a_simple_model(steps: list[tuple[float, str]]) -> None:
    """The model counts down what is left, unless paused; it knows no loop and no timers."""
    expected: list[float] = []

    async def scenario(deadline: Deadline) -> None:
        left: float | None = None
        paused = False
        for wait, action in steps:
            before = now()
            await asyncio.sleep(wait)
            if left is not None and not paused:
                left -= now() - before
                if abs(left) < 1e-6:
                    return  # a tie: either order is right
                if left < 0:
                    expected.append(now() + left)
                    left = None
            if action == "start":
                left, paused = 3.0, False
            elif action == "push_back" and left is not None and not paused:
                left = 3.0
            elif action == "stop":
                left, paused = None, False
            elif action in ("pause", "resume") and left is not None:
                paused = action == "pause"
            if action == "start":
                deadline.start(3)
            elif action != "wait" and not (action == "push_back" and (left is None or paused)):
                getattr(deadline, action)()
        if left is not None and not paused:
            expected.append(now() + left)

    found = timed(scenario)
    assert found[: len(expected)] == pytest.approx(expected, abs=1e-6)
