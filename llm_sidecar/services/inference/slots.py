"""How many inferences run at once, and who waits.

Law: first come, first served; nobody overtakes who waits. A slot is given back exactly once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits


class Slot:
    """The right to run, now or (while `is_waiting`) soon."""

    __slots__ = ("_slots", "granted")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_waiting(self) -> bool:
        return not self.granted.done()

    def release(self) -> None:
        """Give it back, or stop waiting for it. Works once."""
        slots, self._slots = self._slots, _NO_SLOTS
        slots.take_back(self)


class Slots:
    """The slots of one sidecar."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self.active = 0
        self._waiting: deque[Slot] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self, *, may_wait: bool) -> Slot:
        """A slot, or a place in the queue. Raises `RATE_LIMIT`, or `OVERLOADED` if the queue is full."""
        limits = self._limits()
        slot = Slot(self)
        if self.active < limits.max_concurrent_inferences and not self._waiting:
            self.active += 1
            slot.granted.set_result(None)
            return slot
        if not may_wait:
            raise SidecarError(
                "RATE_LIMIT",
                f"{limits.max_concurrent_inferences} inferences are running already.",
                retry_after_ms=1_000,
                details={"scope": "sidecar", "limit": limits.max_concurrent_inferences},
            )
        if len(self._waiting) >= limits.max_queued_inferences:
            raise SidecarError(
                "OVERLOADED",
                f"{limits.max_queued_inferences} inferences are waiting already.",
                retry_after_ms=1_000,
                details={"scope": "sidecar", "limit": limits.max_queued_inferences},
            )
        self._waiting.append(slot)
        return slot

    def none_needed(self) -> Slot:
        """A slot for what asks no provider: granted, and not counted."""
        slot = Slot(_NO_SLOTS)
        slot.granted.set_result(None)
        return slot

    def take_back(self, slot: Slot) -> None:
        """Use `Slot.release`."""
        if slot in self._waiting:
            self._waiting.remove(slot)
            slot.granted.cancel()
            return
        self.active -= 1
        for waiting in list(self._waiting):
            if self.active >= self._limits().max_concurrent_inferences:
                break
            if waiting.is_waiting:  # not one that was cancelled and is about to be given back
                self._waiting.remove(waiting)
                self.active += 1
                waiting.granted.set_result(None)


class _NoSlots(Slots):
    """Where a slot belongs that was given back."""

    def __init__(self) -> None:
        pass

    def take_back(self, slot: Slot) -> None:
        pass


_NO_SLOTS = _NoSlots()
