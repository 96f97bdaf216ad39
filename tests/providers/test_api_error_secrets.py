"""A key in an error body, whole, masked or encoded, anywhere: no piece of it is in the error we make of it."""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ERROR_KINDS, ProviderError
from llm_sidecar.providers.refusals.reading import error_from_event, error_from_response
from tests.providers.canary import forms, pieces, said_by, traces_of
from tests.providers.error_corpus import CORPUS, RecordedError

BASE62 = string.ascii_letters + string.digits
KINDS = [
    ("sk-proj-", BASE62 + "-_", 48),
    ("sk-ant-api03-", BASE62 + "-_", 48),
    ("sk-or-v1-", "0123456789abcdef", 64),
    ("gsk_", BASE62, 40),
    ("AIza", BASE62 + "-_", 35),
    ("sk-", BASE62, 24),
    ("", "0123456789abcdef", 32),
]
"""What vendors' keys look like: how they begin, of which characters, how many."""


def key_of(kind: tuple[str, str, int], seed: int) -> str:
    prefix, alphabet, length = kind
    return prefix + "".join(random.Random(seed).choices(alphabet, k=length))


KEYS = st.builds(key_of, st.sampled_from(KINDS), st.integers(0, 2**32))


def assert_silent(failure: ProviderError, key: str) -> None:
    assert failure.code in ERROR_KINDS
    assert traces_of(key, said_by(failure)) == []


def planted(value: Any, text: str, leaf: int) -> Any:
    """`value` with its string number `leaf` replaced by `text`."""
    count = -1

    def plant(part: Any) -> Any:
        nonlocal count
        if isinstance(part, dict):
            return {name: plant(inner) for name, inner in part.items()}
        if isinstance(part, list):
            return [plant(inner) for inner in part]
        count += isinstance(part, str)
        return text if isinstance(part, str) and count == leaf else part

    return plant(value)


RECORDED = [error for error in CORPUS.values() if error.body.startswith((b"{", b"["))]


@given(st.sampled_from(RECORDED), KEYS, st.integers(0, 12), st.data())
def test_a_key_in_any_field_of_any_vendor_s_error_stays_there(
    recorded: RecordedError, key: str, leaf: int, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from([*forms(key).values(), *pieces(key)]))
    body = json.dumps(planted(json.loads(recorded.body), text, leaf)).encode()
    headers = {
        **recorded.headers,
        data.draw(st.sampled_from(["retry-after", "x-should-retry", "date", "x-echo"])): text,
    }
    status = recorded.status or 401
    for failure in (error_from_response(status, headers, body, secret=key), error_from_event(body, secret=key)):
        assert_silent(failure, key)


@given(st.binary(max_size=50), st.binary(max_size=50), KEYS, st.integers(400, 599), st.data())
def test_a_key_among_any_bytes_stays_there(
    before: bytes, after: bytes, key: str, status: int, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from([*forms(key).values()]))
    body = before + text.encode() + after
    for failure in (
        error_from_response(status, {"retry-after": text}, body, secret=key),
        error_from_event(body, secret=key),
    ):
        assert_silent(failure, key)


WORDLIKE_KEY = "sk-proj-qVhbRtZsnWkdLmPxYcGf"
"""No digit in it: its pieces look most like words."""


@pytest.mark.parametrize("field", ["code", "type", "status", "error_type", "reason"])
@pytest.mark.parametrize("piece", [WORDLIKE_KEY, *pieces(WORDLIKE_KEY)])
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_a_piece_of_the_key_is_no_provider_code(field: str, piece: str, change: Any) -> None:
    body = json.dumps({"error": {field: change(piece), "param": "x", "type": "invalid_request_error"}}).encode()
    failure = error_from_response(401, {}, body, secret=WORDLIKE_KEY)
    assert failure.code == "AUTH_ERROR"
    assert (failure.details or {}).get("providerCode") in ("invalid_request_error", None)
    for end in (WORDLIKE_KEY[:8], WORDLIKE_KEY[-4:]):
        assert end.lower() not in said_by(failure).lower()


def test_a_listed_name_is_passed_on_though_the_key_shares_letters_with_it() -> None:
    body = b'{"error": {"code": "project_spend_limit_exceeded", "type": "insufficient_quota"}}'
    failure = error_from_response(429, {}, body, secret=WORDLIKE_KEY)
    assert failure.details == {"status": 429, "providerCode": "project_spend_limit_exceeded"}


@pytest.mark.parametrize("short", ["", "x", "none"])
def test_a_placeholder_for_a_key_hides_no_listed_name(short: str) -> None:
    body = b'{"error": {"type": "invalid_request_error"}}'
    failure = error_from_response(400, {}, body, secret=short)
    assert failure.details == {"status": 400, "providerCode": "invalid_request_error"}
