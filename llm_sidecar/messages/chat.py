"""`llm:chat:completions`: chat completions in OpenAI's own format, for hosts that speak it.

Law: `request`, the result and `chunk` have OpenAI's names, in snake_case; what is around them has ours. What a host
sends is in `chat_request`; what it gets is here. It may hold more than OpenAI's: `reasoning_content` and
`provider_state` (see there), and in `usage` where the figures come from and what they cost.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from llm_sidecar.messages.chat_request import ChatCompletionRequest, ChatToolCall
from llm_sidecar.messages.events import FinishReason
from llm_sidecar.messages.shape import Params, Shape, WindowId

RequestId = str | int | float | None
"""The id of a JSON-RPC request."""


class OpenAIShape(Struct, omit_defaults=True, kw_only=True):
    """A JSON object of OpenAI's that the sidecar sends."""


class ChatCompletionParams(Params, kw_only=True):
    """A request, and who is to answer it: a profile, else a provider, else a named service, else the active profile."""

    request: ChatCompletionRequest
    service: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    """The name of a service; a provider's id is the name of that provider."""
    provider_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    timeout_ms: Annotated[int, Meta(ge=1_000, le=600_000)] | None = None
    queue: bool = False
    window_id: WindowId | None = None


class ChatPromptTokens(OpenAIShape, kw_only=True):
    """Parts of `prompt_tokens`, where the provider tells them."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class ChatCompletionTokens(OpenAIShape, kw_only=True):
    """Parts of `completion_tokens`, where the provider tells them."""

    reasoning_tokens: int | None = None


class ChatUsage(OpenAIShape, kw_only=True):
    """Tokens, and two fields of ours: `source` as in `Usage`, and `cost` in US dollars, null where it is not known."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: ChatPromptTokens | None = None
    completion_tokens_details: ChatCompletionTokens | None = None
    source: Literal["reported", "estimated", "partial"]
    cost: float | None


class ChatAnswer(OpenAIShape, kw_only=True):
    """The model's message. `content` is null where there are only tool calls; a refusal is the content."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: list[ChatToolCall] | None = None
    reasoning_content: str | None = None
    provider_state: dict[str, Any] | None = None


class ChatChoice(OpenAIShape, kw_only=True):
    index: int
    message: ChatAnswer
    finish_reason: FinishReason
    logprobs: None


class ChatCompletion(OpenAIShape, kw_only=True):
    """A whole answer. `created` is in seconds since 1970."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage


class ChatFunctionDelta(OpenAIShape, kw_only=True):
    name: str | None = None
    arguments: str


class ChatToolCallDelta(OpenAIShape, kw_only=True):
    """A piece of the call at `index`; `id`, `type` and the function's name come with its first piece."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: ChatFunctionDelta


class ChatDelta(OpenAIShape, kw_only=True):
    """What is new; `role` comes with the first."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ChatToolCallDelta] | None = None


class ChatChunkChoice(OpenAIShape, kw_only=True):
    index: int
    delta: ChatDelta
    finish_reason: FinishReason | None
    """With the last piece."""
    logprobs: None


class ChatCompletionChunk(OpenAIShape, kw_only=True):
    """A piece of an answer; it may join several of the provider's."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: ChatUsage | None = None


class ChatChunkEvent(Shape, kw_only=True):
    """`llm:chat:chunk`: a piece of the answer to the request `requestId`, before its response."""

    request_id: RequestId
    chunk: ChatCompletionChunk
