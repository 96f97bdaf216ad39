"""The events of one inference, on their way out.

Law:
1.  `seq` is given when the writer takes an event, not before: text that waits can still merge, and no number is lost.
2.  Adjacent text of one kind merges while it waits: up to `max_token_event_bytes` an event, across other inferences'
    events but never across one of its own.
3.  The first text is never held back; later text is, for `token_batch_delay_ms`, if the host asked for that.
4.  After `stop` only the terminal follows; after `end` nothing, and `end` works once.
"""

from __future__ import annotations

import asyncio
from typing import Final

from llm_sidecar.limits import Limits
from llm_sidecar.messages.catalogue import EVENT_NAMES
from llm_sidecar.messages.events import (
    UNNUMBERED,
    InferenceEvent,
    ProgressEvent,
    Terminal,
    ThinkingEvent,
    ThinkingStatus,
    TokenEvent,
    ToolCallEvent,
)
from llm_sidecar.services.inference.event_sink import EventSink
from llm_sidecar.services.inference.journal import Journal

_OTHER_FIELDS_BYTES: Final = 2_048
"""What an event's other fields may take at most: mostly the ids, escaped."""
_EVENT_BYTES: Final = 160
"""What an event weighs besides its text, about."""


class _Queued:
    """An event as it is."""

    __slots__ = ("_event", "_is_terminal", "_journal", "weight")

    def __init__(self, journal: Journal, event: InferenceEvent, weight: int, *, is_terminal: bool) -> None:
        self._journal = journal
        self._event = event
        self._is_terminal = is_terminal
        self.weight = weight

    def take(self) -> tuple[str, InferenceEvent]:
        method = EVENT_NAMES[type(self._event)]
        self._journal.append(method, self._event, self.weight)
        if self._is_terminal:
            self._journal.end()
        return method, self._event


class _QueuedText:
    """Text that may still grow."""

    __slots__ = ("_pieces", "_stream", "count", "index", "is_reasoning", "weight")

    def __init__(self, stream: TokenStream, is_reasoning: bool, index: int) -> None:
        self._stream = stream
        self._pieces: list[str] = []
        self.is_reasoning = is_reasoning
        self.index = index
        self.count = 0
        self.weight = _EVENT_BYTES

    def add(self, text: str, count: int, weight: int) -> None:
        self._pieces.append(text)
        self.count += count
        self.weight += weight

    def text(self) -> str:
        return self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces)

    def take(self) -> tuple[str, InferenceEvent]:
        return self._stream.take_text(self, self.text())


class TokenStream:
    """The way out for one inference."""

    def __init__(
        self,
        inference_id: str,
        window_id: str | None,
        sink: EventSink,
        journal: Journal,
        limits: Limits,
        *,
        session_id: str | None = None,
    ) -> None:
        self.inference_id = inference_id
        self.session_id = session_id
        self.window_id = window_id
        self.journal = journal
        self._stopped = False
        self._ended = False
        self._sink = sink
        self._longest = longest_text(limits)
        self._max_bytes = min(limits.max_token_event_bytes, self._longest)
        self._delay = limits.token_batch_delay_ms / 1000
        self._max_tokens = limits.token_batch_tokens
        self._waiting: _QueuedText | None = None  # published, not yet taken: may still grow
        self._held: _QueuedText | None = None  # not yet published: the host wants fewer, larger events
        self._hold_timer: asyncio.TimerHandle | None = None
        self._next_index = 0
        self._has_begun = {True: False, False: False}  # reasoning, and the answer

    def text(self, text: str, count: int) -> None:
        """A piece of the answer: `count` deltas of the provider."""
        for piece in split_text(text, self._longest):
            self._add_text(piece, count, self._next_index, is_reasoning=False)
            self._next_index += count
            count = 0

    def reasoning(self, text: str) -> None:
        """A piece of the model's reasoning."""
        for piece in split_text(text, self._longest):
            self._add_text(piece, 1, 0, is_reasoning=True)

    def thinking(
        self,
        status: ThinkingStatus,
        *,
        attempt: int | None = None,
        retry_after_ms: int | None = None,
        code: str | None = None,
        provider_id: str | None = None,
    ) -> None:
        """A change of state; the rest is for `retrying`."""
        event = ThinkingEvent(
            inference_id=self.inference_id,
            seq=UNNUMBERED,
            session_id=self.session_id,
            window_id=self.window_id,
            status=status,
            attempt=attempt,
            retry_after_ms=retry_after_ms,
            code=code,
            provider_id=provider_id,
        )
        self._send(event)

    def tool_call(self, index: int, call_id: str | None, name: str | None, arguments: str) -> None:
        """A piece of a tool call; `call_id` and `name` with its first piece."""
        beside = len(call_id or "") + len(name or "")
        for piece in split_text(arguments, self._longest, beside):
            event = ToolCallEvent(
                inference_id=self.inference_id,
                seq=UNNUMBERED,
                session_id=self.session_id,
                window_id=self.window_id,
                index=index,
                id=call_id,
                name=name,
                arguments_delta=piece,
            )
            self._send(event, beside + len(piece))
            call_id = name = None
            beside = 0

    def progress(self, current: float, total: float | None, message: str) -> None:
        """How far something has come."""
        event = ProgressEvent(
            inference_id=self.inference_id,
            seq=UNNUMBERED,
            session_id=self.session_id,
            window_id=self.window_id,
            current=current,
            total=total,
            message=message,
        )
        self._send(event)

    def end(self, event: Terminal, text_bytes: int = 0) -> None:
        """The terminal."""
        if not self._ended:
            self._stopped = self._ended = True
            self._publish(event, text_bytes, is_terminal=True)

    def stop(self) -> None:
        """Publish what is held back, and take nothing more but the terminal."""
        self._release_held()
        self._stopped = True

    def take_text(self, queued: _QueuedText, text: str) -> tuple[str, InferenceEvent]:
        """The event for text that the writer takes now."""
        if self._waiting is queued:
            self._waiting = None
        event: InferenceEvent
        if queued.is_reasoning:
            event = ThinkingEvent(
                inference_id=self.inference_id,
                seq=UNNUMBERED,
                session_id=self.session_id,
                window_id=self.window_id,
                status="reasoning",
                text=text,
            )
        else:
            event = TokenEvent(
                inference_id=self.inference_id,
                seq=UNNUMBERED,
                session_id=self.session_id,
                window_id=self.window_id,
                token=text,
                index=queued.index,
                count=queued.count,
            )
        method = EVENT_NAMES[type(event)]
        self.journal.append(method, event, queued.weight)
        return method, event

    # --- inside ---

    def _send(self, event: InferenceEvent, text_bytes: int = 0) -> None:
        if not self._stopped:
            self._publish(event, text_bytes, is_terminal=False)

    def _publish(self, event: InferenceEvent, text_bytes: int, *, is_terminal: bool) -> None:
        self._release_held()
        self._waiting = None
        self._sink.publish(_Queued(self.journal, event, _EVENT_BYTES + text_bytes, is_terminal=is_terminal))

    def _add_text(self, text: str, count: int, index: int, *, is_reasoning: bool) -> None:
        if self._stopped:
            return
        weight = len(text) if text.isascii() else len(text.encode())
        if self._delay and self._has_begun[is_reasoning]:
            self._hold(text, count, index, weight, is_reasoning)
        else:
            self._has_begun[is_reasoning] = True
            self._release_held()
            self._enqueue(text, count, index, weight, is_reasoning)

    def _enqueue(self, text: str, count: int, index: int, weight: int, is_reasoning: bool) -> None:
        waiting = self._waiting
        if waiting is None or not self._may_grow(waiting, weight, is_reasoning):
            waiting = self._waiting = _QueuedText(self, is_reasoning, index)
            waiting.add(text, count, weight)
            self._sink.publish(waiting)
        else:
            waiting.add(text, count, weight)
            self._sink.grew(weight)

    def _may_grow(self, queued: _QueuedText, weight: int, is_reasoning: bool) -> bool:
        return queued.is_reasoning == is_reasoning and queued.weight + weight <= self._max_bytes

    def _hold(self, text: str, count: int, index: int, weight: int, is_reasoning: bool) -> None:
        if self._held is not None and not self._may_grow(self._held, weight, is_reasoning):
            self._release_held()
        if self._held is None:
            self._held = _QueuedText(self, is_reasoning, index)
            self._hold_timer = asyncio.get_running_loop().call_later(self._delay, self._release_held)
        self._held.add(text, count, weight)
        if self._max_tokens and self._held.count >= self._max_tokens:
            self._release_held()

    def _release_held(self) -> None:
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
        if self._held is not None:
            held, self._held = self._held, None
            self._enqueue(held.text(), held.count, held.index, held.weight - _EVENT_BYTES, held.is_reasoning)


def longest_text(limits: Limits) -> int:
    """Characters that fit into one message whatever they are: no JSON escape is longer than six bytes."""
    return (limits.max_message_bytes - _OTHER_FIELDS_BYTES) // 6


def split_text(text: str, longest: int, beside: int = 0) -> list[str]:
    """`text` in pieces of at most `longest`, the first one `beside` other characters; nearly always one."""
    if len(text) + beside <= longest:
        return [text]
    first = max(longest - beside, 0)
    return [text[:first], *(text[start : start + longest] for start in range(first, len(text), longest))]
