"""What OpenAI-compatible servers send: the chat completion, whole, or a chunk of it.

Law: typed and tolerant. Only the fields that are used; every one of them may be missing or null; unknown ones are
skipped unread. Values only: what they mean is `stream`'s business.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from llm_sidecar.providers.decoding.surrogates import mended
from llm_sidecar.providers.exchange import UNREADABLE
from llm_sidecar.providers.token_counts import Number


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
    """`delta` while streaming, `message` in a whole completion. `index`: of several answers, which one."""

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class TokenDetails(Struct, gc=False):
    cached_tokens: Number = None
    cache_write_tokens: Number = None
    reasoning_tokens: Number = None


class TokenUsage(Struct, gc=False):
    prompt_tokens: Number = None
    completion_tokens: Number = None
    total_tokens: Number = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    prompt_cache_hit_tokens: Number = None
    """DeepSeek's name for the cached ones."""


class Progress(Struct, gc=False):
    """llama.cpp with `return_progress`: prompt tokens read so far."""

    processed: Number = None
    total: Number = None


class Chunk(Struct, gc=False):
    choices: list[Choice] | None = None
    usage: TokenUsage | None = None
    model: str | None = None
    error: Any = None
    prompt_progress: Progress | None = None


class ErrorObject(Struct, gc=False):
    """vLLM reports a failure inside a stream as an object of its own kind, not below `error`."""

    object: str | None = None


decode_chunk = msgspec.json.Decoder(Chunk).decode
_decode_error_object = msgspec.json.Decoder(ErrorObject).decode


def decode_odd_chunk(data: bytes) -> Chunk:
    r"""As `decode_chunk`, but slower and lenient: `NaN` passes, and in texts half a surrogate pair (`"\ud83d"`).

    In names, which come whole, halves are replaced.
    """
    chunk = msgspec.convert(json.loads(data.decode("utf-8")), Chunk)
    chunk.model = _mended(chunk.model)
    for choice in chunk.choices or ():
        choice.finish_reason = _mended(choice.finish_reason)
        delta = choice.delta or choice.message
        for part in (delta.tool_calls if delta is not None else None) or ():
            part.id = _mended(part.id)
            if part.function is not None:
                part.function.name = _mended(part.function.name)
    return chunk


def _mended(name: str | None) -> str | None:
    return None if name is None else mended(name)


def is_error_object(data: bytes) -> bool:
    try:
        return _decode_error_object(data).object == "error"
    except UNREADABLE:
        return False
