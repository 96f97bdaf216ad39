"""The events of one inference, as the host iterates them.

Law: every event once, in order, from the first on, however early it came; after the terminal nothing. What has not been
read yet is kept: at most one answer, which the sidecar bounds (`maxAnswerBytes`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.events import (
    DoneEvent,
    ErrorEvent,
    ProgressEvent,
    ThinkingEvent,
    TokenEvent,
    ToolCallEvent,
)

AnswerEvent = ThinkingEvent | TokenEvent | ToolCallEvent | ProgressEvent | DoneEvent | ErrorEvent


class EventStream:
    """Iterate it once. The last event is the terminal: a `DoneEvent` or an `ErrorEvent` (which is not raised).

    Raises the peer's end (`SidecarDied`) after the events that came before it.
    """

    def __init__(self, inference_id: str, request_cancel: Callable[[], None]) -> None:
        self.inference_id = inference_id
        self.is_over = False
        """The terminal has arrived, though it may not have been read yet."""
        self._request_cancel = request_cancel
        self._events: deque[AnswerEvent] = deque()
        self._arrived = asyncio.Event()
        self._failure: SidecarError | None = None

    def cancel(self) -> None:
        """Ask for the end. What still comes is under way already, and the terminal (`cancelled`, with the usage)."""
        if not self.is_over:
            self._request_cancel()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> AnswerEvent:
        while not self._events:
            if self.is_over:
                raise StopAsyncIteration
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    # --- the connection's side ---

    def put(self, event: AnswerEvent) -> None:
        """The next event."""
        self._events.append(event)
        self.is_over = isinstance(event, DoneEvent | ErrorEvent)
        self._arrived.set()

    def fail(self, failure: SidecarError) -> None:
        """Nothing more will come."""
        self._failure = failure
        self._arrived.set()
