"""An event loop whose clock jumps: tests of timeouts, pacing and retries that take no time and never flake.

Law: `run_virtual(coroutine)` runs it to its end like `asyncio.run`. Whenever nothing is ready, the clock jumps to the
next timer; nothing sleeps. The order of events is that of the real loop, and the same in every run.

- `asyncio.get_running_loop().time()` begins at 0.0, in seconds. Everything of asyncio that waits (`sleep`, `timeout`,
  `wait_for`, `call_later`) keeps that clock. `time.monotonic()` and `time.time()` are real: code under test must ask
  the loop for the time.
- A timer never runs early. Instants are rounded up to whole nanoseconds: compare with `pytest.approx`. Timers of one
  instant run in an order that is always the same, but need not be that of their making.
- It is an `asyncio.SelectorEventLoop`, so sockets, servers and pipes on this machine work. While any is open, each
  jump first gives them 5 ms of real time to become ready; a peer that answers later than that sees the clock jump.
- Threads of `run_in_executor`, `asyncio.to_thread` and name resolution are waited for: meanwhile the clock stands.
  Other threads and child processes are not seen.

What would hang a test raises `VirtualTimeError` (an `AssertionError` that names the pending tasks) instead:

- the clock would pass `limit` (3,600 s unless said otherwise);
- nothing is scheduled and nothing can ever wake up;
- the loop turned 250,000 times and the clock stood still: something spins;
- a thread did not come back within 20 real seconds.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_TICKS: Final = 1e9
"""The clock moves in nanoseconds: who slept until an instant finds it reached, not short of it by a rounding error."""
_SOCKET_GRACE_S: Final = 0.005
_THREAD_PATIENCE_S: Final = 20.0
_MAX_TURNS: Final = 250_000


class VirtualTimeError(AssertionError):
    """The test would hang, or run longer than it may."""


def run_virtual(main: Coroutine[Any, Any, T], *, limit: float = 3600.0) -> T:
    """Run `main` in a `VirtualTimeLoop` and return its result; tasks that are left are cancelled, as by `asyncio.run`.

    Raises `VirtualTimeError` where the test would hang or pass `limit`, in seconds of virtual time.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(limit)) as runner:
        return runner.run(main)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop of `run_virtual`, for a test that needs it by itself."""

    def __init__(self, limit: float = 3600.0) -> None:
        self._virtual_now = 0.0
        self._limit = limit
        self._threads = 0
        self._turns = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._virtual_now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return super().call_at(_next_tick(when), callback, *args, context=context)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._threads -= 1

    def _thread_done(self, _: object) -> None:
        self._threads -= 1

    def _wait(self, selector: _JumpingSelector, timeout: float | None) -> list[Any]:
        """Stand in for the selector's `select`: `timeout` is in virtual seconds, None without any timer."""
        self._turns += 1
        if self._turns > _MAX_TURNS:
            self._turns = 0
            raise self._error(f"the loop turned {_MAX_TURNS} times while the clock stood at {self._virtual_now} s")
        events = selector.select_now(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._threads:
            events = selector.select_now(_THREAD_PATIENCE_S)
            if not events:
                raise self._error(f"a thread did not come back within {_THREAD_PATIENCE_S} real seconds")
        elif selector.has_sockets:
            events = selector.select_now(_SOCKET_GRACE_S)
        if not events:
            self._jump(timeout)
        return events

    def _jump(self, timeout: float | None) -> None:
        if timeout is None:
            raise self._error(f"nothing can ever wake up after {self._virtual_now} s")
        target = round((self._virtual_now + timeout) * _TICKS) / _TICKS
        if target > self._limit:
            raise self._error(f"the clock would pass {self._limit} s")
        self._virtual_now = target
        self._turns = 0

    def _error(self, reason: str) -> VirtualTimeError:
        tasks = "".join(sorted(f"\n  {task!r}" for task in asyncio.all_tasks(self)))
        return VirtualTimeError(f"Virtual time: {reason}. Pending tasks:{tasks or ' none'}")


def _next_tick(when: float) -> float:
    """The first whole nanosecond that is not before `when`."""
    if not math.isfinite(when):
        return when
    tick = math.ceil(when * _TICKS)
    return tick / _TICKS if tick / _TICKS >= when else (tick + 1) / _TICKS


class _JumpingSelector(selectors.DefaultSelector):
    """The real selector, which asks the loop what to do where it would sleep."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        return self._loop._wait(self, timeout)

    def select_now(self, real_timeout: float) -> list[Any]:
        return super().select(real_timeout)

    @property
    def has_sockets(self) -> bool:
        """Whether anything is registered besides the loop's own wake-up pipe."""
        return len(self.get_map()) > 1
