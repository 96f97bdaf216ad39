"""How failures that servers report are typed."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ERROR_KINDS, ProviderError
from llm_sidecar.providers.api_errors import error_from_event, error_from_response

CANARY = "sk-proj-Canary0123456789abcdef"


def typed(status: int, error: Any = None, headers: dict[str, str] | None = None) -> ProviderError:
    body = b"" if error is None else json.dumps({"error": error}).encode()
    return error_from_response(status, headers or {}, body)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (
            429,
            {"type": "insufficient_quota", "code": "insufficient_quota", "message": "You exceeded"},
            "INSUFFICIENT_QUOTA",
        ),
        (429, {"type": "insufficient_quota"}, "INSUFFICIENT_QUOTA"),
        (429, {"code": "credit_balance_exhausted"}, "INSUFFICIENT_QUOTA"),
        (429, {"code": "organization_spend_limit_exceeded"}, "INSUFFICIENT_QUOTA"),
        (429, {"code": "project_spend_limit_exceeded"}, "INSUFFICIENT_QUOTA"),
        (429, {"code": "organization_usage_limit_exceeded"}, "INSUFFICIENT_QUOTA"),
        (400, {"type": "billing_error"}, "INSUFFICIENT_QUOTA"),
        (402, {"message": "Insufficient Balance", "type": "unknown_error"}, "INSUFFICIENT_QUOTA"),
        (402, None, "INSUFFICIENT_QUOTA"),
        (429, {"type": "tokens", "code": "rate_limit_exceeded"}, "RATE_LIMIT"),
        (429, {"code": "slow_down"}, "RATE_LIMIT"),
        (429, {"type": "rate_limit_error"}, "RATE_LIMIT"),
        (429, None, "RATE_LIMIT"),
        (401, {"code": "invalid_api_key"}, "AUTH_ERROR"),
        (401, None, "AUTH_ERROR"),
        (403, {"message": "Country not supported"}, "AUTH_ERROR"),
        (404, {"code": "model_not_found", "message": "The model `x` does not exist"}, "INVALID_MODEL"),
        (404, {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}, "INVALID_MODEL"),
        (404, {"message": "model 'x' not found", "type": "api_error"}, "INVALID_MODEL"),
        (404, {"code": "DeploymentNotFound"}, "INVALID_MODEL"),
        (400, {"message": "Model Not Exist", "type": "invalid_request_error"}, "INVALID_MODEL"),
        (404, {"code": 404, "message": "File Not Found", "type": "not_found_error"}, "INVALID_REQUEST"),
        (404, None, "INVALID_REQUEST"),
        (400, {"code": "context_length_exceeded"}, "CONTEXT_LENGTH_EXCEEDED"),
        (400, {"code": 400, "type": "exceed_context_size_error", "n_ctx": 512}, "CONTEXT_LENGTH_EXCEEDED"),
        (400, {"message": "This model's maximum context length is 4096 tokens."}, "CONTEXT_LENGTH_EXCEEDED"),
        (400, {"message": "The prompt is longer than the maximum model length of 9."}, "CONTEXT_LENGTH_EXCEEDED"),
        (400, {"message": "the request exceeds the available context size"}, "CONTEXT_LENGTH_EXCEEDED"),
        (400, {"type": "invalid_request_error"}, "INVALID_REQUEST"),
        (400, "a bare string", "INVALID_REQUEST"),
        (405, None, "INVALID_REQUEST"),
        (413, None, "INVALID_REQUEST"),
        (422, {"message": "field required"}, "INVALID_REQUEST"),
        (408, None, "SERVER_ERROR"),
        (500, {"type": "server_error"}, "SERVER_ERROR"),
        (502, None, "SERVER_ERROR"),
        (504, None, "SERVER_ERROR"),
        (503, {"message": "Loading model", "type": "unavailable_error", "code": 503}, "PROVIDER_OVERLOADED"),
        (503, None, "PROVIDER_OVERLOADED"),
        (529, {"type": "overloaded_error"}, "PROVIDER_OVERLOADED"),
    ],
)
def test_a_status_and_its_body_become_a_code(status: int, error: Any, code: str) -> None:
    failure = typed(status, error)
    assert failure.code == code
    assert failure.status == status
    assert failure.retryable == ERROR_KINDS[code].retryable
    assert f"HTTP {status}" in failure.message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "x", "type": "server_error"}, "SERVER_ERROR"),
        ({"message": "x"}, "SERVER_ERROR"),
        ("x", "SERVER_ERROR"),
        ({"code": 429}, "RATE_LIMIT"),
        ({"code": 400, "message": "x"}, "INVALID_REQUEST"),
        ({"code": 401}, "AUTH_ERROR"),
        ({"code": 200}, "SERVER_ERROR"),
        ({"code": 503}, "PROVIDER_OVERLOADED"),
        ({"type": "overloaded_error"}, "PROVIDER_OVERLOADED"),
        ({"type": "rate_limit_error"}, "RATE_LIMIT"),
        ({"code": "rate_limit_exceeded"}, "RATE_LIMIT"),
        ({"type": "authentication_error"}, "AUTH_ERROR"),
        ({"type": "invalid_request_error"}, "INVALID_REQUEST"),
        ({"code": "insufficient_quota"}, "INSUFFICIENT_QUOTA"),
        ({"message": "maximum context length is 5"}, "CONTEXT_LENGTH_EXCEEDED"),
    ],
)
def test_an_error_inside_a_stream_becomes_a_code_without_a_status(error: Any, code: str) -> None:
    assert error_from_event(json.dumps({"error": error}).encode()).code == code


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "x", "type": "t", "code": "rate_limit_exceeded"}',
        b'{"object": "error", "message": "x", "code": "rate_limit_exceeded"}',
        b'[{"error": {"code": "rate_limit_exceeded"}}]',
        b'{"error": {"code": "rate_limit_exceeded"}}',
    ],
)
def test_the_fields_are_found_wherever_a_server_puts_them(body: bytes) -> None:
    failure = error_from_response(429, {}, body)
    assert failure.details == {"status": 429, "providerCode": "rate_limit_exceeded"}
    assert failure.message == "The provider limits the rate of requests (HTTP 429, rate_limit_exceeded)."


@given(st.binary() | st.text().map(str.encode), st.integers(400, 599))
def test_any_body_gives_an_error(body: bytes, status: int) -> None:
    assert error_from_response(status, {}, body).code in ERROR_KINDS


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[]", b"[[]]", b"null", b'{"error": null}', b'{"error": [1]}', b"<html>"]
)
def test_odd_bodies_leave_the_status_to_decide(body: bytes) -> None:
    assert error_from_response(429, {}, body).code == "RATE_LIMIT"


@pytest.mark.parametrize("place", ["message", "code", "type", "param", "extra"])
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_the_provider_s_words_are_not_forwarded(place: str, status: int) -> None:
    error = {"message": "bad", place: f"Incorrect API key provided: {CANARY}"}
    failure = typed(status, error)
    assert CANARY not in failure.message + repr(failure.details)
    assert "Incorrect" not in failure.message + repr(failure.details)


@pytest.mark.parametrize("echo", ["sk-lower-case-key", "sk-lower", "x-sk-lower-case-key.y"])
def test_a_key_is_not_forwarded_even_where_it_looks_like_a_code(echo: str) -> None:
    body = json.dumps({"error": {"code": echo, "type": "invalid_request_error"}}).encode()
    failure = error_from_response(401, {}, body, secret="sk-lower-case-key")
    assert failure.details == {"status": 401, "providerCode": "invalid_request_error"}
    assert "sk-" not in failure.message


@pytest.mark.parametrize("odd", ["Has Space", "UPPER", "a" * 65, "new\nline", "ünï", "", 'quo"te', "a/b", "https://x"])
def test_only_a_code_of_a_harmless_shape_is_passed_on(odd: str) -> None:
    assert typed(400, {"code": odd}).details == {"status": 400}


NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after-ms": "1500"}, 1_500),
        ({"retry-after-ms": "1500.7", "retry-after": "9"}, 1_500),
        ({"retry-after": "20"}, 20_000),
        ({"retry-after": " 0.5 "}, 500),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30_000),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
        ({"retry-after": "999999999"}, 86_400_000),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2_000),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Wed, 99 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_the_wait_a_provider_asks_for_is_read_from_its_headers(headers: dict[str, str], wait: int | None) -> None:
    assert typed(429, None, headers).retry_after_ms == wait


def test_a_date_without_the_answer_s_own_date_is_measured_from_now() -> None:
    until = datetime.fromtimestamp(time.time(), UTC) + timedelta(hours=1)
    wait = typed(503, None, {"retry-after": format_datetime(until, usegmt=True)}).retry_after_ms
    assert wait is not None
    assert 3_000_000 < wait <= 3_600_000
