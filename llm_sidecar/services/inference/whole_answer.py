"""An inference whose caller waits for its end: the whole answer is the result of one request.

Law: the result comes once, after everything the listener had to say. A caller who leaves (who cancels the future)
cancels the inference, in whatever state it is, before the next request is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.events import DoneEvent, ErrorEvent, Terminal, ThinkingStatus
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.services.inference.origin import HOST, Origin
from llm_sidecar.services.inference.run import InferenceRun
from llm_sidecar.services.inference.service import InferenceService

T = TypeVar("T")


class _Outcome(asyncio.Future[T]):
    """A future that tells of its cancellation at once, not in the next turn of the event loop."""

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        super().__init__()
        self._on_cancel = on_cancel

    def cancel(self, msg: Any | None = None) -> bool:
        is_cancelled = super().cancel(msg)
        if is_cancelled:
            self._on_cancel()
        return is_cancelled


class WholeAnswer(Generic[T]):
    """The `Listener` of one inference, for which `params` must name an id. It hears the end only; a subclass says what
    the result is, and may listen to more."""

    run: InferenceRun
    """What it listens to, once it was asked for."""

    def __init__(self, params: InferenceParams) -> None:
        assert params.inference_id is not None
        self.inference_id = params.inference_id
        self.window_id = params.window_id
        self._params = params
        self._outcome: asyncio.Future[T] = _Outcome(self._cancel_run)

    def ask(self, inferences: InferenceService, origin: Origin = HOST) -> asyncio.Future[T]:
        """Start the inference; returns what its result will be, or its error. Raises what `InferenceService.admit`
        raises."""
        self.run = inferences.admit(self._params, lambda _: self, origin)
        inferences.start(self.run)
        return self._outcome

    @property
    def asked(self) -> InferenceParams:
        """What is asked, or will be."""
        return self._params

    def result(self, done: DoneEvent) -> T:
        """What the caller gets for a complete answer."""
        raise NotImplementedError

    def _cancel_run(self) -> None:
        announce = self.run.cancel()
        if announce is not None:
            announce()

    # --- what there is to hear ---

    def thinking(
        self,
        status: ThinkingStatus,
        *,
        attempt: int | None = None,
        retry_after_ms: int | None = None,
        code: str | None = None,
        provider_id: str | None = None,
    ) -> None:
        pass

    def text(self, text: str, count: int) -> None:
        pass

    def reasoning(self, text: str) -> None:
        pass

    def tool_call(self, index: int, call_id: str | None, name: str | None, arguments: str) -> None:
        pass

    def progress(self, current: float, total: float | None, message: str) -> None:
        pass

    def stop(self) -> None:
        pass

    def end(self, event: Terminal, text_bytes: int = 0) -> None:
        if self._outcome.done():
            return
        if isinstance(event, ErrorEvent):
            self._outcome.set_exception(_error_of(event))
        elif event.cancelled:
            self._outcome.set_exception(SidecarError("CANCELLED", "The inference was cancelled."))
        else:
            self._outcome.set_result(self.result(event))


def _error_of(event: ErrorEvent) -> SidecarError:
    return SidecarError(
        event.code,
        event.error,
        retryable=event.retryable,
        retry_after_ms=event.retry_after_ms,
        details=event.details,
    )
