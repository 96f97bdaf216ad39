"""The answer of Ollama's `/api/chat`: bytes in, cut anywhere → provider events out. No I/O, no await.

Law: the same bytes give the same events (but for how pieces are merged) however they are cut. What came before a fault
is delivered; then `failure` is set. The end is the line that says `done`, and nothing else: a body that ends without it
is truncated, even where HTTP says it is complete. Text and reasoning that arrive together are merged.
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from msgspec import Raw

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.decoding.kept_text import KeptText
from llm_sidecar.providers.decoding.ndjson import LineSplitter
from llm_sidecar.providers.decoding.piece_merger import REASONING, TEXT, PieceMerger
from llm_sidecar.providers.events import (
    ModelNamed,
    ProviderEvent,
    ProviderState,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.providers.exchange import UNREADABLE
from llm_sidecar.providers.finish_reasons import finish_of
from llm_sidecar.providers.ollama.lines import Line, ToolCall, decode_line
from llm_sidecar.providers.refusals.reading import error_from_event
from llm_sidecar.providers.token_counts import count

THINKING: Final = "thinking"
"""The field of a message that holds the model's reasoning; the key of the provider state that holds it, too."""

_NOT_ASKED: Final = frozenset({"load", "unload"})
"""Reasons of an end that is none of an answer: the server took the request for one without messages."""


class OllamaDecoder:
    """One answer. Feed it the body as it is read, then `end` it; or give it a whole answer.

    `complete` is true once the `Finish` was returned; `failure` is set once there will be none. `secret` must not
    appear in an error.
    """

    def __init__(self, max_event_bytes: int, secret: str | None = None) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._secret = secret
        self._lines = LineSplitter(max_event_bytes)
        self._pieces = PieceMerger()
        self._thoughts = KeptText(max_event_bytes)
        self._calls = 0
        self._model_named = False
        self._answered = False

    def feed(self, data: bytes) -> list[ProviderEvent]:
        """The events of the lines completed by `data`, in order; may be empty (half a line)."""
        for line in self._lines.feed(data):
            self._take(line)
            if self.complete or self.failure is not None:
                break
        else:
            self.failure = self._lines.failure
        return self._pieces.take()

    def end(self) -> list[ProviderEvent]:
        """The body ended cleanly. Its last line may lack its end (an error from Ollama's cloud does): a JSON object
        that was cut off is none."""
        rest = self._lines.end()
        try:
            line = decode_line(rest)
        except UNREADABLE:
            pass
        else:
            self._take_line(line, rest)
        return self._take_last_batch()

    def feed_whole(self, body: bytes) -> list[ProviderEvent]:
        """The events of a whole answer in one object, from a server that does not stream."""
        self._take(body)
        if not self._answered and self.failure is None:
            self.failure = _protocol_error("sent no answer")
        return self._take_last_batch()

    def _take(self, data: bytes) -> None:
        try:
            line = decode_line(data)
        except UNREADABLE:
            self.failure = _protocol_error("sent a line that is no piece of an answer")
        else:
            self._take_line(line, data)

    def _take_line(self, line: Line, data: bytes) -> None:
        if line.error:
            self.failure = error_from_event(data, secret=self._secret)
            return
        if line.model and not self._model_named:
            self._model_named = True
            self._pieces.put(ModelNamed(line.model))
        message = line.message
        if message is not None:
            self._answered = True
            if message.thinking:
                self._thoughts.add(message.thinking)
                self._pieces.add(REASONING, message.thinking)
            if message.content:
                self._pieces.add(TEXT, message.content)
            if message.tool_calls:
                self._take_tool_calls(message.tool_calls)
        if line.done and self.failure is None:
            self._finish(line)

    def _take_tool_calls(self, calls: list[ToolCall]) -> None:
        for call in calls:
            function = call.function
            if function is None or not function.name:
                self.failure = _protocol_error("sent a tool call without a name")
                return
            arguments = _json_object(function.arguments)
            if not arguments:
                self.failure = _protocol_error("sent a tool call whose arguments are no JSON object")
                return
            call_id = call.id or f"call_{uuid4().hex}"
            self._pieces.put(ToolCallDelta(self._calls, arguments, call_id, function.name))
            self._calls += 1

    def _take_last_batch(self) -> list[ProviderEvent]:
        if not self.complete and self.failure is None:
            self.failure = ProviderError(
                "STREAM_TRUNCATED", "The provider ended the stream in the middle of an answer."
            )
        return self._pieces.take()

    def _finish(self, line: Line) -> None:
        if not self._answered or line.done_reason in _NOT_ASKED:
            self.failure = _protocol_error("ended the stream without an answer")
            return
        try:
            finish = finish_of(line.done_reason, "ollama", has_tool_calls=self._calls > 0)
        except ProviderError as failure:
            self.failure = failure
            return
        # A count of zero is left out by Ollama, or means that it did not count: no prompt is empty.
        usage = UsageReport(count(line.prompt_eval_count) or None, count(line.eval_count) or None)
        if usage.prompt_tokens or usage.completion_tokens:
            self._pieces.put(usage)
        if self._calls and (thoughts := self._thoughts.text):
            self._pieces.put(ProviderState({THINKING: thoughts}))
        self._pieces.put(finish)
        self.complete = True


def _json_object(raw: Raw) -> str:
    """The text of a JSON object, an empty one for null; "" for what is no object."""
    try:
        text = bytes(raw).decode()
    except UNREADABLE:
        return ""
    return "{}" if text == "null" else text if text.startswith("{") else ""


def _protocol_error(deed: str) -> ProviderError:
    return ProviderError("PROVIDER_PROTOCOL_ERROR", f"The provider {deed}.")
