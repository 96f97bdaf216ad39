"""Inference: admission, the live runs, attaching, windows, and the figures about them.

Law: a request is decided at once (accepted, or refused with the reason) and runs afterwards; a host always learns the
id before the first event. It knows neither pipes nor JSON-RPC: events go to an `EventSink`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import DoneEvent, ErrorEvent
from llm_sidecar.messages.inference import AttachResult, InferenceParams
from llm_sidecar.services.inference_run import InferenceRun
from llm_sidecar.services.journal import Journals
from llm_sidecar.services.rate_limit import MinuteLimit
from llm_sidecar.services.routing import Router
from llm_sidecar.services.slots import Slots
from llm_sidecar.services.token_stream import EventSink, TokenStream


class ProviderFigures:
    """What happened with one provider since the start."""

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.cancelled = 0
        self.tokens = 0
        self.last_error: str | None = None

    def to_wire(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "failures": self.failures,
            "cancelled": self.cancelled,
            "tokens": self.tokens,
            "lastError": self.last_error,
        }


class InferenceService:
    """Used from the event loop only."""

    def __init__(self, router: Router, sink: EventSink, limits: Callable[[], Limits]) -> None:
        self._router = router
        self._sink = sink
        self._limits = limits
        self._runs: dict[str, InferenceRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._journals = Journals(limits)
        self._minute_limit = MinuteLimit(asyncio.get_running_loop().time)
        self._idle = asyncio.Event()
        self._idle.set()
        self.slots = Slots(limits)
        self.total_inferences = 0
        self.total_tokens = 0
        self.providers: dict[str, ProviderFigures] = {}

    def admit(self, params: InferenceParams) -> InferenceRun:
        """Accept a request; `start` the run once its id has been told. Raises `INFERENCE_EXISTS`, `RATE_LIMIT`,
        `OVERLOADED`, or what the router raises."""
        limits = self._limits()
        inference_id = params.inference_id or f"inf-{os.urandom(9).hex()}"
        if inference_id in self._runs:
            raise SidecarError("INFERENCE_EXISTS", "An inference of this id is live.")
        route = self._router.resolve(params)
        slot = self.slots.take(may_wait=params.queue)
        try:
            self._minute_limit.spend(params.window_id or "", limits.max_requests_per_minute)
        except SidecarError:
            slot.release()
            raise
        stream = TokenStream(inference_id, params.window_id, self._sink, self._journals.open(inference_id), limits)
        run = InferenceRun(params, route, slot=slot, stream=stream, sink=self._sink, limits=limits, on_end=self._ended)
        self._runs[inference_id] = run
        self._idle.clear()
        self.total_inferences += 1
        self._figures(run).requests += 1
        return run

    def start(self, run: InferenceRun) -> None:
        """Begin an admitted run."""
        run.start()
        if run.task is not None:
            self._tasks.add(run.task)
            run.task.add_done_callback(self._tasks.discard)

    def cancel(self, inference_id: str) -> Callable[[], None] | None:
        """Stop an inference. Returns what sends its terminal; None if it is unknown or over."""
        run = self._runs.get(inference_id)
        return None if run is None else run.cancel()

    def cancel_window(self, window_id: str) -> list[Callable[[], None]]:
        """Stop every inference of a window. Returns what sends their terminals."""
        runs = [run for run in self._runs.values() if run.params.window_id == window_id]
        return [announce for run in runs if (announce := run.cancel()) is not None]

    def attach(self, inference_id: str, from_seq: int) -> Callable[[], AttachResult]:
        """Returns what computes the replay. Raises `INFERENCE_NOT_FOUND`; the replay itself may raise `REPLAY_GAP`."""
        journal = self._journals.find(inference_id)
        return lambda: journal.since(from_seq)

    def end_all(self) -> None:
        """End everything with `SHUTTING_DOWN`."""
        for run in list(self._runs.values()):
            run.fail(SidecarError("SHUTTING_DOWN", "The sidecar is stopping."))

    async def idle(self) -> None:
        """Return when no inference is live."""
        await self._idle.wait()

    async def closed(self) -> None:
        """Return when every upstream is closed, too."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, run: InferenceRun) -> None:
        outcome = run.outcome
        assert outcome is not None
        if self._runs.get(run.inference_id) is run:
            del self._runs[run.inference_id]
        if not self._runs:
            self._idle.set()
        self.total_tokens += outcome.usage.total_tokens
        figures = self._figures(run)
        figures.tokens += outcome.usage.total_tokens
        if isinstance(outcome, ErrorEvent):
            figures.failures += 1
            figures.last_error = outcome.code
        elif outcome.cancelled:
            figures.cancelled += 1
        _log_end(run, outcome)

    def _figures(self, run: InferenceRun) -> ProviderFigures:
        return self.providers.setdefault(run.route.endpoint.provider_id, ProviderFigures())


def _log_end(run: InferenceRun, outcome: DoneEvent | ErrorEvent) -> None:
    log.info(
        "inference ended",
        inferenceId=run.inference_id,
        provider=outcome.provider_id,
        model=outcome.model_id,
        outcome=outcome.code if isinstance(outcome, ErrorEvent) else "cancelled" if outcome.cancelled else "done",
        tokens=outcome.usage.total_tokens,
        totalMs=outcome.timings.total_ms,
        attempts=outcome.attempts,
    )
