"""One inference, from its admission to its terminal.

Law:
1.  Exactly one terminal, whoever is first: the answer's end, an error, a deadline, a cancel, the shutdown. `_close`
    decides that, once, and gives the slot back; nothing is sent after it but the terminal.
2.  Attempts follow one another only before the first content; `attempts` says which.
3.  The upstream is closed as soon as the outcome is decided; the terminal does not wait for that.
4.  The terminal waits for its price and for what has to be stored with it (`delivery`); everything else goes on
    meanwhile (a cancelled upstream closes, others stream).
5.  No timer runs while the host does not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from llm_sidecar import log
from llm_sidecar.errors import ProviderError, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import Terminal
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.services.inference.answer import Answer
from llm_sidecar.services.inference.attempts import Attempts, NextAttempt
from llm_sidecar.services.inference.circuit import Circuits, Passage
from llm_sidecar.services.inference.delivery import Delivery
from llm_sidecar.services.inference.event_sink import EventSink
from llm_sidecar.services.inference.listener import Listener
from llm_sidecar.services.inference.origin import HOST, Origin
from llm_sidecar.services.inference.provider_request import provider_request
from llm_sidecar.services.inference.recording import RecordedAnswer
from llm_sidecar.services.inference.relay import Relay
from llm_sidecar.services.inference.slots import Slot
from llm_sidecar.services.inference.terminal import TerminalBuilder, text_bytes
from llm_sidecar.services.inference.timers import Timers
from llm_sidecar.services.routing import Route

Shorten = Callable[[], InferenceParams | None]
"""A shorter request than the one before, which was too long for the model; None where it cannot be shorter."""


class InferenceRun:
    """`start` it once its acceptance has been answered; `on_end(run)` is called when its terminal is queued."""

    def __init__(
        self,
        params: InferenceParams,
        routes: list[Route],
        *,
        slot: Slot,
        listener: Listener,
        sink: EventSink,
        circuits: Circuits,
        prices: PriceList,
        limits: Limits,
        cached: RecordedAnswer | None = None,
        origin: Origin = HOST,
        record: Callable[[InferenceRun, Terminal], Awaitable[bool]] | None = None,
        shorten: Shorten | None = None,
        on_end: Callable[[InferenceRun], None],
    ) -> None:
        self.params = params
        self.origin = origin
        self.listener = listener
        self.attempts = Attempts(routes, params.retry.max_retries if params.retry else None, limits)
        self.cached = cached
        """What is given again, instead of asking a provider."""
        self.outcome: Terminal | None = None
        self.task: asyncio.Task[None] | None = None
        self._slot = slot
        self._sink = sink
        self._circuits = circuits
        self._prices = prices
        self._shorten = shorten
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._passage = Passage(None)
        self._relay = Relay(params, listener, limits, self.route.model_id)
        self._terminal = TerminalBuilder(
            params, self.attempts, listener, prices, limits, is_cached=cached is not None, origin=origin
        )
        self._timers = Timers(params, limits, self._whole_expired, self._content_expired)
        self._delivery = Delivery(
            None if cached is not None else prices,
            price=self._price,
            store=None if record is None else partial(record, self),
            tell=self._tell,
        )
        self._started = False
        self._was_queued = False
        self._closed = False
        self._interruption: SidecarError | None = None

    @property
    def inference_id(self) -> str:
        return self.listener.inference_id

    @property
    def route(self) -> Route:
        """Where it goes now."""
        return self.attempts.route

    @property
    def answer(self) -> Answer:
        """What has come of the present attempt."""
        return self._relay.answer

    @property
    def recorded(self) -> RecordedAnswer | None:
        """The complete answer, where it may be kept to be given again."""
        return self._relay.recorded

    def start(self) -> None:
        """The host knows the id now: begin."""
        self._started = True
        if self._closed:
            self._announce()
            return
        self._was_queued = self._slot.is_waiting
        self.listener.thinking("queued" if self._was_queued else "initializing")
        self._timers.begin()
        self.task = self._loop.create_task(self._run(), name=self.inference_id)

    def cancel(self) -> Callable[[], None] | None:
        """Stop at once: no token follows, the upstream closes. Returns what announces the end, to be called after the
        cancel has been answered; None if it was over already."""
        if not self._close():
            return None
        self.outcome = self._terminal.cancelled(self.answer)
        return self._announce

    def fail(self, error: SidecarError) -> None:
        """End with `error`, unless it is over already."""
        if self._close():
            self.outcome = self._terminal.failed(self.answer, error)
            self._announce()

    # --- the way to the answer ---

    async def _run(self) -> None:
        try:
            if self._was_queued:
                await self._slot.granted
                self.listener.thinking("initializing")
            self._terminal.granted_at = self._loop.time()
            if self.cached is not None:
                await self._give_again(self.cached)
            while not self._closed:
                delay_ms = await self._attempt()
                await asyncio.sleep(delay_ms / 1000)
        except asyncio.CancelledError:
            self.fail(SidecarError("SHUTTING_DOWN", "The sidecar is stopping."))
            raise
        finally:
            self._timers.stop_content()

    async def _give_again(self, cached: RecordedAnswer) -> None:
        if self._sink.congested:
            await self._wait_for_host()
        self._take(cached.events)
        self.answer.meter.received(0, cached.joined_deltas)
        self._end_attempt(None)

    async def _attempt(self) -> int:
        """Make one attempt. Ends the inference, or returns the milliseconds to wait before the next."""
        self.attempts.begin()
        try:
            self._passage = self._circuits.enter(self.route.endpoint, insists=self.origin.is_test)
        except SidecarError as error:
            return self._end_attempt(error)
        return await self._ask()

    async def _ask(self) -> int:
        """Send the request and pass on its answer, as `_attempt` says."""
        self.attempts.send()
        self._timers.await_content()
        delay_ms = None
        request = provider_request(self.params, self.route, self.attempts.sent)
        try:
            async with self.route.provider.stream(request) as batches:
                self.listener.thinking("processing")
                self._prices.warm_soon(self.route.endpoint)
                delay_ms = self._end_attempt(await self._read(batches))
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and self._is_cancelled():
                raise
            if delay_ms is None and not self._closed:
                if isinstance(error, ProviderError):
                    self.attempts.was_refused()
                    self.answer.model_id = error.model_id or self.answer.model_id
                delay_ms = self._end_attempt(self._reason(error))
            else:
                log.warning("cleanup failed", inferenceId=self.inference_id, exception=type(error).__name__)
        return delay_ms or 0

    async def _read(self, batches: AsyncIterator[list[ProviderEvent]]) -> SidecarError | None:
        """Pass on what comes. Returns what went wrong; None where the provider ended the stream."""
        try:
            async for batch in batches:
                if self._closed or self._interruption is not None:
                    break  # the adapter took no notice of its cancellation
                self._take(batch)
                if self._sink.congested:
                    await self._wait_for_host()
        except BaseException as error:
            return self._reason(error)
        return None if self._interruption is None else self._reason(self._interruption)

    def _reason(self, error: BaseException) -> SidecarError:
        """What `error` means, whoever raised it. A content timer that cut in is the reason, whatever the adapter made
        of the cancellation. Raises the cancellation of the whole inference."""
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            if self.task is not None:
                self.task.uncancel()
            return interruption
        if self._is_cancelled():
            raise asyncio.CancelledError from error
        if isinstance(error, SidecarError):
            return error
        log.error("inference failed", inferenceId=self.inference_id, exception=type(error).__name__)
        return SidecarError("INTERNAL_ERROR", f"Internal error in inference {self.inference_id}.")

    def _is_cancelled(self) -> bool:
        """Whether the inference itself is to stop (and not just something inside the adapter)."""
        return self._closed or (self.task is not None and self.task.cancelling() > (self._interruption is not None))

    def _end_attempt(self, error: SidecarError | None) -> int:
        """Tell the outcome before the upstream is closed (that may take its time), or announce the next attempt."""
        self._timers.stop_content()
        if self._closed:
            return 0
        if error is None and self.answer.finish is None:
            error = SidecarError("STREAM_TRUNCATED", "The stream stopped without the provider's end marker.")
        self._passage.end(error)
        if error is None:
            self._complete()
            return 0
        step = self._shorter(error) or self._step_after(error)
        if step is None:
            self.fail(error)
            return 0
        is_other = step.route is not self.route
        self.attempts.go_on(step, error)
        self.listener.thinking(
            "retrying",
            attempt=self.attempts.sent + 1,
            retry_after_ms=step.delay_ms,
            code=error.code,
            provider_id=self.route.endpoint.provider_id if is_other else None,
        )
        self._relay.begin(self.route.model_id)
        return step.delay_ms

    def _shorter(self, error: SidecarError) -> NextAttempt | None:
        """The same route again with less to read, where it was too much."""
        if error.code != "CONTEXT_LENGTH_EXCEEDED" or self._shorten is None or self.answer.has_content:
            return None
        shorter = self._shorten()
        if shorter is None:
            return None
        self.params = self._relay.params = shorter
        return NextAttempt(0, self.route)

    def _step_after(self, error: SidecarError) -> NextAttempt | None:
        return None if self.answer.has_content else self.attempts.after(error, self._timers.seconds_left)

    def _take(self, batch: list[ProviderEvent]) -> None:
        if self._relay.take(batch):
            self._timers.content_came()
            if self._terminal.first_content_at is None:
                self._terminal.first_content_at = self._loop.time()
                self._passage.content_came()
                self._sink.flush()  # the first token waits for nothing, not for the end of this turn either

    async def _wait_for_host(self) -> None:
        """The host does not read: ask nothing of the provider meanwhile, and hold its slowness against nobody."""
        with self._timers.paused():
            await self._sink.room()

    # --- the end ---

    def _close(self) -> bool:
        """Decide that it is over. True for the first who asks."""
        if self._closed:
            return False
        self._closed = True
        self._timers.stop()
        self._slot.release()
        self._passage.leave()
        self.listener.stop()
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()
        return True

    def _announce(self) -> None:
        """Send the terminal, once the inference's acceptance has been answered."""
        if self._started and self.outcome is not None:
            self._delivery.begin(self.outcome, self.route.endpoint)

    def tell_now(self) -> None:
        """Wait no longer for the price list."""
        self._delivery.hurry()

    def _price(self, outcome: Terminal) -> None:
        self._terminal.tell_cost(self.answer, outcome)

    def _tell(self, outcome: Terminal) -> None:
        self.listener.end(outcome, text_bytes(outcome))
        self._on_end(self)

    def _complete(self) -> None:
        assert self.answer.finish is not None
        if self._close():
            self.outcome = self._terminal.complete(self.answer, self.answer.finish)
            self._announce()

    def _whole_expired(self, error: SidecarError) -> None:
        if self._slot.is_waiting and self._sink.congested:
            self._timers.begin()  # those it waits for wait for the host, and their time stands still
        else:
            self.fail(error)

    def _content_expired(self, error: SidecarError) -> None:
        if self._step_after(error) is None:
            self._passage.end(error)
            self.fail(error)
        elif self.task is not None and not self._closed:
            self._interruption = error
            self.task.cancel()
