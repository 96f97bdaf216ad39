"""Whether the host is still alive, for when the pipe does not tell: a sibling may hold its other end.

Law: the process that counts is the one the host declared, if it could ever be seen from here (a container may hide it);
else the one that started us. Its end is noticed within a quarter of a second. A process that was never visible is never
missed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Final

_POLL_SECONDS: Final = 0.25


class ParentWatch:
    """Calls `on_death` once, from the event loop, when the watched process has ended."""

    def __init__(self, on_death: Callable[[], None]) -> None:
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._parent = os.getppid()
        self._is_alive: Callable[[], bool] = self._parent_is_alive
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(_POLL_SECONDS, self._poll)
        self._descriptor: int | None = None

    def watch(self, process_id: int) -> bool:
        """Watch the declared host instead of the parent. Returns False, and changes nothing, if it cannot be seen."""
        is_alive = _open_watch(process_id)
        if is_alive is None:
            return False
        if isinstance(is_alive, int):
            self.close()
            self._descriptor = is_alive
            self._loop.add_reader(is_alive, self._died)
        else:
            self._is_alive = is_alive
        return True

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _parent_is_alive(self) -> bool:
        return os.getppid() == self._parent

    def _poll(self) -> None:
        self._timer = self._loop.call_later(_POLL_SECONDS, self._poll)
        if not self._is_alive():
            self._died()

    def _died(self) -> None:
        self.close()
        self._on_death()


def _open_watch(process_id: int) -> int | Callable[[], bool] | None:
    """A descriptor that becomes readable at the process's end (Linux: a zombie counts as ended), a function that tells
    whether it lives (elsewhere), or None if the process cannot be seen."""
    if sys.platform == "win32":
        return _open_windows_watch(process_id)
    if hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(process_id)
        except ProcessLookupError:
            return None
        except OSError:  # an old kernel or a sandbox
            pass

    def is_alive() -> bool:
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    return is_alive if is_alive() else None


def _open_windows_watch(process_id: int) -> Callable[[], bool] | None:
    import ctypes

    synchronize, timed_out = 0x00100000, 0x00000102
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(synchronize, False, process_id)
    return (lambda: kernel.WaitForSingleObject(handle, 0) == timed_out) if handle else None
