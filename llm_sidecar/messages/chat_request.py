"""OpenAI's request for a chat completion, as hosts send it.

Law: names and shapes are OpenAI's own, in snake_case; every field of its request is known here. A type takes what can
be honoured, or makes no difference to the answer. What a type cannot say (`store`: only false) is
`services.completions.request`'s to refuse.

Two fields of an assistant's message are not OpenAI's: `reasoning_content`, the model's reasoning, as DeepSeek and
others call it; and `provider_state`, what a provider wants to see again. A host that sends an answer's message back as
it came loses neither.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from llm_sidecar.messages.content import CallId, CallName
from llm_sidecar.messages.shape import LongText


class OpenAIParams(Struct, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object of OpenAI's that a host sends: unknown fields are an error."""


ToolName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 letters, digits, `_` or `-`")]
MaxTokens = Annotated[int, Meta(ge=1, le=100_000)]
StopSequence = Annotated[str, Meta(min_length=1, max_length=500)]
Zero = Annotated[float, Meta(ge=0, le=0)]

# --- what the conversation is made of ---


class ChatTextPart(OpenAIParams, kw_only=True, tag_field="type", tag="text"):
    """`{type: "text", text}`, at most 100,000 characters."""

    text: LongText
    prompt_cache_breakpoint: dict[str, Any] | None = None


class ChatRefusalPart(OpenAIParams, kw_only=True, tag_field="type", tag="refusal"):
    """What a model said instead of an answer."""

    refusal: LongText


class ChatImageUrl(OpenAIParams, kw_only=True):
    """The address of an image, or the image itself: `data:image/png;base64,…`."""

    url: Annotated[str, Meta(min_length=1)]
    detail: Literal["auto"] | None = None


class ChatImagePart(OpenAIParams, kw_only=True, tag_field="type", tag="image_url"):
    """`{type: "image_url", image_url: {url}}`."""

    image_url: ChatImageUrl
    prompt_cache_breakpoint: dict[str, Any] | None = None


TextContent = LongText | Annotated[list[ChatTextPart], Meta(min_length=1, max_length=100)]
UserContent = LongText | Annotated[list[ChatTextPart | ChatImagePart], Meta(min_length=1, max_length=100)]
AnswerContent = LongText | Annotated[list[ChatTextPart | ChatRefusalPart], Meta(max_length=100)]


class ChatFunctionCall(OpenAIParams, kw_only=True):
    """`arguments` is JSON text, exactly as the model wrote it (it may be invalid JSON)."""

    name: CallName
    arguments: str


class ChatToolCall(OpenAIParams, kw_only=True):
    """A call the model made."""

    id: CallId
    type: Literal["function"]
    function: ChatFunctionCall


class ChatSystemMessage(OpenAIParams, kw_only=True, tag_field="role", tag="system"):
    content: TextContent
    name: str | None = None


class ChatDeveloperMessage(OpenAIParams, kw_only=True, tag_field="role", tag="developer"):
    """Newer models' name for a system message."""

    content: TextContent
    name: str | None = None


class ChatUserMessage(OpenAIParams, kw_only=True, tag_field="role", tag="user"):
    content: UserContent
    name: str | None = None


class ChatAssistantMessage(OpenAIParams, kw_only=True, tag_field="role", tag="assistant"):
    """An answer. The `message` of a completion can be sent back as it came."""

    content: AnswerContent | None = None
    refusal: LongText | None = None
    tool_calls: Annotated[list[ChatToolCall], Meta(max_length=128)] | None = None
    reasoning_content: str | None = None
    provider_state: dict[str, Any] | None = None
    name: str | None = None
    annotations: Annotated[list[Any], Meta(max_length=0)] | None = None
    audio: dict[str, Any] | None = None
    function_call: dict[str, Any] | None = None


class ChatToolMessage(OpenAIParams, kw_only=True, tag_field="role", tag="tool"):
    """What came of a call. (`name` is told by the call.)"""

    content: TextContent
    tool_call_id: CallId
    name: str | None = None


ChatMessage = ChatSystemMessage | ChatDeveloperMessage | ChatUserMessage | ChatAssistantMessage | ChatToolMessage

# --- the other options ---


class ChatFunction(OpenAIParams, kw_only=True):
    """A function the model may call; `parameters` is a JSON Schema object."""

    name: ToolName
    description: Annotated[str, Meta(max_length=10_000)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatTool(OpenAIParams, kw_only=True):
    type: Literal["function"]
    function: ChatFunction


class ChatFunctionName(OpenAIParams, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=64)]


class ChatToolReference(OpenAIParams, kw_only=True):
    """One of the request's `tools`."""

    type: Literal["function"]
    function: ChatFunctionName


class ChatFunctionChoice(OpenAIParams, kw_only=True, tag_field="type", tag="function"):
    """This tool and no other."""

    function: ChatFunctionName


class ChatAllowedTools(OpenAIParams, kw_only=True):
    mode: Literal["auto", "required"]
    tools: Annotated[list[ChatToolReference], Meta(min_length=1, max_length=128)]


class ChatAllowedToolsChoice(OpenAIParams, kw_only=True, tag_field="type", tag="allowed_tools"):
    """Only these of the request's `tools`."""

    allowed_tools: ChatAllowedTools


ChatToolChoice = Literal["none", "auto", "required"] | ChatFunctionChoice | ChatAllowedToolsChoice


class ChatTextFormat(OpenAIParams, kw_only=True, tag_field="type", tag="text"):
    """Free text."""


class ChatJsonFormat(OpenAIParams, kw_only=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class ChatJsonSchema(OpenAIParams, kw_only=True):
    name: ToolName
    schema: dict[str, Any]
    description: Annotated[str, Meta(max_length=10_000)] | None = None
    strict: bool | None = None


class ChatJsonSchemaFormat(OpenAIParams, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON that fits `schema`."""

    json_schema: ChatJsonSchema


ChatResponseFormat = ChatTextFormat | ChatJsonFormat | ChatJsonSchemaFormat


class ChatStreamOptions(OpenAIParams, kw_only=True):
    """`include_usage`: one more chunk, without choices, tells the usage. Nothing is obfuscated on a pipe."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatCompletionRequest(OpenAIParams, kw_only=True):
    """OpenAI's request. Without a `model`, it is the provider's default.

    Honoured are `messages` to `reasoning_effort`. The rest is accepted where it makes no difference to the answer, and
    otherwise refused by name: one answer, no log probabilities, penalties or audio, no functions but `tools`.
    """

    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=100)]
    model: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    stream: bool | None = None
    stream_options: ChatStreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_completion_tokens: MaxTokens | None = None
    max_tokens: MaxTokens | None = None
    stop: StopSequence | Annotated[list[StopSequence], Meta(max_length=16)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    tools: Annotated[list[ChatTool], Meta(max_length=128)] | None = None
    tool_choice: ChatToolChoice | None = None
    response_format: ChatResponseFormat | None = None
    reasoning_effort: Literal["low", "medium", "high"] | None = None

    metadata: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    user: str | None = None

    frequency_penalty: Zero | None = None
    logit_bias: Annotated[dict[str, Any], Meta(max_length=0)] | None = None
    logprobs: bool | None = None
    modalities: list[Literal["text"]] | None = None
    n: Literal[1] | None = None
    parallel_tool_calls: bool | None = None
    presence_penalty: Zero | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: bool | None = None
    top_logprobs: Literal[0] | None = None
    verbosity: Literal["medium"] | None = None

    audio: dict[str, Any] | None = None
    function_call: str | dict[str, Any] | None = None
    functions: list[Any] | None = None
    moderation: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
