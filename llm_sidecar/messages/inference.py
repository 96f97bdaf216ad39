"""Inference: the requests a host makes and the results it gets at once; what follows is in `events`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from llm_sidecar.messages.content import Message, ReasoningOptions, ResponseFormat, ToolChoice, ToolDefinition
from llm_sidecar.messages.shape import Count, InferenceId, LongText, Params, Shape, WindowId


class RetryOptions(Params, kw_only=True):
    """Retries before the first content; 0 turns them off."""

    max_retries: Annotated[int, Meta(ge=0, le=10)] = 2


class AnswerOptions(Params, kw_only=True):
    """How an answer is asked for, whatever it answers. Times are milliseconds."""

    inference_id: InferenceId | None = None
    """The host's own name for it; made here where it is left out."""
    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    """A stored profile. Where neither it nor a provider is named: the active one."""
    provider_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    """One of `llm:providers:list`, with the key and the address of the environment."""
    model_id: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    """Default: the profile's, else the provider's."""
    system_prompt: LongText | None = None
    """Said to the model before the messages."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """Left to the model where it is not named."""
    max_tokens: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """The most the answer may have."""
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: Annotated[list[Annotated[str, Meta(min_length=1, max_length=500)]], Meta(max_length=16)] | None = None
    """Texts before which the answer ends."""
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    """For the same answer again, as far as the provider can."""
    stream: bool = True
    """False: no `llm:token`; `llm:done` has the whole `text`."""
    timeout_ms: Annotated[int, Meta(ge=1_000, le=600_000)] | None = None
    """For the whole of it, retries included. Default: the limit `inferenceTimeoutMs`."""
    first_token_timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] | None = None
    """Until the first content of an attempt. Default: the limit `firstTokenTimeoutMs`."""
    chunk_timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] | None = None
    """Between two pieces. Default: the limit `chunkTimeoutMs`."""
    tools: Annotated[list[ToolDefinition], Meta(max_length=128)] | None = None
    """What the model may call; the host does what is called and sends the results as messages."""
    tool_choice: ToolChoice | None = None
    """Whether it may, must or must not call one, or which."""
    response_format: ResponseFormat | None = None
    """Text, any JSON object, or JSON that fits a schema."""
    reasoning: ReasoningOptions | None = None
    retry: RetryOptions | None = None
    fallback_profile_ids: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=10)] | None = None
    """Asked in this order where one fails before its first content; a provider's id may stand for a profile."""
    cache: bool = False
    """The same request is answered from memory for an hour."""
    queue: bool = False
    """Wait for a slot where all are taken, instead of `RATE_LIMIT`."""
    window_id: WindowId | None = None
    """The window that its events are for; `llm:window:closed` cancels it."""
    metadata: dict[str, Any] | None = None
    """The host's own; no provider sees it."""


class InferenceParams(AnswerOptions, kw_only=True):
    """`llm:inference`: one streamed answer."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=100)]


class InferenceAccepted(Shape, kw_only=True):
    inference_id: str


class CancelParams(Params, kw_only=True):
    inference_id: InferenceId


class Success(Shape, kw_only=True):
    """`success` is false where the thing named was unknown or already over."""

    success: bool


class AttachParams(Params, kw_only=True):
    """Ask for the events of an inference from `fromSeq` on."""

    inference_id: InferenceId
    from_seq: Count


class AttachedEvent(Shape, kw_only=True):
    """One past notification: its method and its params, as first sent (tokens may be merged differently)."""

    method: str
    params: Any


class AttachResult(Shape, kw_only=True):
    """Past events in order, whether the last is the terminal, and the `seq` of the first event to follow live."""

    events: list[AttachedEvent]
    terminal: bool
    next_seq: int


class WindowClosedParams(Params, kw_only=True):
    window_id: WindowId


class WindowClosedResult(Shape, kw_only=True):
    """How many inferences were cancelled, sessions released from the live limits and ephemeral sessions destroyed."""

    cancelled: int
    released: int
    destroyed: int
