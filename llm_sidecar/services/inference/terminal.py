"""The one terminal of an inference: `llm:done` or `llm:error`, with honest usage and timings, within one message.

Law: it describes, and decides nothing. A complete answer that does not fit one message is an error that says so; a
cancelled one is cut. What it cost is filled in at last (`tell_cost`): prices may still have to be loaded.
"""

from __future__ import annotations

import asyncio

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import UNNUMBERED, DoneEvent, ErrorEvent, Terminal, Timings
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.events import Finish
from llm_sidecar.providers.prices import PriceList, cost_of_answer
from llm_sidecar.services.inference.answer import Answer
from llm_sidecar.services.inference.attempts import Attempts
from llm_sidecar.services.inference.listener import Listener
from llm_sidecar.services.inference.origin import HOST, Origin
from llm_sidecar.services.inference.token_stream import longest_text


class TerminalBuilder:
    """Keeps what a terminal tells besides the answer: attempts, and when things happened (the event loop's seconds)."""

    def __init__(
        self,
        params: InferenceParams,
        attempts: Attempts,
        listener: Listener,
        prices: PriceList,
        limits: Limits,
        *,
        is_cached: bool,
        origin: Origin = HOST,
    ) -> None:
        self.granted_at: float | None = None
        self.first_content_at: float | None = None
        self._params = params
        self._attempts = attempts
        self._listener = listener
        self._prices = prices
        self._is_cached = is_cached
        self._origin = origin
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._admitted_at = self._loop.time()

    def complete(self, answer: Answer, finish: Finish) -> Terminal:
        """The end of an answer that came to its own end."""
        done = self._done(answer, finish, cancelled=False)
        size = self._size(answer, done)
        if size <= self._limits.max_message_bytes:
            return done
        message = f"The answer has {size} bytes; the limit is {self._limits.max_message_bytes}. Stream it."
        return self.failed(answer, SidecarError("MESSAGE_TOO_LARGE", message))

    def cancelled(self, answer: Answer) -> DoneEvent:
        """The end of an answer that was cancelled, as far as it came."""
        done = self._done(answer, answer.finish or Finish("stop", None), cancelled=True)
        if self._size(answer, done) > self._limits.max_message_bytes:
            done.text = None if done.text is None else done.text[: longest_text(self._limits)]
            done.tool_calls = done.provider_state = None
        return done

    def failed(self, answer: Answer, error: SidecarError) -> ErrorEvent:
        """The end of an answer that failed."""
        usage = answer.meter.usage(complete=False, was_sent=self._attempts.may_be_charged)
        return ErrorEvent(
            inference_id=self._listener.inference_id,
            seq=UNNUMBERED,
            session_id=self._origin.session_id,
            window_id=self._listener.window_id,
            error=error.message,
            code=error.code,
            retryable=error.retryable,
            retry_after_ms=error.retry_after_ms,
            details=error.details,
            partial_text=answer.text[: longest_text(self._limits)] or None,
            usage=usage,
            provider_id=self._attempts.route.endpoint.provider_id,
            model_id=answer.model_id,
            profile_id=self._attempts.route.profile_id,
            attempts=self._attempts.sent,
            timings=self._timings(),
        )

    def tell_cost(self, answer: Answer, terminal: Terminal) -> None:
        """Fill in what an answer of this run cost."""
        if self._is_cached:
            terminal.cost = 0.0
            return
        route = self._attempts.route
        terminal.cost = cost_of_answer(
            self._prices, route.endpoint, terminal.usage, answered=answer.model_id, asked=route.model_id
        )

    def _done(self, answer: Answer, finish: Finish, *, cancelled: bool) -> DoneEvent:
        usage = answer.meter.usage(complete=not cancelled, was_sent=not cancelled or self._attempts.may_be_charged)
        return DoneEvent(
            inference_id=self._listener.inference_id,
            seq=UNNUMBERED,
            session_id=self._origin.session_id,
            window_id=self._listener.window_id,
            total_tokens=usage.total_tokens,
            usage=usage,
            cost=None,
            finish_reason=finish.reason,
            raw_finish_reason=finish.raw,
            cancelled=cancelled,
            text=None if self._params.stream else answer.text,
            tool_calls=answer.tool_calls,
            provider_state=answer.provider_state,
            provider_id=self._attempts.route.endpoint.provider_id,
            model_id=answer.model_id,
            profile_id=self._attempts.route.profile_id,
            attempts=self._attempts.sent,
            cached=self._is_cached,
            timings=self._timings(),
        )

    def _size(self, answer: Answer, done: DoneEvent) -> int:
        """Bytes of the whole message; 0 where it is small for sure (no JSON escape is longer than six bytes)."""
        if done.provider_state is None and answer.size * 6 < self._limits.max_message_bytes - 65_536:
            return 0
        return len(msgspec.json.encode(done)) + 100  # the envelope and the `seq` to come

    def _timings(self) -> Timings:
        now = self._loop.time()
        granted = now if self.granted_at is None else self.granted_at
        first = self.first_content_at
        return Timings(
            queued_ms=_milliseconds(granted - self._admitted_at),
            first_token_ms=None if first is None else _milliseconds(first - self._admitted_at),
            total_ms=_milliseconds(now - self._admitted_at),
        )


def text_bytes(terminal: Terminal) -> int:
    """About how many bytes of a terminal are the model's."""
    if isinstance(terminal, ErrorEvent):
        return len(terminal.partial_text or "")
    return len(terminal.text or "") + sum(len(call.arguments) for call in terminal.tool_calls or ())


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
