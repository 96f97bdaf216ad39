"""The answer of OpenAI's Responses API: bytes in, cut anywhere → provider events out. No I/O, no await.

Law: that of `openai.stream`. The end is `response.completed`, `.incomplete` or `.failed`; a body that ends earlier is
truncated. What the deltas of an item have said is not taken again from the item itself; an item that came without
deltas is taken whole. Events and items of unknown kinds are not content (but items are kept for replaying).
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.decoding.piece_merger import REASONING, TEXT, NewCall, PieceMerger
from llm_sidecar.providers.decoding.sse import SseDecoder
from llm_sidecar.providers.events import Finish, ModelNamed, ProviderEvent, UsageReport
from llm_sidecar.providers.exchange import UNREADABLE
from llm_sidecar.providers.openai_responses.events import (
    ItemKind,
    OutputItem,
    Response,
    ResponseUsage,
    StreamEvent,
    decode_event,
    decode_item,
    decode_item_kind,
    decode_odd_event,
    decode_response,
    is_set,
)
from llm_sidecar.providers.openai_responses.replay import AnswerRecord, Origin
from llm_sidecar.providers.refusals.reading import error_from_event
from llm_sidecar.providers.token_counts import count

_CHANNELS: Final = {
    "response.output_text.delta": TEXT,
    "response.refusal.delta": TEXT,
    "response.reasoning_summary_text.delta": REASONING,
    "response.reasoning_text.delta": REASONING,
}
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_CONTENT_KINDS: Final = frozenset({"message", "reasoning", "function_call"})
_PARAGRAPH: Final = "\n\n"
"""Between two parts of a reasoning summary: they come without as much as a space."""

Key = int | str | None
"""Which item a delta belongs to: its index in the answer, else its id."""


class ResponsesDecoder:
    """One answer. Feed it the body as it is read, then `end` it; or give it a whole response.

    `complete` is true once the `Finish` was returned; `failure` is set once there will be none. `origin` says who can
    read again what is encrypted in it; `secret` must not appear in an error.
    """

    def __init__(self, origin: Origin, max_event_bytes: int, secret: str | None = None) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._secret = secret
        self._sse = SseDecoder(max_event_bytes)
        self._pieces = PieceMerger()
        self._record = AnswerRecord(origin, max_event_bytes)
        self._model_named = False
        self._streamed: set[Key] = set()
        self._calls: dict[Key, int] = {}
        self._summary_part: tuple[Key, int | None] | None = None
        self._has_items = False

    def feed(self, data: bytes) -> list[ProviderEvent]:
        """The events completed by `data`, in order; may be empty."""
        for name, event in self._sse.feed(data):
            self._take_event(name, event)
            if self.complete or self.failure is not None:
                break
        else:
            self.failure = self._sse.failure
        return self._pieces.take()

    def end(self) -> list[ProviderEvent]:
        """The body ended cleanly."""
        self.failure = ProviderError("STREAM_TRUNCATED", "The provider ended the stream in the middle of an answer.")
        return self._pieces.take()

    def feed_whole(self, body: bytes) -> list[ProviderEvent]:
        """The events of a whole response, from a server that does not stream."""
        try:
            response = decode_response(body)
            if response.status is None and is_set(response.error):
                self.failure = error_from_event(body, secret=self._secret)
            else:
                self._finish(response)
        except UNREADABLE:
            self.failure = _protocol_error("sent an answer that is not a response")
        return self._pieces.take()

    def _take_event(self, name: str, data: bytes) -> None:
        odd = False
        try:
            event = decode_event(data)
        except UNREADABLE:
            if data in (b"", b"[DONE]"):
                return
            try:
                event = decode_odd_event(data)
            except UNREADABLE:
                self.failure = _protocol_error("sent an event that is not one of a response")
                return
            odd = True
        channel = _CHANNELS.get(event.type)
        if channel is not None:
            self._take_delta(channel, event, odd)
        elif "error" in (event.type, name) or (not event.type and is_set(event.error)):
            self.failure = error_from_event(data, secret=self._secret)
        else:
            try:
                self._take_other(event, odd)
            except UNREADABLE:
                self.failure = _protocol_error("sent an event that is not one of a response")

    def _take_delta(self, channel: int, event: StreamEvent, odd: bool) -> None:
        if event.delta:
            key = event.item_id if event.output_index is None else event.output_index
            self._streamed.add(key)
            if channel == REASONING:
                self._separate(key, event.summary_index)
            self._pieces.add(channel, event.delta, odd=odd)

    def _separate(self, key: Key, summary_index: int | None) -> None:
        part = (key, summary_index)
        if part != self._summary_part:
            if self._summary_part is not None:
                self._pieces.add(REASONING, _PARAGRAPH)
            self._summary_part = part

    def _take_other(self, event: StreamEvent, odd: bool) -> None:
        match event.type:
            case "response.function_call_arguments.delta":
                self._take_arguments(event, odd)
            case "response.output_item.added" if is_set(event.item):
                self._begin_item(event)
            case "response.output_item.done" if is_set(event.item):
                self._finish_item(event.output_index, bytes(event.item))
            case "response.created" if is_set(event.response):
                self._name_model(decode_response(event.response))
            case end if end in _ENDS:
                response = decode_response(event.response) if is_set(event.response) else Response()
                response.status = response.status or end.removeprefix("response.")
                self._finish(response)

    def _name_model(self, response: Response) -> None:
        if response.model and not self._model_named:
            self._model_named = True
            self._pieces.put(ModelNamed(response.model))

    def _begin_item(self, event: StreamEvent) -> None:
        kind = decode_item_kind(event.item)
        key = _key_of(kind, event.output_index)
        if kind.type == "function_call" and key not in self._calls:
            self._begin_call(key, decode_item(event.item))

    def _begin_call(self, key: Key, item: OutputItem) -> None:
        if not item.name:
            self.failure = _protocol_error("sent a tool call without a name")
            return
        number = self._calls[key] = len(self._calls)
        self._pieces.begin_call(number, NewCall(item.call_id or item.id or f"call_{uuid4().hex}", item.name))
        self._add_arguments(key, number, item.arguments)

    def _take_arguments(self, event: StreamEvent, odd: bool) -> None:
        key = event.item_id if event.output_index is None else event.output_index
        number = self._calls.get(key)
        if number is None:
            self.failure = _protocol_error("sent a piece of a tool call that it did not begin")
        else:
            self._add_arguments(key, number, event.delta, odd=odd)

    def _add_arguments(self, key: Key, number: int, arguments: str | None, *, odd: bool = False) -> None:
        if arguments:
            self._streamed.add(key)
            self._pieces.add(number, arguments, odd=odd)

    def _finish_item(self, index: int | None, item_json: bytes) -> None:
        self._has_items = True
        kind = decode_item_kind(item_json)
        if kind.type in _CONTENT_KINDS:
            self._take_content(_key_of(kind, index), decode_item(item_json))
        self._record.add(item_json)

    def _take_content(self, key: Key, item: OutputItem) -> None:
        """What a finished item says, as far as no delta said it."""
        is_new = self._streamed.isdisjoint((key, item.id, None))
        if item.type == "function_call" and key not in self._calls:
            self._begin_call(key, item)
        elif item.type == "function_call" and is_new:
            self._add_arguments(key, self._calls[key], item.arguments)
        elif item.type == "message" and is_new:
            self._pieces.add(TEXT, item.text)
        elif item.type == "reasoning" and is_new and item.reasoning:
            self._separate(key, None)
            self._pieces.add(REASONING, item.reasoning)

    def _finish(self, response: Response) -> None:
        self._name_model(response)
        if not self._has_items:
            for index, item in enumerate(response.output or ()):
                self._finish_item(index, bytes(item))
        self._pieces.abandon_halves()
        if response.usage is not None and (response.usage.input_tokens or response.usage.output_tokens):
            self._pieces.put(_usage_report(response.usage))
        self.failure = self.failure or self._failure_in(response)
        if self.failure is None:
            state = self._record.state()
            if state is not None:
                self._pieces.put(state)
            self._pieces.put(_finish_of(response, has_calls=bool(self._calls)))
            self.complete = True

    def _failure_in(self, response: Response) -> ProviderError | None:
        if response.status == "failed" or is_set(response.error):
            return error_from_event(response.reported_error, secret=self._secret)
        if response.status == "cancelled":
            return ProviderError("SERVER_ERROR", "The provider broke off its answer.", provider_code="cancelled")
        if response.status not in ("completed", "incomplete"):
            return _protocol_error("sent an answer that is not a finished response")
        return None


def _key_of(item: ItemKind, index: int | None) -> Key:
    return item.id or item.call_id if index is None else index


def _finish_of(response: Response, *, has_calls: bool) -> Finish:
    """An answer is incomplete because it met a limit, or the content filter."""
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details is not None else None
        return Finish("content_filter" if reason == "content_filter" else "length", reason or "incomplete")
    return Finish("tool_calls" if has_calls else "stop", response.status)


def _usage_report(usage: ResponseUsage) -> UsageReport:
    prompt, completion = usage.input_tokens_details, usage.output_tokens_details
    return UsageReport(
        prompt_tokens=count(usage.input_tokens),
        completion_tokens=count(usage.output_tokens),
        cached_prompt_tokens=count(prompt.cached_tokens) if prompt is not None else None,
        cache_write_tokens=count(prompt.cache_write_tokens) if prompt is not None else None,
        reasoning_tokens=count(completion.reasoning_tokens) if completion is not None else None,
    )


def _protocol_error(deed: str) -> ProviderError:
    return ProviderError("PROVIDER_PROTOCOL_ERROR", f"The provider {deed}.")
