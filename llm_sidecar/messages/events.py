"""The notifications of an inference. Each carries `inferenceId` and a `seq` that has no gap from 0 on.

Exactly one terminal (`llm:done` or `llm:error`) ends every inference, and it is the last.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from llm_sidecar.messages.content import ToolCall
from llm_sidecar.messages.shape import Shape

UNNUMBERED: Final = -1
"""`seq` of an event that has not been taken by the writer yet."""
ThinkingStatus = Literal["initializing", "processing", "queued", "retrying", "reasoning"]
FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]


class Usage(Shape, kw_only=True):
    """Tokens of one inference. `source`: `reported` by the provider; `estimated` here, where it said nothing; `partial`
    where the stream ended before the provider's own figures (what was reported is kept, the rest estimated).

    Estimated is: one token per four bytes of UTF-8, but at least one per delta received; four per message; 1,000 per
    image. `promptTokens` includes cached ones, `completionTokens` includes reasoning, whoever the provider is."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_prompt_tokens: int | None = None
    """Read from the provider's prompt cache."""
    cache_write_tokens: int | None = None
    """Written to the provider's prompt cache."""
    reasoning_tokens: int | None = None
    source: Literal["reported", "estimated", "partial"]


class Timings(Shape, kw_only=True):
    """Milliseconds: waiting for a slot; from admission to the first content (null: none came); admission to the end."""

    queued_ms: int
    first_token_ms: int | None
    total_ms: int


class InferenceEvent(Shape, kw_only=True):
    """What all of them carry."""

    inference_id: str
    seq: int
    """From 0 on, without a gap."""
    session_id: str | None = None
    """Where it is a session's run."""
    window_id: str | None = None
    """As the request named it."""


class ThinkingEvent(InferenceEvent, kw_only=True):
    """`llm:thinking`: a change of state, or with `status: "reasoning"` a piece of the model's reasoning in `text`."""

    status: ThinkingStatus
    progress: float | None = None
    text: str | None = None
    attempt: int | None = None
    """With `retrying`: the number of the attempt that comes (the first was 1)."""
    retry_after_ms: int | None = None
    code: str | None = None
    """With `retrying`: why the attempt before failed."""
    provider_id: str | None = None
    """With `retrying`: who is asked now, where that is another one (the next of `fallbackProfileIds`)."""


class TokenEvent(InferenceEvent, kw_only=True):
    """`llm:token`: text. `index` counts the provider's deltas; this event holds `count` of them from `index` on."""

    token: str
    """The text; join them all."""
    index: int
    count: int


class ToolCallEvent(InferenceEvent, kw_only=True):
    """`llm:tool-call`: a piece of the call at `index`; `id` and `name` come with its first piece."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments_delta: str


class ProgressEvent(InferenceEvent, kw_only=True):
    """`llm:progress`: for example prompt tokens read so far."""

    current: float
    total: float | None = None
    message: str | None = None


class DoneEvent(InferenceEvent, kw_only=True):
    """`llm:done`: the end of an answer, complete or (with `cancelled`) as far as it came."""

    total_tokens: int
    """As in `usage`."""
    usage: Usage
    cost: float | None
    """US dollars at list price for `usage`; null where the price is not known, 0 for an answer from the cache."""
    finish_reason: FinishReason
    raw_finish_reason: str | None
    """The provider's own word."""
    cancelled: bool = False
    """It was cancelled: this is as far as it came."""
    text: str | None = None
    """The whole text, with `stream: false`."""
    tool_calls: list[ToolCall] | None = None
    provider_state: dict[str, Any] | None = None
    """To be sent back in this answer's message, where the provider wants it."""
    provider_id: str
    """Who answered (a fallback, perhaps)."""
    model_id: str
    """Who answered, as the provider names it."""
    profile_id: str | None = None
    attempts: int
    """How many requests were sent to providers."""
    cached: bool = False
    """From the response cache: nobody was asked."""
    persisted: bool = True
    """False: what belongs to it (the session's turn, its usage) could not be stored."""
    timings: Timings


class ErrorEvent(InferenceEvent, kw_only=True):
    """`llm:error`: the end of an answer that failed; `partialText` is what had come."""

    error: str
    """For people to read."""
    code: str
    """For programs to branch on."""
    retryable: bool
    """Whether trying again can help."""
    retry_after_ms: int | None = None
    """Not before so many milliseconds."""
    details: dict[str, Any] | None = None
    partial_text: str | None = None
    """What had come."""
    usage: Usage
    cost: float | None = None
    """US dollars at list price for `usage`, where it is known; a refused request used nothing."""
    provider_id: str
    model_id: str
    profile_id: str | None = None
    attempts: int
    """How many requests were sent to providers."""
    persisted: bool = True
    timings: Timings


Terminal = DoneEvent | ErrorEvent
"""How an answer ends."""
