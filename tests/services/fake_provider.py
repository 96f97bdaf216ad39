"""A provider that does what the test says, when the test says it.

Law: nothing happens by itself. Each attempt of the service opens a `Call`; the test accepts or refuses it, sends
batches, ends it, lets it fail, makes its cleanup hang or raise, and lets it take a cancellation badly. A call remembers
what the service took from it, how often it was cancelled, and that it was closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Literal

from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.events import Finish, ProviderEvent, ReasoningDelta, TextDelta, ToolCallDelta

OnCancel = Literal["raise", "go on", "end"] | BaseException
"""How a call takes a cancellation: as it must, by ignoring it, by ending as if complete, by an error of its own."""

_END = object()


class Call:
    """One attempt: the `async with` and the iterator of the Provider protocol, with the test at the other end."""

    def __init__(self, request: ProviderRequest) -> None:
        self.request = request
        self.taken: list[list[ProviderEvent]] = []
        self.cancellations = 0
        self.ignored_a_cancellation = False
        self.closing = False
        self.closed = False
        self.on_cancel: OnCancel = "raise"
        self.cleanup_error: BaseException | None = None
        self.suppresses_errors = False
        self._accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._cleanup = asyncio.Event()
        self._cleanup.set()
        self._steps: deque[Any] = deque()
        self._arrived = asyncio.Event()

    # --- the test's side ---

    def accept(self) -> None:
        """The provider takes the request."""
        if not self._accepted.done():
            self._accepted.set_result(None)

    def refuse(self, error: BaseException) -> None:
        """Connecting fails, or the provider answers with an error instead of a stream."""
        if not self._accepted.done():
            self._accepted.set_exception(error)
            self._accepted.exception()  # nobody may be waiting any more

    def send(self, *events: ProviderEvent) -> None:
        """One batch; without events, an empty one."""
        self._step(list(events))

    def say(self, text: str, count: int = 1) -> None:
        """One batch of one piece of text."""
        self.send(TextDelta(text, count))

    def finish(self, reason: Literal["stop", "length", "content_filter", "tool_calls"] = "stop") -> None:
        """The provider's own end of the answer, and of the stream."""
        self.send(Finish(reason, f"raw-{reason}"))
        self.end()

    def end(self) -> None:
        """The stream ends here."""
        self._step(_END)

    def fail(self, error: BaseException) -> None:
        """The stream breaks here."""
        self._step(error)

    def hang_in_cleanup(self) -> None:
        """Leaving the stream takes until `finish_cleanup`."""
        self._cleanup.clear()

    def finish_cleanup(self) -> None:
        self._cleanup.set()

    @property
    def accepted(self) -> bool:
        return self._accepted.done() and not self._accepted.cancelled() and self._accepted.exception() is None

    @property
    def text(self) -> str:
        """What the service took of the answer's text."""
        return "".join(event.text for batch in self.taken for event in batch if isinstance(event, TextDelta))

    @property
    def reasoning(self) -> str:
        return "".join(event.text for batch in self.taken for event in batch if isinstance(event, ReasoningDelta))

    @property
    def arguments(self) -> list[tuple[int, str]]:
        return [(e.index, e.arguments) for batch in self.taken for e in batch if isinstance(e, ToolCallDelta)]

    def _step(self, step: Any) -> None:
        self._steps.append(step)
        self._arrived.set()

    # --- the service's side ---

    async def __aenter__(self) -> Call:
        try:
            await asyncio.shield(self._accepted)
        except asyncio.CancelledError:
            self.cancellations += 1
            self.closed = True
            raise
        except BaseException:
            self.closed = True
            raise
        return self

    async def __aexit__(self, *_: object) -> bool:
        self.closing = True
        try:
            await self._cleanup.wait()
            if self.cleanup_error is not None:
                raise self.cleanup_error
        finally:
            self.closed = True
        return self.suppresses_errors

    def __aiter__(self) -> Call:
        return self

    async def __anext__(self) -> list[ProviderEvent]:
        while not self._steps:
            self._arrived.clear()
            try:
                await self._arrived.wait()
            except asyncio.CancelledError:
                self.cancellations += 1
                if isinstance(self.on_cancel, BaseException):
                    raise self.on_cancel from None
                if self.on_cancel == "end":
                    raise StopAsyncIteration from None
                if self.on_cancel == "raise":
                    raise
                self.ignored_a_cancellation = True
        step = self._steps.popleft()
        if step is _END:
            raise StopAsyncIteration
        if isinstance(step, BaseException):
            raise step
        self.taken.append(step)
        return step


class FakeProvider:
    """The Provider protocol over calls the test directs, in the order the service made them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.prepare = _nothing
        """Called with each new call before the service waits for it."""

    def stream(self, request: ProviderRequest) -> Any:
        call = Call(request)
        self.calls.append(call)
        self.prepare(call)
        return call

    @property
    def last(self) -> Call:
        return self.calls[-1]

    @property
    def open_calls(self) -> list[Call]:
        """Those whose upstream is not closed."""
        return [call for call in self.calls if not call.closed]

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        return []

    async def warm(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def _nothing(_: Call) -> None:
    pass
