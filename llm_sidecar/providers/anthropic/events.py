"""What Anthropic's Messages API sends: the events of a stream, the whole message, the list of models.

Law: typed and tolerant. Only the fields that are used; every one of them may be missing or null (other servers speak
this format too); unknown ones are skipped unread. Values only: what they mean is `stream`'s business. The
shapes are those of the official SDK's types (`RawMessageStreamEvent`, `Message`, `ModelInfo`).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from llm_sidecar.providers.token_counts import Number


class OutputDetails(Struct, gc=False):
    thinking_tokens: Number = None


class MessageUsage(Struct, gc=False):
    """Cumulative within one message; `message_delta` leaves out what has not changed."""

    input_tokens: Number = None
    cache_creation_input_tokens: Number = None
    cache_read_input_tokens: Number = None
    output_tokens: Number = None
    output_tokens_details: OutputDetails | None = None


class Delta(Struct, gc=False):
    """Of a content block (one of the first four) or, with `stop_reason`, of the message."""

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    stop_reason: str | None = None


class ContentBlock(Struct, gc=False):
    """A block as it begins, or a whole one."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None


class Message(Struct, gc=False):
    """A whole message, or its beginning. Its blocks stay as they came: some go back unread in the next turn."""

    content: list[dict[str, Any]] | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: MessageUsage | None = None
    error: Any = None


class StreamEvent(Struct, gc=False):
    """Every kind of event in one: `type` says which fields it has."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: dict[str, Any] | None = None
    message: Message | None = None
    usage: MessageUsage | None = None
    error: Any = None


class ModelInfo(Struct, gc=False):
    id: str = ""
    display_name: str | None = None
    max_input_tokens: Number = None
    max_tokens: Number = None


class ModelPage(Struct, gc=False):
    """A page of models; `last_id` asks for the next one where there is more."""

    data: list[ModelInfo] | None = None
    has_more: bool | None = None
    last_id: str | None = None


decode_event = msgspec.json.Decoder(StreamEvent).decode
decode_message = msgspec.json.Decoder(Message).decode
decode_models = msgspec.json.Decoder(ModelPage).decode


def decode_odd_event(data: bytes) -> StreamEvent:
    r"""As `decode_event`, but slower and lenient: `NaN` passes, and in texts half a surrogate pair (`"\ud83d"`)."""
    return msgspec.convert(json.loads(data.decode("utf-8")), StreamEvent)


def content_block(block: dict[str, Any]) -> ContentBlock:
    """A block, typed. Raises `msgspec.ValidationError`."""
    return msgspec.convert(block, ContentBlock)
