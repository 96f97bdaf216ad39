"""The answer of a server that speaks Anthropic's Messages API: bytes in, cut anywhere → provider events out. No I/O.

Law: the same bytes give the same events (but for how pieces are merged) however they are cut. What came before a fault
is delivered; then `failure` is set. `Finish` is held back until `message_stop`, so that it is always last and a broken
stream never has one. Events of an unknown kind are skipped: new ones may come at any time ("Versions", Anthropic's
documentation).

A turn can be paused (`pause_turn`, "Stop reasons"): then `paused` is set beside `complete`, and there is no `Finish`.
Whoever asked sends `content` back and feeds the answer to the same decoder after `resume`; usage and numbering go on.
"""

from __future__ import annotations

from typing import Final

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.anthropic.blocks import Block
from llm_sidecar.providers.anthropic.content import ContentStream, protocol_error
from llm_sidecar.providers.anthropic.events import (
    Message,
    MessageUsage,
    StreamEvent,
    decode_event,
    decode_message,
    decode_odd_event,
)
from llm_sidecar.providers.anthropic.usage import TurnUsage
from llm_sidecar.providers.decoding.sse import SseDecoder
from llm_sidecar.providers.decoding.surrogates import mended
from llm_sidecar.providers.events import Finish, ModelNamed, ProviderEvent
from llm_sidecar.providers.exchange import UNREADABLE
from llm_sidecar.providers.finish_reasons import finish_of
from llm_sidecar.providers.refusals.reading import error_from_event

_PAUSE: Final = "pause_turn"
_MAX_PAUSES: Final = 10
"""In one turn. Anthropic pauses it after ten rounds of its own tools; one that never ends must end here."""


class MessageDecoder:
    """One answer. Feed it the body as it is read, then `end` it; or give it a whole message.

    `complete` is true once the `Finish` was returned (or the turn is `paused`); `failure` is set once there will be
    none. `secret` must not appear in an error.
    """

    def __init__(self, provider_id: str, max_event_bytes: int, secret: str | None = None) -> None:
        self.complete = False
        self.paused = False
        self.failure: ProviderError | None = None
        self._provider_id = provider_id
        self._max_event_bytes = max_event_bytes
        self._secret = secret
        self._sse = SseDecoder(max_event_bytes)
        self._content = ContentStream(max_event_bytes)
        self._usage = TurnUsage()
        self._usage_is_new = False
        self._model_named = False
        self._answered = False
        self._raw_reason: str | None = None
        self._pauses = 0

    def content(self) -> list[Block]:
        """The turn so far, as blocks to be sent back."""
        return self._content.turn.content()

    def resume(self) -> None:
        """The next bytes are those of the answer that goes on with the paused turn."""
        self.complete = self.paused = self._answered = False
        self._sse = SseDecoder(self._max_event_bytes)
        self._raw_reason = None
        self._usage.begin_message()

    def feed(self, data: bytes) -> list[ProviderEvent]:
        """The events completed by `data`, in order; may be empty (pings, half an event)."""
        is_more = self._content.is_more
        try:
            for name, event_data in self._sse.feed(data):
                if name == "error":
                    raise error_from_event(event_data, secret=self._secret)
                try:
                    event = decode_event(event_data)
                except UNREADABLE:
                    self._take_odd(event_data)
                else:
                    if event.delta is None or not is_more(event.index, event.delta):
                        self._take(event, event_data)
                if self.complete:
                    break
            else:
                self.failure = self._sse.failure
        except ProviderError as failure:
            self.failure = failure
        return self._take_batch()

    def end(self) -> list[ProviderEvent]:
        """The body ended cleanly, but `message_stop` has not come."""
        self.failure = ProviderError("STREAM_TRUNCATED", "The provider ended the stream in the middle of an answer.")
        return self._take_batch()

    def feed_whole(self, body: bytes) -> list[ProviderEvent]:
        """The events of a whole message, from a server that does not stream."""
        try:
            self._take_whole(decode_message(body), body)
        except ProviderError as failure:
            self.failure = failure
        except UNREADABLE:
            self.failure = protocol_error("sent an answer that is not a message")
        return self._take_batch()

    def _take_odd(self, data: bytes) -> None:
        if not data:
            return
        try:
            event = decode_odd_event(data)
        except UNREADABLE as error:
            raise protocol_error("sent an event that is not part of a message") from error
        self._take(event, data, odd=True)

    def _take(self, event: StreamEvent, data: bytes, *, odd: bool = False) -> None:
        if event.type == "error" or event.error:
            raise error_from_event(data, secret=self._secret)
        if event.type == "content_block_delta":
            if event.delta is not None:
                self._answered = True
                self._content.add(event.index, event.delta, odd=odd)
        elif event.type == "content_block_start":
            self._answered = True
            self._content.begin(event.index, event.content_block or {}, len(data), odd=odd)
        elif event.type == "content_block_stop":
            self._content.end(event.index)
        elif event.type == "message_start":
            self._answered = True
            if event.message is not None:
                self._take_head(event.message)
        elif event.type == "message_delta":
            self._answered = True
            if event.delta is not None and event.delta.stop_reason:
                self._raw_reason = event.delta.stop_reason
            self._take_usage(event.usage)
        elif event.type == "message_stop":
            self._finish()

    def _take_whole(self, message: Message, body: bytes) -> None:
        if message.error:
            raise error_from_event(body, secret=self._secret)
        if message.content is None:
            raise protocol_error("sent no message")
        self._answered = True
        self._take_head(message)
        for index, block in enumerate(message.content):
            self._content.begin(index, block, 0)
            self._content.end(index)
        self._raw_reason = message.stop_reason
        self._finish()

    def _take_head(self, message: Message) -> None:
        if message.model and not self._model_named:
            self._model_named = True
            self._content.events.append(ModelNamed(mended(message.model)))
        self._take_usage(message.usage)

    def _take_usage(self, usage: MessageUsage | None) -> None:
        if usage is not None:
            self._usage.take(usage)
            self._usage_is_new = True

    def _take_batch(self) -> list[ProviderEvent]:
        content = self._content
        if not self.complete:
            content.flush()
            self._report_usage()
        batch, content.events = content.events, []
        return batch

    def _report_usage(self) -> None:
        report = self._usage.report() if self._usage_is_new else None
        self._usage_is_new = False
        if report is not None:
            self._content.events.append(report)

    def _finish(self) -> None:
        if not self._answered:
            raise protocol_error("ended the stream without an answer")
        content = self._content
        content.end_all()
        self._report_usage()
        if self._raw_reason == _PAUSE and self._pauses < _MAX_PAUSES and content.turn.content():
            self._pauses += 1
            self.complete = self.paused = True
            return
        finish = self._finish_event()
        state = content.turn.state()
        if state is not None:
            content.events.append(state)
        content.events.append(finish)
        self.complete = True

    def _finish_event(self) -> Finish:
        if self._raw_reason == _PAUSE:  # it cannot be gone on with: the answer is cut off
            return Finish("length", _PAUSE)
        return finish_of(self._raw_reason, self._provider_id, has_tool_calls=self._content.calls > 0)
