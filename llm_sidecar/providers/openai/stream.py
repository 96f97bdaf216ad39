"""The answer of an OpenAI-compatible server: bytes in, cut anywhere → provider events out. No I/O, no await.

Law: the same bytes give the same events (but for how pieces are merged) however they are cut. What came before a fault
is delivered; then `failure` is set. `Finish` is held back until the provider's end marker, so that it is always last
and a broken stream never has one. Text, reasoning and tool arguments that arrive together are merged.

The end is `[DONE]`, or a clean end of the body after a finish reason (vLLM and others may omit the marker).
"""

from __future__ import annotations

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.decoding.kept_text import KeptText
from llm_sidecar.providers.decoding.piece_merger import REASONING, TEXT, PieceMerger
from llm_sidecar.providers.decoding.sse import SseDecoder
from llm_sidecar.providers.events import (
    ModelNamed,
    PromptProgress,
    ProviderEvent,
    ProviderState,
    UsageReport,
)
from llm_sidecar.providers.exchange import UNREADABLE
from llm_sidecar.providers.finish_reasons import finish_of
from llm_sidecar.providers.openai.chunks import (
    Chunk,
    Delta,
    TokenUsage,
    ToolCallPart,
    decode_chunk,
    decode_odd_chunk,
    is_error_object,
)
from llm_sidecar.providers.openai.tool_calls import ToolCallIndex
from llm_sidecar.providers.refusals.reading import error_from_event
from llm_sidecar.providers.token_counts import count


class ChatDecoder:
    """One answer. Feed it the body as it is read, then `end` it; or give it a whole completion.

    `complete` is true once the `Finish` was returned; `failure` is set once there will be none. `secret` must not
    appear in an error. `answers_tools`: the answer is one to the results of tools.
    """

    def __init__(
        self, provider_id: str, max_event_bytes: int, secret: str | None = None, *, answers_tools: bool = False
    ) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._provider_id = provider_id
        self._secret = secret
        self._answers_tools = answers_tools
        self._sse = SseDecoder(max_event_bytes)
        self._pieces = PieceMerger()
        self._calls = ToolCallIndex()
        self._usage: TokenUsage | None = None
        self._model_named = False
        self._answered = False
        self._raw_reason: str | None = None
        self._reasoning = KeptText(max_event_bytes)
        self._reasoning_field = ""
        """The name the server gave it, and wants it back under."""

    def feed(self, data: bytes) -> list[ProviderEvent]:
        """The events completed by `data`, in order; may be empty (keep-alives, half an event)."""
        follows_text = self._answered and self._pieces.is_on_text
        for name, event in self._sse.feed(data):
            if follows_text and not name and self._is_more_text(event):
                continue
            if name == "error":
                self.failure = error_from_event(event, secret=self._secret)
            elif event:
                self._take_event(event)
            if self.complete or self.failure is not None:
                break
            follows_text = self._answered and self._pieces.is_on_text
        else:
            self.failure = self._sse.failure
        return self._take_batch()

    def _is_more_text(self, data: bytes) -> bool:
        """The hot case, in one step: nearly every event of an answer adds a piece of text to the last one."""
        try:
            chunk = decode_chunk(data)
        except UNREADABLE:
            return False
        choices = chunk.choices
        if not choices or chunk.usage is not None or chunk.error or chunk.prompt_progress is not None:
            return False
        delta = choices[0].delta
        if delta is None or not delta.content or choices[0].finish_reason or delta.tool_calls or choices[0].index:
            return False
        if delta.reasoning_content or delta.reasoning:
            return False
        self._pieces.add_more_text(delta.content)
        return True

    def end(self) -> list[ProviderEvent]:
        """The body ended cleanly."""
        if self._raw_reason is None:
            self.failure = ProviderError(
                "STREAM_TRUNCATED", "The provider ended the stream in the middle of an answer."
            )
        else:
            self._finish()
        return self._take_batch()

    def feed_whole(self, body: bytes) -> list[ProviderEvent]:
        """The events of a whole completion, from a server that does not stream."""
        self._take_event(body)
        if self.failure is None and not self.complete:
            self._finish()
        return self._take_batch()

    def _take_event(self, data: bytes) -> None:
        odd = False
        try:
            chunk = decode_chunk(data)
        except UNREADABLE:
            if data == b"[DONE]":
                self._finish()
                return
            try:
                chunk = decode_odd_chunk(data)
            except UNREADABLE:
                self.failure = _protocol_error("sent an event that is not a chat completion")
                return
            odd = True
        if chunk.error or (chunk.choices is None and is_error_object(data)):
            self.failure = error_from_event(data, secret=self._secret)
        else:
            self._take_chunk(chunk, odd)

    def _take_chunk(self, chunk: Chunk, odd: bool) -> None:
        if chunk.model and not self._model_named:
            self._model_named = True
            self._pieces.put(ModelNamed(chunk.model))
        # One answer is asked for; a server that gives several all the same must not mix them into one.
        choice = next((choice for choice in chunk.choices or () if not choice.index), None)
        if choice is not None:
            self._answered = True
            delta = choice.delta or choice.message
            if delta is not None:
                self._take_delta(delta, odd)
            if choice.finish_reason:
                self._raw_reason = choice.finish_reason
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.prompt_progress is not None:
            progress = chunk.prompt_progress
            self._pieces.put(PromptProgress(count(progress.processed) or 0, count(progress.total)))

    def _take_delta(self, delta: Delta, odd: bool) -> None:
        if delta.reasoning_content or delta.reasoning:
            self._reasoning_field = "reasoning_content" if delta.reasoning_content else "reasoning"
            reasoning = delta.reasoning_content or delta.reasoning or ""
            self._reasoning.add(reasoning)
            self._pieces.add(REASONING, reasoning, odd=odd)
        if delta.content:
            self._pieces.add(TEXT, delta.content, odd=odd)
        elif delta.refusal:
            self._pieces.add(TEXT, delta.refusal, odd=odd)
        if delta.tool_calls:
            for part in delta.tool_calls:
                self._take_tool_call(part, odd)

    def _take_tool_call(self, part: ToolCallPart, odd: bool) -> None:
        try:
            number, new_call = self._calls.place(part)
        except ValueError:
            self.failure = _protocol_error("sent a tool call without a name")
            return
        if new_call is not None:
            self._pieces.begin_call(number, new_call)
        if part.function is not None and part.function.arguments:
            self._pieces.add(number, part.function.arguments, odd=odd)

    def _report_usage(self) -> None:
        usage, self._usage = self._usage, None
        if usage is not None and (usage.prompt_tokens or usage.completion_tokens):
            self._pieces.put(_usage_report(usage))

    def _take_batch(self) -> list[ProviderEvent]:
        if not self.complete:
            self._report_usage()
        return self._pieces.take()

    def _finish(self) -> None:
        if not self._answered:
            self.failure = _protocol_error("ended the stream without an answer")
            return
        try:
            finish = finish_of(self._raw_reason, self._provider_id, has_tool_calls=bool(self._calls))
        except ProviderError as failure:
            self.failure = failure
            return
        self._pieces.abandon_halves()
        self._report_usage()
        reasoning = self._reasoning.text
        if reasoning and (self._calls or self._answers_tools):
            self._pieces.put(ProviderState({self._reasoning_field: reasoning}))
        self._pieces.put(finish)
        self.complete = True


def _usage_report(usage: TokenUsage) -> UsageReport:
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details is not None else None
    prompt, completion, total = count(usage.prompt_tokens), count(usage.completion_tokens), count(usage.total_tokens)
    reasoning = usage.completion_tokens_details
    reasoning_tokens = count(reasoning.reasoning_tokens) if reasoning is not None else None
    if reasoning_tokens and total == (prompt or 0) + (completion or 0) + reasoning_tokens:
        # xAI and Perplexity count the reasoning beside the completion; everybody else counts it in.
        completion = (completion or 0) + reasoning_tokens
    return UsageReport(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_prompt_tokens=count(usage.prompt_cache_hit_tokens if cached is None else cached),
        reasoning_tokens=reasoning_tokens,
        cache_write_tokens=count(details.cache_write_tokens) if details is not None else None,
    )


def _protocol_error(deed: str) -> ProviderError:
    return ProviderError("PROVIDER_PROTOCOL_ERROR", f"The provider {deed}.")
