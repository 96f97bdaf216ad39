"""A timer that is cheap to push back: for deadlines moved with every token.

Law: monotonic, on the event loop's clock. Pushing back writes one number; the loop's own timer is re-armed only when it
fires early. While paused (the host does not read, so nothing is asked of the provider) no time passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `on_expiry` once, `seconds` after `start` or the last `push_back`, unless stopped before."""

    __slots__ = ("_due", "_loop", "_on_expiry", "_paused_at", "_seconds", "_timer")

    def __init__(self, on_expiry: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_expiry = on_expiry
        self._seconds = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._paused_at: float | None = None

    def start(self, seconds: float) -> None:
        """Begin to count, or begin anew."""
        self.stop()
        self._seconds = seconds
        self._due = self._loop.time() + seconds
        self._timer = self._loop.call_at(self._due, self._fired)

    def push_back(self) -> None:
        """Count from now again."""
        self._due = self._loop.time() + self._seconds

    def stop(self) -> None:
        """Never expire."""
        self._paused_at = None
        self._due = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause(self) -> None:
        """Let no time pass until `resume`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._paused_at = self._loop.time()

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._paused_at is not None:
            self._due += self._loop.time() - self._paused_at
            self._paused_at = None
            self._timer = self._loop.call_at(self._due, self._fired)

    @property
    def remaining(self) -> float:
        """Seconds left; 0 when over or not started."""
        now = self._paused_at if self._paused_at is not None else self._loop.time()
        return max(0.0, self._due - now)

    def _fired(self) -> None:
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._fired)
        else:
            self._timer = None
            self._on_expiry()
