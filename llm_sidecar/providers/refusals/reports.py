"""What the body of an error says, wherever its vendor puts it: bytes in, one `ErrorReport` out. No I/O.

Law: any bytes give a report, and nothing is decided here. Names stay as they were written; free text is there to
classify by and goes no further than `reading`. An envelope is followed inwards; an inner object says more than the
one around it. (`tests/fixtures/errors` has a body of each.)

    {"error": {"message", "type", "code"}}                      OpenAI, Azure, Groq, DeepSeek, LM Studio, llama.cpp,
                                                                vLLM, Ray Serve, LiteLLM ("code": "429")
    {"error": {"code": 402, "message", "metadata": {…}}}        OpenRouter
    {"error": "text"}                                           Ollama
    {"type": "error", "error": {"type", "message", "details"}}  Anthropic
    {"error": {"code", "status", "message", "details": […]}}    Google; or a list of one such object
    {"object": "error", "message", "type", "code"}              Mistral, older vLLM
    {"type": "error", "code", "message"}                        OpenAI Responses, inside a stream
    {"type": "response.failed", "response": {"error": {…}}}     the same, at its end
    {"detail": "text"}                                          FastAPI: whatever stands in front of a model
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from llm_sidecar.providers.refusals.retry_after import duration_ms

_WRAPPERS: Final = ("error", "response", "detail")
_MAX_DEPTH: Final = 3
_MAX_TEXT: Final = 4_000
"""Characters of free text looked at: what an error is about is said in its first sentence."""

_SAYS_NOTHING: Final = frozenset(
    {"error", "failed", "none", "null", "unknown", "unknown_error", "response.failed", "response.error"}
)
_SAYS_LITTLE: Final = "invalid_request_error"
"""Beside it, a second name says what is wrong: DeepSeek gives every error this code."""
_CONTENT_FILTER: Final = "ResponsibleAIPolicyViolation"
"""Azure's inner code for what its outer one, where there is one, calls `content_filter`."""


class ErrorReport(Struct, frozen=True):
    """One error, in its vendor's words. `names` are codes, types, statuses and reasons, the most telling first."""

    names: tuple[str, ...] = ()
    text: str = ""
    """Its free text in lower case: for classifying, never for showing."""
    status: int | None = None
    """The HTTP status the body itself names: errors inside a stream have no other."""
    param: str | None = None
    """The field of the request that is at fault."""
    retry_after_ms: int | None = None


def read_error(body: bytes) -> ErrorReport:
    """The report in `body`, which may be cut off or no JSON at all (then it is empty)."""
    levels = _levels(_decoded(body))
    names = [name for name in _names(levels) if name.lower() not in _SAYS_NOTHING]
    details = [detail for level in levels for detail in _details(level)]
    waits = (duration_ms(detail.get("retryDelay")) for detail in details)
    return ErrorReport(
        names=tuple(sorted(names, key=lambda name: name == _SAYS_LITTLE)),
        text="\n".join(text for level in levels for text in _texts(level))[:_MAX_TEXT].lower(),
        status=next((status for level in levels if (status := _status(level)) is not None), None),
        param=next((param for level in levels for param in _strings(level, "param")), None),
        retry_after_ms=next((wait for wait in waits if wait is not None), None),
    )


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _levels(value: object) -> list[dict[str, Any]]:
    """The error object and those around it, the innermost first."""
    levels: list[dict[str, Any]] = []
    while len(levels) < _MAX_DEPTH:
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str):
            value = {"message": value}
        if not isinstance(value, dict):
            break
        levels.insert(0, value)
        value = next((value[key] for key in _WRAPPERS if value.get(key)), None)
    return levels


def _details(level: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What says more than the object itself: Anthropic's `details`, Google's list of them, OpenRouter's `metadata`."""
    details = level.get("details")
    for part in (*(details if isinstance(details, list) else [details]), level.get("metadata")):
        if isinstance(part, dict):
            yield part


def _names(levels: list[dict[str, Any]]) -> Iterator[str]:
    for level in levels:
        inner = level.get("innererror")
        if isinstance(inner, dict) and inner.get("code") == _CONTENT_FILTER:
            yield "content_filter"
        for part in (*_details(level), level):
            yield from _strings(part, "error_code", "reason", "limit_source", "error_type")
    for level in levels:
        yield from _strings(level, "code", "type", "status")


def _texts(level: dict[str, Any]) -> Iterator[str]:
    yield from _strings(level, "message")
    for part in _details(level):
        yield from _strings(part, "raw")
        violations = part.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                yield from _strings(violation, "quotaId")


def _strings(part: dict[str, Any], *keys: str) -> Iterator[str]:
    return (value for key in keys if isinstance(value := part.get(key), str) and value)


def _status(level: dict[str, Any]) -> int | None:
    """LiteLLM and Azure write the number as a string, Azure and Ollama's cloud under `status`."""
    for key in ("code", "status"):
        value = level.get(key)
        if isinstance(value, str) and len(value) == 3 and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None
