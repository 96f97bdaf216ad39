"""Why an answer ended, in OpenAI-compatible servers' words and in ours.

Law: one table for each outcome; the provider's own word always travels beside ours. A word in neither table is `stop`
(`eos`, `end_turn`, whatever comes next year): the server ended its stream as it should.
"""

from __future__ import annotations

from typing import Final, Literal

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.events import Finish

Reason = Literal["stop", "length", "content_filter", "tool_calls"]

_REASONS: Final[dict[str, Reason]] = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "continuation": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "image_prohibited_content": "content_filter",
    "image_recitation": "content_filter",
    "image_other": "content_filter",
    "language": "content_filter",
    "escalation": "content_filter",
    "model_armor": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
}
"""By the word in lower case."""

_FAILURES: Final = {
    "insufficient_system_resource": "PROVIDER_OVERLOADED",
    "error": "SERVER_ERROR",
    "abort": "SERVER_ERROR",
    "malformed_function_call": "SERVER_ERROR",
    "unexpected_tool_call": "SERVER_ERROR",
    "other": "SERVER_ERROR",
    "malformed_response": "SERVER_ERROR",
    "no_image": "SERVER_ERROR",
    "too_many_tool_calls": "SERVER_ERROR",
    "missing_thought_signature": "INVALID_REQUEST",
    "pup_limited_disabled": "AUTH_ERROR",
}
"""Words that mean the answer is not what was asked for. Where asking again can help is in the table of errors."""

_SAY_STOP_BESIDE_TOOL_CALLS: Final = frozenset({"google", "ollama"})


def finish_of(raw: str | None, provider_id: str, *, has_tool_calls: bool) -> Finish:
    """The `Finish` for the provider's word `raw` (None: it gave none). Raises `ProviderError` for a failure."""
    word = (raw or "").lower()
    if word in _FAILURES:
        raise ProviderError(_FAILURES[word], "The provider broke off its answer.", provider_code=word)
    reason = _REASONS.get(word, "stop")
    if reason == "stop" and has_tool_calls and provider_id in _SAY_STOP_BESIDE_TOOL_CALLS:
        reason = "tool_calls"
    return Finish(reason, raw)
