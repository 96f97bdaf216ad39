"""Slots: as many as the limit, first come first served, given back exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.services.inference.slots import Slot, Slots


def with_slots(scenario: Callable[[Slots], None], running: int = 2, queued: int = 3) -> None:
    limits = Limits(max_concurrent_inferences=running, max_queued_inferences=queued)

    async def main() -> None:
        scenario(Slots(lambda: limits))

    asyncio.run(main())


def test_slots_are_granted_at_once_up_to_the_limit_and_then_waited_for() -> None:
    def scenario(slots: Slots) -> None:
        taken = [slots.take(may_wait=True) for _ in range(4)]
        assert [slot.is_waiting for slot in taken] == [False, False, True, True]
        assert (slots.active, slots.waiting) == (2, 2)

    with_slots(scenario)


def test_a_slot_given_back_goes_to_who_waited_longest() -> None:
    def scenario(slots: Slots) -> None:
        taken = [slots.take(may_wait=True) for _ in range(5)]
        taken[1].release()
        assert [slot.is_waiting for slot in taken[2:]] == [False, True, True]
        taken[0].release()
        assert [slot.is_waiting for slot in taken[2:]] == [False, False, True]
        assert (slots.active, slots.waiting) == (2, 1)

    with_slots(scenario)


@pytest.mark.parametrize("waiting", [False, True])
def test_a_slot_can_be_given_back_only_once(waiting: bool) -> None:
    def scenario(slots: Slots) -> None:
        taken = [slots.take(may_wait=True) for _ in range(3)]
        slot = taken[2 if waiting else 0]
        for _ in range(3):
            slot.release()
        assert (slots.active, slots.waiting) == (2, 0)

    with_slots(scenario)


def test_who_stops_waiting_is_not_served_later() -> None:
    def scenario(slots: Slots) -> None:
        first, quitter, patient = (slots.take(may_wait=True) for _ in range(3))
        quitter.release()
        first.release()
        assert not patient.is_waiting
        assert quitter.granted.cancelled()
        assert (slots.active, slots.waiting) == (1, 0)

    with_slots(scenario, running=1)


def test_a_wait_that_was_cancelled_from_outside_is_given_up_like_any_other() -> None:
    def scenario(slots: Slots) -> None:
        first, cancelled, patient = (slots.take(may_wait=True) for _ in range(3))
        cancelled.granted.cancel()  # what cancelling the task that awaits it does
        cancelled.release()
        assert (slots.active, slots.waiting) == (1, 1)
        first.release()
        assert not patient.is_waiting
        assert (slots.active, slots.waiting) == (1, 0)

    with_slots(scenario, running=1)


def test_nobody_overtakes_who_waits() -> None:
    def scenario(slots: Slots) -> None:
        limits.append(Limits(max_concurrent_inferences=1))
        slots.take(may_wait=True)
        slots.take(may_wait=True)
        limits.append(Limits(max_concurrent_inferences=5))
        with pytest.raises(SidecarError) as refused:
            slots.take(may_wait=False)
        assert refused.value.code == "RATE_LIMIT"

    limits: list[Limits] = []

    async def main() -> None:
        scenario(Slots(lambda: limits[-1]))

    asyncio.run(main())


@pytest.mark.parametrize(("may_wait", "code", "limit"), [(False, "RATE_LIMIT", 2), (True, "OVERLOADED", 3)])
def test_a_refusal_names_its_limit_and_changes_nothing(may_wait: bool, code: str, limit: int) -> None:
    def scenario(slots: Slots) -> None:
        for _ in range(5):
            slots.take(may_wait=True)
        with pytest.raises(SidecarError) as refused:
            slots.take(may_wait=may_wait)
        error = refused.value
        assert (error.code, error.retryable) == (code, True)
        assert error.retry_after_ms
        assert error.details == {"scope": "sidecar", "limit": limit}
        assert (slots.active, slots.waiting) == (2, 3)

    with_slots(scenario)


def test_without_a_queue_nobody_waits() -> None:
    def scenario(slots: Slots) -> None:
        slots.take(may_wait=True)
        with pytest.raises(SidecarError) as refused:
            slots.take(may_wait=True)
        assert refused.value.code == "OVERLOADED"

    with_slots(scenario, running=1, queued=0)


@given(st.lists(st.tuples(st.sampled_from(["take", "wait", "release"]), st.integers(0, 30)), max_size=60))
def test_whatever_happens_the_figures_agree_with_a_simple_model(steps: list[tuple[str, int]]) -> None:
    def scenario(slots: Slots) -> None:
        running: list[Slot] = []
        waiting: list[Slot] = []
        gone: list[Slot] = []
        for action, which in steps:
            if action == "release":
                everyone = running + waiting + gone
                if everyone:
                    slot = everyone[which % len(everyone)]
                    slot.release()
                    for place in (running, waiting):
                        if slot in place:
                            place.remove(slot)
                            gone.append(slot)
                    while waiting and len(running) < 2:
                        running.append(waiting.pop(0))
            elif len(running) < 2:
                running.append(slots.take(may_wait=action == "wait"))
            elif action == "wait" and len(waiting) < 3:
                waiting.append(slots.take(may_wait=True))
            else:
                with pytest.raises(SidecarError):
                    slots.take(may_wait=action == "wait")
            assert (slots.active, slots.waiting) == (len(running), len(waiting))
            assert [slot.is_waiting for slot in running + waiting] == [False] * len(running) + [True] * len(waiting)

    with_slots(scenario)
