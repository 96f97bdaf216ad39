"""Errors as OpenAI-compatible servers report them → `ProviderError`. Pure: no I/O, no clock unless the answer has none.

Law: the message is a sentence of ours. Of what the provider wrote, only an error code or type of a harmless shape is
passed on; its free text is looked at to classify the error and never forwarded, since servers echo keys and prompts.
The first rule of `_classify` that fits decides.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from llm_sidecar.errors import ProviderError

_QUOTA: Final = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_error",
    }
)
_CONTEXT: Final = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_CONTEXT_TEXTS: Final = (
    "maximum context length",  # vLLM, DeepSeek
    "maximum model length",  # vLLM
    "available context size",  # llama.cpp
    "context length exceeded",
    "maximum prompt length",
)
_MODEL: Final = frozenset({"model_not_found", "invalid_model", "deploymentnotfound"})
_MODEL_TEXTS: Final = ("model not exist", "model not found", "model does not exist")
_RATE: Final = frozenset({"rate_limit_exceeded", "slow_down", "rate_limit_error", "too_many_requests"})
_OVERLOADED: Final = frozenset(
    {"overloaded_error", "unavailable_error", "service_unavailable", "insufficient_system_resource"}
)
_AUTH: Final = frozenset({"invalid_api_key", "authentication_error", "permission_error"})
_REQUEST: Final = frozenset({"invalid_request_error", "badrequesterror", "not_supported_error"})

_SENTENCES: Final = {
    "INSUFFICIENT_QUOTA": "The account has no credit left or reached its spending limit",
    "CONTEXT_LENGTH_EXCEEDED": "The prompt and the answer asked for do not fit the model's context",
    "INVALID_MODEL": "The provider does not know this model",
    "AUTH_ERROR": "The provider refused the key",
    "RATE_LIMIT": "The provider limits the rate of requests",
    "PROVIDER_OVERLOADED": "The provider is overloaded or still loading the model",
    "SERVER_ERROR": "The provider failed",
    "INVALID_REQUEST": "The provider refused the request",
}
_HARMLESS: Final = re.compile(r"[a-z0-9_.-]{1,64}")
_LONGEST_WAIT_MS: Final = 24 * 3_600_000


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, *, secret: str | None = None
) -> ProviderError:
    """The error an answer with HTTP `status` ≥ 400 stands for. `body` may be cut off or no JSON at all.

    `headers` are looked up in lower case. `secret` is what must not appear in the error (the key that was sent).
    """
    return _error(status, _fields(body), _retry_after_ms(headers), secret)


def error_from_event(body: bytes, *, secret: str | None = None) -> ProviderError:
    """The error that an event in a stream (or a whole answer with HTTP 200) reports; its `code` may be a status."""
    fields = _fields(body)
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    return _error(status, fields, None, secret)


def _error(status: int | None, fields: dict[str, Any], retry_after_ms: int | None, secret: str | None) -> ProviderError:
    names = [name for name in (fields.get("code"), fields.get("type")) if isinstance(name, str)]
    text = fields.get("message")
    kind = _classify(status, {name.lower() for name in names}, text.lower() if isinstance(text, str) else "")
    shown = next((name for name in names if _is_harmless(name, secret)), None)
    facts = ", ".join(fact for fact in (f"HTTP {status}" if status else None, shown) if fact)
    return ProviderError(
        kind,
        f"{_SENTENCES[kind]} ({facts})." if facts else f"{_SENTENCES[kind]}.",
        status=status,
        provider_code=shown,
        retry_after_ms=retry_after_ms,
    )


def _classify(status: int | None, names: set[str], text: str) -> str:
    said_in_stream = status is None
    may_be_context = status in (None, 400, 413, 422)
    rules: tuple[tuple[str, object], ...] = (
        ("INSUFFICIENT_QUOTA", names & _QUOTA or status == 402),
        ("CONTEXT_LENGTH_EXCEEDED", names & _CONTEXT or (may_be_context and any(t in text for t in _CONTEXT_TEXTS))),
        ("INVALID_MODEL", names & _MODEL or any(t in text for t in _MODEL_TEXTS)),
        ("INVALID_MODEL", status == 404 and "model" in text),
        ("AUTH_ERROR", status in (401, 403) or (said_in_stream and names & _AUTH)),
        ("RATE_LIMIT", status == 429 or (said_in_stream and names & _RATE)),
        ("PROVIDER_OVERLOADED", status in (503, 529) or (said_in_stream and names & _OVERLOADED)),
        ("INVALID_REQUEST", said_in_stream and names & _REQUEST),
        ("INVALID_REQUEST", status is not None and status < 500 and status != 408),
        ("SERVER_ERROR", True),
    )
    return next(kind for kind, fits in rules if fits)


def _fields(body: bytes) -> dict[str, Any]:
    """`code`, `type` and `message`, wherever the server puts them: below `error`, at the top, or in a list of one."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict) and "error" in value:
        value = value["error"]
    if isinstance(value, str):
        return {"message": value}
    return value if isinstance(value, dict) else {}


def _is_harmless(name: str, secret: str | None) -> bool:
    return _HARMLESS.fullmatch(name) is not None and not (secret and (name in secret or secret in name))


def _retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """`retry-after-ms`, else `retry-after` in seconds or as an HTTP date (measured from the answer's own `date`)."""
    wait = _number(headers.get("retry-after-ms"))
    if wait is None:
        text = headers.get("retry-after")
        seconds = _number(text)
        if seconds is None:
            until, now = _epoch_seconds(text), _epoch_seconds(headers.get("date"))
            seconds = None if until is None else until - (time.time() if now is None else now)
        wait = None if seconds is None else seconds * 1000
    return None if wait is None else int(min(max(wait, 0), _LONGEST_WAIT_MS))


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text.strip()) else None


def _epoch_seconds(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None
