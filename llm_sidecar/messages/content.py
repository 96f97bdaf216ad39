"""What a conversation is made of: messages, their parts, tools and tool calls, as hosts send and receive them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from llm_sidecar.messages.shape import LongText, Params

LONGEST_CALL_ID: Final = 16_384
"""Characters. LiteLLM puts a signature of Gemini's into the ids of its tool calls."""
LONGEST_CALL_NAME: Final = 200

CallId = Annotated[str, Meta(max_length=LONGEST_CALL_ID)]
CallName = Annotated[str, Meta(min_length=1, max_length=LONGEST_CALL_NAME)]


class TextPart(Params, kw_only=True, tag_field="type", tag="text"):
    """`{type: "text", text}`, at most 100,000 characters."""

    text: LongText


class ImagePart(Params, kw_only=True, tag_field="type", tag="image"):
    """An image by value (`mediaType` and base64 `data`) or by `url`, never both."""

    media_type: Annotated[str, Meta(pattern=r"^image/[a-z0-9.+-]{1,40}$", description="such as `image/png`")] | None = (
        None
    )
    data: str | None = None
    url: Annotated[str, Meta(min_length=1, max_length=8_192)] | None = None

    def __post_init__(self) -> None:
        by_value = self.data is not None and self.media_type is not None
        if by_value == (self.url is not None) or (self.data is None) != (self.media_type is None):
            raise ValueError("needs either `mediaType` and `data`, or `url`")


ContentPart = TextPart | ImagePart


class ToolCall(Params, kw_only=True):
    """A call the model made. `arguments` is JSON text, exactly as the model wrote it (it may be invalid JSON)."""

    id: CallId
    name: CallName
    arguments: str


class Message(Params, kw_only=True):
    """One turn. An assistant turn may carry `toolCalls`; a tool turn answers one by `toolCallId`.

    `providerState` is opaque: what a provider wants to see again (signatures), as an `llm:done` gave it.
    """

    role: Literal["user", "assistant", "system", "tool"]
    content: LongText | Annotated[list[ContentPart], Meta(max_length=100)]
    tool_calls: Annotated[list[ToolCall], Meta(max_length=128)] | None = None
    tool_call_id: CallId | None = None
    provider_state: dict[str, Any] | None = None


class ToolDefinition(Params, kw_only=True):
    """A function the model may call; `parameters` is a JSON Schema object."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 letters, digits, `_` or `-`")]
    description: Annotated[str, Meta(max_length=10_000)] | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema of the arguments."""
    strict: bool | None = None
    """The arguments must fit it, where the provider can see to that."""


class NamedTool(Params, kw_only=True):
    """`toolChoice`: this tool and no other."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]


ToolChoice = Literal["auto", "none", "required"] | NamedTool


class TextFormat(Params, kw_only=True, tag_field="type", tag="text"):
    """Free text."""


class JsonFormat(Params, kw_only=True, tag_field="type", tag="json"):
    """Any JSON object."""


class JsonSchemaFormat(Params, kw_only=True, tag_field="type", tag="jsonSchema"):
    """JSON that fits `schema`."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 letters, digits, `_` or `-`")]
    schema: dict[str, Any]
    strict: bool | None = None


ResponseFormat = TextFormat | JsonFormat | JsonSchemaFormat


class ReasoningOptions(Params, kw_only=True):
    """How much a reasoning model should think; providers take what they know of it."""

    effort: Literal["low", "medium", "high"] | None = None
    budget_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
