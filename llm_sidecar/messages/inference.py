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
    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    provider_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    model_id: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    system_prompt: LongText | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: Annotated[list[Annotated[str, Meta(min_length=1, max_length=500)]], Meta(max_length=16)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stream: bool = True
    timeout_ms: Annotated[int, Meta(ge=1_000, le=600_000)] | None = None
    first_token_timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] | None = None
    chunk_timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] | None = None
    tools: Annotated[list[ToolDefinition], Meta(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    reasoning: ReasoningOptions | None = None
    retry: RetryOptions | None = None
    fallback_profile_ids: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=10)] | None = None
    cache: bool = False
    queue: bool = False
    window_id: WindowId | None = None
    metadata: dict[str, Any] | None = None


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
