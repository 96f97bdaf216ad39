"""The answer of Gemini's API: bytes in, cut anywhere → provider events out. No I/O, no await.

Law: the same bytes give the same events (but for how pieces are merged) however they are cut. What came before a fault
is delivered; then `failure` is set. Every event is a whole `GenerateContentResponse` with the next parts of the answer
and the usage so far, so each report replaces the one before. Text and reasoning that arrive together are merged; a call
of a tool arrives whole.

There is no end marker: the end is a clean end of the body after a finish reason (or after the prompt was blocked). Only
then comes the `Finish`: usage may come in or after the event with the finish reason, and so may an error.
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.decoding.piece_merger import REASONING, TEXT, PieceMerger
from llm_sidecar.providers.decoding.sse import SseDecoder
from llm_sidecar.providers.events import (
    Finish,
    ModelNamed,
    ProviderEvent,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.providers.exchange import UNREADABLE
from llm_sidecar.providers.finish_reasons import finish_of
from llm_sidecar.providers.gemini.bare_json import BareJson
from llm_sidecar.providers.gemini.chunks import (
    Chunk,
    FunctionCall,
    Part,
    UsageMetadata,
    decode_chunk,
    decode_odd_chunk,
    split_array,
)
from llm_sidecar.providers.gemini.signatures import SignatureRecorder
from llm_sidecar.providers.refusals.reading import error_from_event
from llm_sidecar.providers.token_counts import count

_NOT_FINISHED: Final = "FINISH_REASON_UNSPECIFIED"
_BRAND: Final = "google"
"""Whose habit it is to say `STOP` beside tool calls, in `finish_reasons`."""


class GeminiDecoder:
    """One answer. Feed it the body as it is read, then `end` it; or give it a whole JSON body (see `feed_whole`).

    `complete` is true once the `Finish` was returned; `failure` is set once there will be none. `model_id` is the model
    that was asked (signatures are its own); `secret` must not appear in an error.
    """

    def __init__(self, model_id: str, max_event_bytes: int, secret: str | None = None) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._secret = secret
        self._bare_json = BareJson(max_event_bytes)
        self._sse = SseDecoder(max_event_bytes)
        self._pieces = PieceMerger()
        self._calls = 0
        self._signatures = SignatureRecorder(model_id, max_event_bytes)
        self._usage: UsageMetadata | None = None
        self._reported: UsageReport | None = None
        self._model_named = False
        self._answered = False
        self._raw_reason: str | None = None
        self._block_reason: str | None = None

    def feed(self, data: bytes) -> list[ProviderEvent]:
        """The events completed by `data`, in order; may be empty (half an event)."""
        for _, event in self._sse.feed(self._bare_json.as_events(data)):
            if event:
                self._take(event)
            if self.failure is not None:
                break
        else:
            self.failure = self._sse.failure
        return self._take_batch()

    def end(self) -> list[ProviderEvent]:
        """The body ended cleanly."""
        if self._bare_json.is_incomplete or (self._raw_reason is None and self._block_reason is None):
            self.failure = ProviderError(
                "STREAM_TRUNCATED", "The provider ended the stream in the middle of an answer."
            )
        else:
            self._finish()
        return self._take_batch()

    def feed_whole(self, body: bytes) -> list[ProviderEvent]:
        """The events of a whole response, of an array of them (what is streamed without `alt=sse`), or of an error."""
        self._take(body)
        if self.failure is None:
            if self._answered or self._block_reason is not None:
                return self.end()
            self.failure = _protocol_error("sent no answer")
        return self._take_batch()

    def _take(self, data: bytes) -> None:
        try:
            chunk = decode_chunk(data)
        except UNREADABLE:
            self._take_odd(data)
        else:
            self._take_chunk(chunk, data)

    def _take_odd(self, data: bytes) -> None:
        try:
            for element in split_array(data) if data.lstrip().startswith(b"[") else [data]:
                one = bytes(element)
                self._take_chunk(decode_odd_chunk(one), one)
                if self.failure is not None:
                    break
        except UNREADABLE:
            self.failure = _protocol_error("sent an event that is no answer of Gemini")

    def _take_chunk(self, chunk: Chunk, data: bytes) -> None:
        if chunk.error:
            self.failure = error_from_event(data, secret=self._secret)
            return
        if chunk.model_version and not self._model_named:
            self._model_named = True
            self._pieces.put(ModelNamed(chunk.model_version.removeprefix("models/")))
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        if chunk.candidates:
            self._answered = True
            candidate = chunk.candidates[0]
            if candidate.content is not None:
                for part in candidate.content.parts or ():
                    self._take_part(part)
            if candidate.finish_reason and candidate.finish_reason != _NOT_FINISHED:
                self._raw_reason = candidate.finish_reason
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._block_reason = chunk.prompt_feedback.block_reason

    def _take_part(self, part: Part) -> None:
        if part.function_call is not None:
            self._take_call(part.function_call)
            self._signatures.add_call(part.thought_signature)
        elif part.text is not None:
            is_thought = bool(part.thought)
            self._pieces.add(REASONING if is_thought else TEXT, part.text)
            if is_thought:
                self._signatures.add_thought(part.text, part.thought_signature)
            else:
                self._signatures.add_text(len(part.text), part.thought_signature)

    def _take_call(self, call: FunctionCall) -> None:
        if not call.name:
            self.failure = _protocol_error("sent a tool call without a name")
            return
        try:
            arguments = bytes(call.args).decode()
        except UnicodeDecodeError:
            self.failure = _protocol_error("sent a tool call that is not UTF-8")
            return
        call_id = call.id or f"call_{uuid4().hex}"
        self._pieces.put(ToolCallDelta(self._calls, "{}" if arguments == "null" else arguments, call_id, call.name))
        self._calls += 1

    def _report_usage(self) -> None:
        usage, self._usage = self._usage, None
        report = None if usage is None else _usage_report(usage)
        if report is not None and report != self._reported:
            self._reported = report
            self._pieces.put(report)

    def _take_batch(self) -> list[ProviderEvent]:
        if not self.complete:
            self._report_usage()
        return self._pieces.take()

    def _finish(self) -> None:
        try:
            finish = (
                finish_of(self._raw_reason, _BRAND, has_tool_calls=self._calls > 0)
                if self._block_reason is None
                else Finish("content_filter", self._block_reason)
            )
        except ProviderError as failure:
            self.failure = failure
            return
        self._report_usage()
        state = self._signatures.state()
        if state is not None:
            self._pieces.put(state)
        self._pieces.put(finish)
        self.complete = True


def _usage_report(usage: UsageMetadata) -> UsageReport | None:
    """None where nothing is said. Thoughts are counted beside the candidates; a count that is missing is zero."""
    prompt, thoughts = count(usage.prompt_token_count), count(usage.thoughts_token_count)
    candidates = count(usage.candidates_token_count)
    if prompt is None and candidates is None and thoughts is None:
        return None
    return UsageReport(
        prompt_tokens=None if prompt is None else prompt + (count(usage.tool_use_prompt_token_count) or 0),
        completion_tokens=(candidates or 0) + (thoughts or 0),
        cached_prompt_tokens=count(usage.cached_content_token_count),
        reasoning_tokens=thoughts,
    )


def _protocol_error(deed: str) -> ProviderError:
    return ProviderError("PROVIDER_PROTOCOL_ERROR", f"The provider {deed}.")
