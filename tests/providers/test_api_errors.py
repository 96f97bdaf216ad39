"""How failures that servers report are typed: the rules. (What each vendor says is in `test_api_error_corpus`.)"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ERROR_KINDS, ProviderError
from llm_sidecar.providers.refusals.reading import error_from_event, error_from_response


def typed(status: int, error: Any = None, headers: dict[str, str] | None = None) -> ProviderError:
    body = b"" if error is None else json.dumps({"error": error}).encode()
    return error_from_response(status, headers or {}, body)


def in_a_stream(error: Any) -> ProviderError:
    return error_from_event(json.dumps({"error": error}).encode())


STATUSES = {
    **dict.fromkeys(range(400, 500), "INVALID_REQUEST"),
    **dict.fromkeys(range(500, 600), "SERVER_ERROR"),
    401: "AUTH_ERROR",
    402: "INSUFFICIENT_QUOTA",
    403: "AUTH_ERROR",
    408: "SERVER_ERROR",
    409: "SERVER_ERROR",
    413: "CONTEXT_LENGTH_EXCEEDED",
    425: "SERVER_ERROR",
    429: "RATE_LIMIT",
    498: "PROVIDER_OVERLOADED",
    499: "SERVER_ERROR",
    501: "INVALID_REQUEST",
    503: "PROVIDER_OVERLOADED",
    529: "PROVIDER_OVERLOADED",
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_without_a_word_is_enough(status: int) -> None:
    failure = typed(status)
    assert failure.code == STATUSES[status]
    assert failure.retryable == ERROR_KINDS[failure.code].retryable
    assert failure.details == {"status": status}
    assert f"(HTTP {status})." in failure.message


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("insufficient_quota", "INSUFFICIENT_QUOTA"),
        ("billing_error", "INSUFFICIENT_QUOTA"),
        ("context_length_exceeded", "CONTEXT_LENGTH_EXCEEDED"),
        ("request_too_large", "CONTEXT_LENGTH_EXCEEDED"),
        ("model_not_found", "INVALID_MODEL"),
        ("invalid_api_key", "AUTH_ERROR"),
        ("authentication_error", "AUTH_ERROR"),
        ("permission_error", "AUTH_ERROR"),
        ("UNAUTHENTICATED", "AUTH_ERROR"),
        ("PERMISSION_DENIED", "AUTH_ERROR"),
        ("rate_limit_error", "RATE_LIMIT"),
        ("rate_limit_exceeded", "RATE_LIMIT"),
        ("slow_down", "RATE_LIMIT"),
        ("RESOURCE_EXHAUSTED", "RATE_LIMIT"),
        ("overloaded_error", "PROVIDER_OVERLOADED"),
        ("UNAVAILABLE", "PROVIDER_OVERLOADED"),
        ("timeout_error", "SERVER_ERROR"),
        ("DEADLINE_EXCEEDED", "SERVER_ERROR"),
        ("INTERNAL", "SERVER_ERROR"),
        ("conflict_error", "SERVER_ERROR"),
        ("content_filter", "INVALID_REQUEST"),
        ("not_supported_error", "INVALID_REQUEST"),
        ("INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("something_new", "SERVER_ERROR"),
    ],
)
@pytest.mark.parametrize("field", ["code", "type", "status"])
def test_in_a_stream_a_name_stands_for_the_status_it_has_otherwise(field: str, name: str, code: str) -> None:
    failure = in_a_stream({field: name, "message": "x"})
    assert failure.code == code
    assert failure.status is None
    assert failure.details == {"providerCode": name}


def test_a_telling_name_beats_a_general_one() -> None:
    assert in_a_stream({"code": "invalid_request_error", "type": "authentication_error"}).code == "AUTH_ERROR"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "x"}, "SERVER_ERROR"),
        ("x", "SERVER_ERROR"),
        ({"code": 429}, "RATE_LIMIT"),
        ({"code": "429"}, "RATE_LIMIT"),
        ({"code": None, "status": 429}, "RATE_LIMIT"),
        ({"code": 400, "message": "x"}, "INVALID_REQUEST"),
        ({"code": 200}, "SERVER_ERROR"),
        ({"code": 4290}, "SERVER_ERROR"),
        ({"code": True}, "SERVER_ERROR"),
        ({"code": 503}, "PROVIDER_OVERLOADED"),
        ({"message": "maximum context length is 5"}, "CONTEXT_LENGTH_EXCEEDED"),
    ],
)
def test_in_a_stream_the_body_names_the_status(error: Any, code: str) -> None:
    failure = in_a_stream(error)
    assert failure.code == code
    named = {"RATE_LIMIT": 429, "INVALID_REQUEST": 400, "PROVIDER_OVERLOADED": 503}
    assert failure.status == named.get(code)


def test_the_status_of_the_answer_beats_the_one_in_its_body() -> None:
    assert typed(500, {"code": 429}).code == "SERVER_ERROR"


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "x", "type": "t", "code": "rate_limit_exceeded"}',
        b'{"object": "error", "message": "x", "code": "rate_limit_exceeded"}',
        b'[{"error": {"code": "rate_limit_exceeded"}}]',
        b'{"error": {"code": "rate_limit_exceeded"}}',
        b'{"error": [{"code": "rate_limit_exceeded"}]}',
        b'{"error": "Too Many Requests", "code": "rate_limit_exceeded"}',
        b'{"error": true, "code": "rate_limit_exceeded"}',
        b'{"error": null, "code": "rate_limit_exceeded"}',
        b'{"detail": {"error": {"code": "rate_limit_exceeded"}}}',
        b'{"type": "error", "error": {"type": "rate_limit_error", "details": {"error_code": "rate_limit_exceeded"}}}',
        b'{"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded"}}}',
    ],
)
def test_the_fields_are_found_wherever_a_server_puts_them(body: bytes) -> None:
    failure = error_from_response(429, {}, body)
    assert failure.details == {"status": 429, "providerCode": "rate_limit_exceeded"}
    assert failure.message == "The provider limits the rate of requests (HTTP 429, rate_limit_exceeded)."


@given(st.binary() | st.text().map(str.encode), st.integers(400, 599))
def test_any_body_gives_an_error(body: bytes, status: int) -> None:
    assert error_from_response(status, {}, body).code in ERROR_KINDS
    assert error_from_event(body).code in ERROR_KINDS


KEYS = """error response detail details metadata innererror violations quotaId retryDelay reason error_code error_type
limit_source code type status message raw""".split()  # noqa: SIM905
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.integers(400, 599), st.dictionaries(st.sampled_from(["retry-after", "x-should-retry"]), st.text()))
def test_fields_of_any_type_give_an_error(body: Any, status: int, headers: dict[str, str]) -> None:
    data = json.dumps(body).encode()
    for failure in (error_from_response(status, headers, data), error_from_event(data)):
        assert failure.code in ERROR_KINDS
        assert failure.retry_after_ms is None or 0 <= failure.retry_after_ms <= 86_400_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"error":' * 100_000,
        b'{"error":' * 50 + b"1" + b"}" * 50,
        b"[]",
        b"[[]]",
        b"null",
        b"429",
        b'{"error": null}',
        b'{"error": [1]}',
        b"<html>",
        b'{"error": {"code": "\xff"}}',
        b'{"error": {"message": "cut off',
    ],
)
def test_odd_bodies_leave_the_status_to_decide(body: bytes) -> None:
    failure = error_from_response(429, {}, body)
    assert failure.code == "RATE_LIMIT"
    assert failure.details == {"status": 429}


@pytest.mark.parametrize("piece", ["model ", "model models/ ", "input token count ", "n_keep ", "\n"])
def test_an_endless_message_is_classified_by_its_beginning(piece: str) -> None:
    """No pattern may take longer than linear time over what a server can send."""
    assert typed(400, {"message": piece * 1_000_000}).code == "INVALID_REQUEST"


@pytest.mark.parametrize("place", ["message", "code", "type", "param", "status", "extra"])
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_the_provider_s_words_are_not_forwarded(place: str, status: int) -> None:
    failure = typed(status, {"message": "bad", place: "Your prompt `tell me a joke` is bad"})
    assert "joke" not in failure.message + repr(failure.details)
    assert "bad" not in failure.message + repr(failure.details)


@pytest.mark.parametrize(
    "name",
    [
        "decimal_above_max_value",
        "invalid_base64_image",
        "bad-request",
        "billing.not.active",
        "FAILED_PRECONDITION",
        "BadRequestError",
        "HTTPException",
    ],
)
def test_a_name_nobody_listed_is_passed_on_where_it_is_made_of_words(name: str) -> None:
    assert typed(400, {"code": name}).details == {"status": 400, "providerCode": name}


@pytest.mark.parametrize(
    "odd",
    [
        *(
            "Has Space",
            "a" * 65,
            "new\nline",
            "ünï",
            "",
            'quo"te',
            "a/b",
            "https://x",
            "a__b",
            "_a",
            "ab",
            "400",
            "1500",
        ),
        *("org-01h8f0aa0ekmrn70", "req_011CZLrUfBVkVHn5T6EqQaf7", "9f8e7d6c5b4a", "qVh-XyZ", "a1b2c3", "abc***xyz"),
        *("None", "error", "response.failed"),
    ],
)
def test_only_a_name_of_a_harmless_shape_is_passed_on(odd: str) -> None:
    assert typed(400, {"code": odd}).details == {"status": 400}


def test_the_first_harmless_name_is_the_one_passed_on() -> None:
    assert typed(401, {"code": "sk-1234", "type": "auth_error"}).details == {
        "status": 401,
        "providerCode": "auth_error",
    }


@pytest.mark.parametrize(
    ("status", "header", "retryable"),
    [
        (429, "true", True),
        (429, "false", False),
        (429, " False ", False),
        (429, "perhaps", True),
        (500, "false", False),
        (400, "true", False),
        (401, "true", False),
    ],
)
def test_a_server_can_forbid_a_retry_but_not_order_one(status: int, header: str, retryable: bool) -> None:
    failure = typed(status, None, {"x-should-retry": header, "retry-after": "1"})
    assert failure.retryable == retryable
    assert failure.retry_after_ms == (1_000 if retryable else None)


def test_a_header_beats_the_wait_in_the_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "9s"}]
    assert typed(429, {"details": details}).retry_after_ms == 9_000
    assert typed(429, {"details": details}, {"retry-after": "2"}).retry_after_ms == 2_000
    assert in_a_stream({"code": 429, "details": details}).retry_after_ms == 9_000
