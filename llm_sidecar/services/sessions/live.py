"""Which sessions count as live, and against which limits.

Law: the clock is monotonic. A session that was not used for its idle time-out is not live any more, from that moment
on; nothing has to happen for that, and it is lost to nobody. A session that is being answered is live.
"""

from __future__ import annotations

from collections.abc import Callable

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits


class _Live:
    __slots__ = ("idle_seconds", "is_held", "used_at", "window_id")

    def __init__(self, window_id: str | None, idle_seconds: float, used_at: float) -> None:
        self.window_id = window_id
        self.idle_seconds = idle_seconds
        self.used_at = used_at
        self.is_held = False


class LiveSessions:
    """By the ids that hosts know."""

    def __init__(self, clock: Callable[[], float], limits: Callable[[], Limits]) -> None:
        self._clock = clock
        self._limits = limits
        self._live: dict[str, _Live] = {}

    @property
    def count(self) -> int:
        self._forget_idle()
        return len(self._live)

    def is_live(self, session_id: str) -> bool:
        self._forget_idle()
        return session_id in self._live

    def window_of(self, session_id: str) -> str | None:
        """The window it is live in."""
        live = self._live.get(session_id)
        return None if live is None else live.window_id

    def use(self, session_id: str, window_id: str | None, idle_timeout_ms: int) -> None:
        """It is in use now, in this window. Raises `SESSION_LIMIT` where it was not live and cannot become so."""
        self._forget_idle()
        limits = self._limits()
        others = [live for name, live in self._live.items() if name != session_id]
        if session_id not in self._live and len(others) >= limits.max_sessions:
            raise _limit("sidecar", limits.max_sessions)
        known = self._live.get(session_id)
        if window_id is not None and (known is None or known.window_id != window_id):
            in_window = sum(live.window_id == window_id for live in others)
            if in_window >= limits.max_sessions_per_window:
                raise _limit("window", limits.max_sessions_per_window)
        live = _Live(window_id, idle_timeout_ms / 1000, self._clock())
        live.is_held = known is not None and known.is_held
        self._live[session_id] = live

    def hold(self, session_id: str) -> None:
        """It is being answered: it does not idle until `rest`."""
        if session_id in self._live:
            self._live[session_id].is_held = True

    def rest(self, session_id: str) -> None:
        """Its idle time begins."""
        if session_id in self._live:
            self._live[session_id].is_held = False
            self._live[session_id].used_at = self._clock()

    def release(self, session_id: str) -> None:
        """It is not live any more."""
        self._live.pop(session_id, None)

    def release_window(self, window_id: str) -> list[str]:
        """The sessions of a window, which are not live any more."""
        ids = [name for name, live in self._live.items() if live.window_id == window_id]
        for name in ids:
            del self._live[name]
        return ids

    def _forget_idle(self) -> None:
        now = self._clock()
        idle = [n for n, live in self._live.items() if not live.is_held and now - live.used_at >= live.idle_seconds]
        for name in idle:
            del self._live[name]


def _limit(scope: str, limit: int) -> SidecarError:
    where = "in this window" if scope == "window" else "in all"
    return SidecarError(
        "SESSION_LIMIT",
        f"{limit} sessions are live {where}: destroy one, or wait until one is idle.",
        details={"scope": scope, "limit": limit},
    )
