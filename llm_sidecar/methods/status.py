"""What the sidecar is doing now, and what a closed window leaves behind."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable

from llm_sidecar.messages import inference
from llm_sidecar.messages.shape import NoParams
from llm_sidecar.messages.status import ServiceStatus
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.rpc.outbox import Outbox
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.sessions.service import SessionService


class StatusMethods:
    """`started_at` is on the monotonic clock; `loop_lag_ms` is what the last tick measured."""

    def __init__(
        self,
        inferences: InferenceService,
        sessions: SessionService,
        outbox: Outbox,
        started_at: float,
        loop_lag_ms: Callable[[], float],
    ) -> None:
        self._inferences = inferences
        self._sessions = sessions
        self._outbox = outbox
        self._started_at = started_at
        self._loop_lag_ms = loop_lag_ms
        self.handlers: dict[str, Handler] = {
            "llm:get-status": self._status,
            "llm:window:closed": self._window_closed,
        }

    def _window_closed(
        self, context: Context, params: inference.WindowClosedParams
    ) -> inference.WindowClosedResult | Awaitable[inference.WindowClosedResult]:
        announcements = self._inferences.cancel_window(params.window_id)
        for announce in announcements:
            context.after_reply(announce)
        released, destroying = self._sessions.close_window(params.window_id)
        result = inference.WindowClosedResult(cancelled=len(announcements), released=released, destroyed=0)
        return result if destroying is None else _with_destroyed(result, destroying)

    def _status(self, _context: Context, _params: NoParams) -> ServiceStatus:
        return ServiceStatus(
            total_sessions=self._sessions.total,
            active_sessions=self._sessions.active,
            active_inferences=self._inferences.slots.active,
            queued_inferences=self._inferences.slots.waiting,
            total_inferences=self._inferences.total_inferences,
            total_tokens=self._inferences.total_tokens,
            uptime_ms=int((time.monotonic() - self._started_at) * 1000),
            rss_bytes=_resident_bytes(),
            outbox_bytes=self._outbox.queued_bytes,
            loop_lag_ms=self._loop_lag_ms(),
            cache=self._inferences.cache.figures,
            providers=self._inferences.providers,
            circuits=self._inferences.circuits.states,
        )


async def _with_destroyed(
    result: inference.WindowClosedResult, destroying: Awaitable[int]
) -> inference.WindowClosedResult:
    result.destroyed = await destroying
    return result


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return _peak_resident_bytes()


def _peak_resident_bytes() -> int:
    """Where the present figure is not to be had (macOS), the highest so far; 0 where not even that."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
