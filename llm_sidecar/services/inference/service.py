"""Inference: admission, the live runs, attaching, windows, and the figures about them.

Law: a request is decided at once (accepted, or refused with the reason) and runs afterwards; a host always learns the
id before the first event. It knows neither pipes nor JSON-RPC: events go to an `EventSink`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import DoneEvent, ErrorEvent, Terminal
from llm_sidecar.messages.inference import AttachResult, InferenceParams
from llm_sidecar.messages.status import ProviderState
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.services.inference.circuit import Circuits
from llm_sidecar.services.inference.event_sink import EventSink
from llm_sidecar.services.inference.journal import Journals
from llm_sidecar.services.inference.listener import Listener
from llm_sidecar.services.inference.origin import HOST, Origin
from llm_sidecar.services.inference.provider_request import provider_request
from llm_sidecar.services.inference.recording import RecordedAnswer
from llm_sidecar.services.inference.response_cache import ResponseCache, cache_key
from llm_sidecar.services.inference.run import InferenceRun, Shorten
from llm_sidecar.services.inference.slots import Slots
from llm_sidecar.services.inference.token_stream import TokenStream
from llm_sidecar.services.rate_limit import MinuteLimit
from llm_sidecar.services.routing import Route, Router
from llm_sidecar.services.usage.reservations import Reservation, Reservations

Gate = Callable[[InferenceParams, list[Route]], None]
"""Asked at admission, with where it may go; raises to refuse."""
Recorder = Callable[[InferenceRun, Terminal], Awaitable[None]]
"""Stores what belongs to an ended inference; its terminal is told afterwards."""


class InferenceService:
    """Used from the event loop only. `gates` and `recorders` are for who composes it."""

    def __init__(self, router: Router, sink: EventSink, prices: PriceList, limits: Callable[[], Limits]) -> None:
        self._router = router
        self._sink = sink
        self._prices = prices
        self._limits = limits
        self._runs: dict[str, InferenceRun] = {}
        self._reservations = Reservations()
        self._tasks: set[asyncio.Task[None]] = set()
        self._journals = Journals(limits)
        clock = asyncio.get_running_loop().time
        self._minute_limit = MinuteLimit(clock)
        self._idle = asyncio.Event()
        self._idle.set()
        self.slots = Slots(limits)
        self.cache = ResponseCache(clock)
        self.circuits = Circuits(clock, limits)
        self.gates: list[Gate] = []
        self.recorders: list[Recorder] = []
        self.total_inferences = 0
        self.total_tokens = 0
        self.providers: dict[str, ProviderState] = {}

    def reserve(self, inference_id: str | None, window_id: str | None) -> Reservation:
        """Take an id for a run that is to be admitted later. Raises `INFERENCE_EXISTS`."""
        taken = inference_id or _new_id()
        if taken in self._runs:
            raise SidecarError("INFERENCE_EXISTS", "An inference of this id is live.")
        return self._reservations.take(taken, window_id)

    def release(self, reservation: Reservation) -> None:
        """Its run will not come."""
        self._reservations.release(reservation)

    def admit(
        self,
        params: InferenceParams,
        listen: Callable[[str], Listener] | None = None,
        origin: Origin = HOST,
        *,
        reservation: Reservation | None = None,
        shorten: Shorten | None = None,
    ) -> InferenceRun:
        """Accept a request; `start` the run once its id has been told. The host is told how it goes, or who `listen`
        gives for its id. `reservation` is what was taken for it; if that is cancelled, so is the run. `shorten` gives
        a shorter request where the provider finds it too long.

        Raises `INFERENCE_EXISTS`, `RATE_LIMIT`, `OVERLOADED`, or what the router or a gate raises.
        """
        limits = self._limits()
        inference_id = reservation.inference_id if reservation is not None else params.inference_id or _new_id()
        self._reservations.check(inference_id, reservation)
        if inference_id in self._runs:
            raise SidecarError("INFERENCE_EXISTS", "An inference of this id is live.")
        routes = self._router.routes(params)
        cached = self._find_cached(params, routes[0])
        if not cached:
            for gate in self.gates:
                gate(params, routes)
        slot = self.slots.none_needed() if cached else self.slots.take(may_wait=params.queue)
        try:
            self._minute_limit.spend(params.window_id or "", limits.max_requests_per_minute)
        except SidecarError:
            slot.release()
            raise
        run = InferenceRun(
            params,
            routes,
            slot=slot,
            listener=listen(inference_id) if listen is not None else self._tell_host(inference_id, params, origin),
            sink=self._sink,
            circuits=self.circuits,
            prices=self._prices,
            limits=limits,
            cached=cached,
            origin=origin,
            record=self._record if self.recorders else None,
            shorten=shorten,
            on_end=self._ended,
        )
        self._runs[inference_id] = run
        self._idle.clear()
        self.total_inferences += 1
        if not cached:
            self._figures(routes[0]).requests += 1
        if reservation is not None:
            self._reservations.release(reservation)
            if reservation.is_cancelled:
                run.cancel()
        return run

    def _tell_host(self, inference_id: str, params: InferenceParams, origin: Origin) -> TokenStream:
        journal = self._journals.open(inference_id)
        return TokenStream(
            inference_id, params.window_id, self._sink, journal, self._limits(), session_id=origin.session_id
        )

    def _find_cached(self, params: InferenceParams, route: Route) -> RecordedAnswer | None:
        key = cache_key(provider_request(params, route)) if params.cache else None
        return None if key is None else self.cache.find(key)

    def start(self, run: InferenceRun) -> None:
        """Begin an admitted run."""
        run.start()
        if run.task is not None:
            self._tasks.add(run.task)
            run.task.add_done_callback(self._tasks.discard)

    def cancel(self, inference_id: str) -> Callable[[], None] | None:
        """Stop an inference. Returns what sends its terminal; None if it is unknown or over."""
        if self._reservations.cancel(inference_id):
            return _nothing_to_tell_yet
        run = self._runs.get(inference_id)
        return None if run is None else run.cancel()

    def cancel_window(self, window_id: str) -> list[Callable[[], None]]:
        """Stop every inference of a window. Returns what sends their terminals."""
        runs = [run for run in self._runs.values() if run.params.window_id == window_id]
        to_come = [_nothing_to_tell_yet] * self._reservations.cancel_window(window_id)
        return [*to_come, *(announce for run in runs if (announce := run.cancel()) is not None)]

    def attach(self, inference_id: str, from_seq: int) -> Callable[[], AttachResult]:
        """Returns what computes the replay. Raises `INFERENCE_NOT_FOUND`; the replay itself may raise `REPLAY_GAP`."""
        journal = self._journals.find(inference_id)
        return lambda: journal.since(from_seq)

    def end_all(self) -> None:
        """End everything with `SHUTTING_DOWN`; `idle` returns when that has been told."""
        for run in list(self._runs.values()):
            run.fail(SidecarError("SHUTTING_DOWN", "The sidecar is stopping."))
            run.tell_now()

    async def idle(self) -> None:
        """Return when no inference is live."""
        await self._idle.wait()

    async def closed(self) -> None:
        """Return when every upstream is closed, too."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _record(self, run: InferenceRun, terminal: Terminal) -> bool:
        """Whether everything that belongs to it is stored."""
        stored: list[BaseException | None] = []
        try:
            async with asyncio.timeout(self._limits().persist_timeout_ms / 1000):
                storing = (record(run, terminal) for record in self.recorders)
                stored = await asyncio.gather(*storing, return_exceptions=True)
        except TimeoutError:
            log.error("not stored in time", inferenceId=run.inference_id)
            return False
        for error in stored:
            if error is not None:
                code = error.code if isinstance(error, SidecarError) else type(error).__name__
                log.error("not stored", inferenceId=run.inference_id, code=code)
        return not any(stored)

    def _ended(self, run: InferenceRun) -> None:
        outcome = run.outcome
        assert outcome is not None
        if self._runs.get(run.inference_id) is run:
            del self._runs[run.inference_id]
        if not self._runs:
            self._idle.set()
        if run.cached is None:
            self._count(run, outcome)
            if isinstance(outcome, DoneEvent) and not outcome.cancelled:
                self._keep(run)
        _log_end(run, outcome)

    def _keep(self, run: InferenceRun) -> None:
        """Keep a complete answer, under the route that gave it."""
        answer = run.recorded
        key = None if answer is None else cache_key(provider_request(run.params, run.route))
        if answer is not None and key is not None:
            self.cache.keep(key, answer)

    def _count(self, run: InferenceRun, outcome: Terminal) -> None:
        for route, code in run.attempts.failed_routes:
            self._count_failure(route, code)
        for route in run.attempts.fallbacks_asked:
            self._figures(route).requests += 1
        self.total_tokens += outcome.usage.total_tokens
        figures = self._figures(run.route)
        figures.tokens += outcome.usage.total_tokens
        if isinstance(outcome, ErrorEvent):
            self._count_failure(run.route, outcome.code)
        elif outcome.cancelled:
            figures.cancelled += 1

    def _count_failure(self, route: Route, code: str) -> None:
        figures = self._figures(route)
        figures.failures += 1
        figures.last_error = code

    def _figures(self, route: Route) -> ProviderState:
        nothing = ProviderState(requests=0, failures=0, cancelled=0, tokens=0, last_error=None)
        return self.providers.setdefault(route.endpoint.provider_id, nothing)


def _new_id() -> str:
    return f"inf-{os.urandom(9).hex()}"


def _nothing_to_tell_yet() -> None:
    """The terminal of a run that was cancelled before its admission comes when that has been answered."""


def _log_end(run: InferenceRun, outcome: Terminal) -> None:
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
