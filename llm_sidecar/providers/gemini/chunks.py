"""What Gemini's API sends: `GenerateContentResponse` (whole, or a chunk of one) and the pages of its list of models.

Law: typed and tolerant. Only the fields that are used; every one of them may be missing or null (proto3 leaves out what
is zero or empty); unknown ones are skipped unread. Values only: what they mean is `stream`'s and `adapter`'s
business. Source: the types of Google's own SDK, `google-genai`.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw, Struct

from llm_sidecar.providers.decoding.surrogates import mended
from llm_sidecar.providers.token_counts import Number


class FunctionCall(Struct, gc=False):
    """A whole call. `args` is a JSON object, kept as the bytes it came as (not yet known to be UTF-8)."""

    name: str | None = None
    id: str | None = None
    args: Raw = Raw(b"{}")


class Part(Struct, gc=False, rename="camel"):
    """One of text and call. `thought`: the text is reasoning. `thought_signature` (base64) belongs to this part."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(Struct, gc=False):
    parts: list[Part] | None = None


class Candidate(Struct, gc=False, rename="camel"):
    content: Content | None = None
    finish_reason: str | None = None


class UsageMetadata(Struct, gc=False, rename="camel"):
    """Tokens of the whole request so far: prompt (cached ones included) and answer (thoughts not included)."""

    prompt_token_count: Number = None
    tool_use_prompt_token_count: Number = None
    cached_content_token_count: Number = None
    candidates_token_count: Number = None
    thoughts_token_count: Number = None


class PromptFeedback(Struct, gc=False, rename="camel"):
    block_reason: str | None = None


class Chunk(Struct, gc=False, rename="camel"):
    candidates: list[Candidate] | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    prompt_feedback: PromptFeedback | None = None
    error: Any = None


class ModelEntry(Struct, gc=False, rename="camel"):
    """A model; `name` begins with `models/`."""

    name: str = ""
    display_name: str | None = None
    input_token_limit: Number = None
    output_token_limit: Number = None
    supported_generation_methods: list[str] | None = None


class ModelPage(Struct, gc=False, rename="camel"):
    models: list[ModelEntry] | None = None
    next_page_token: str | None = None


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_models = msgspec.json.Decoder(ModelPage).decode
split_array = msgspec.json.Decoder(list[Raw]).decode
"""The elements of a JSON array, each still JSON."""


def decode_odd_chunk(data: bytes) -> Chunk:
    r"""As `decode_chunk`, but slower and lenient: `NaN` passes (a log probability), half a surrogate is replaced."""
    try:
        return decode_chunk(data)
    except msgspec.DecodeError:
        value = json.loads(data.decode("utf-8"), parse_constant=lambda _: None)
        return decode_chunk(mended(json.dumps(value, ensure_ascii=False)))
