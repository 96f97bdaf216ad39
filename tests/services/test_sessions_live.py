"""Which sessions count as live."""

from __future__ import annotations

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.services.sessions.live import LiveSessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def live(clock: Clock | None = None, **limits: int) -> LiveSessions:
    return LiveSessions(clock or Clock(), lambda: Limits(**limits))


def test_so_many_are_live_and_no_more() -> None:
    sessions = live(max_sessions=2)
    sessions.use("a", None, 1_000)
    sessions.use("b", None, 1_000)
    with pytest.raises(SidecarError) as refused:
        sessions.use("c", None, 1_000)
    assert (refused.value.code, refused.value.retryable) == ("SESSION_LIMIT", True)
    assert refused.value.details == {"scope": "sidecar", "limit": 2}
    sessions.use("a", None, 1_000)
    sessions.release("b")
    sessions.use("c", None, 1_000)
    assert sessions.count == 2


def test_so_many_are_live_in_a_window() -> None:
    sessions = live(max_sessions_per_window=1)
    sessions.use("a", "w", 1_000)
    sessions.use("a", "w", 1_000)
    with pytest.raises(SidecarError) as refused:
        sessions.use("b", "w", 1_000)
    assert refused.value.details == {"scope": "window", "limit": 1}
    sessions.use("b", "v", 1_000)
    with pytest.raises(SidecarError):
        sessions.use("b", "w", 1_000)
    sessions.use("c", None, 1_000)
    sessions.use("d", None, 1_000)
    assert sessions.release_window("w") == ["a"]
    sessions.use("b", "w", 1_000)


def test_who_idles_is_not_live_any_more_and_becomes_so_by_use() -> None:
    clock = Clock()
    sessions = live(clock, max_sessions=1)
    sessions.use("a", None, 1_000)
    clock.now = 0.999
    assert sessions.is_live("a")
    clock.now = 1.0
    assert not sessions.is_live("a")
    sessions.use("b", None, 1_000)
    with pytest.raises(SidecarError):
        sessions.use("a", None, 1_000)


def test_who_is_answered_does_not_idle() -> None:
    clock = Clock()
    sessions = live(clock)
    sessions.use("a", None, 1_000)
    sessions.hold("a")
    clock.now = 500.0
    assert sessions.is_live("a")
    sessions.rest("a")
    clock.now = 500.9
    assert sessions.count == 1
    clock.now = 501.0
    assert sessions.count == 0
