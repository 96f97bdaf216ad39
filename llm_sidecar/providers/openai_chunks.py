"""What OpenAI-compatible servers send: the chat completion (whole, or a chunk of it) and the list of models.

Law: typed and tolerant. Only the fields that are used; every one of them may be missing or null; unknown ones are
skipped unread. Values only: what they mean is `openai_stream`'s and `openai_chat`'s business.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from msgspec import Struct


class Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class ToolCallPart(Struct, gc=False):
    """A piece of a call, or a whole one. `index` and `id` may be missing; `name` comes with the first piece."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallPart] | None = None


class Choice(Struct, gc=False):
    """`delta` while streaming, `message` in a whole completion."""

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class TokenDetails(Struct, gc=False):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class TokenUsage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for the cached ones."""


class Progress(Struct, gc=False):
    """llama.cpp with `return_progress`: prompt tokens read so far."""

    processed: int = 0
    total: int | None = None


class Chunk(Struct, gc=False):
    choices: list[Choice] | None = None
    usage: TokenUsage | None = None
    model: str | None = None
    error: Any = None
    prompt_progress: Progress | None = None


class ErrorObject(Struct, gc=False):
    """vLLM reports a failure inside a stream as an object of its own kind, not below `error`."""

    object: str | None = None


class ModelMeta(Struct, gc=False):
    n_ctx: int | None = None


class ModelEntry(Struct, gc=False):
    """A model; how its context window is called depends on the server (vLLM, OpenRouter, Groq, llama.cpp)."""

    id: str = ""
    max_model_len: int | None = None
    context_length: int | None = None
    context_window: int | None = None
    meta: ModelMeta | None = None


class ModelList(Struct, gc=False):
    data: list[ModelEntry] | None = None


UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding raises for bytes that are not UTF-8, not JSON, too deep, or not of the wanted shape."""

decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_models = msgspec.json.Decoder(ModelList).decode
_decode_error_object = msgspec.json.Decoder(ErrorObject).decode


def decode_odd_chunk(data: bytes) -> Chunk:
    r"""As `decode_chunk`, but slower and lenient: half a surrogate pair (`"\ud83d"`) and `NaN` are let through."""
    return msgspec.convert(json.loads(data.decode("utf-8")), Chunk)


def is_error_object(data: bytes) -> bool:
    try:
        return _decode_error_object(data).object == "error"
    except UNREADABLE:
        return False
