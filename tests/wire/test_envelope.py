"""One line's meaning: request, notification, response, batch, or what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ERROR_KINDS, SidecarError
from llm_sidecar.wire.envelope import (
    Batch,
    Invalid,
    Notification,
    Request,
    Response,
    decode_line,
    encode_batch,
    encode_error,
    encode_notification,
    encode_result,
)
from llm_sidecar.wire.error_codes import NUMBER_OF_CODE, error_object

MESSAGES = Request | Notification | Response | Invalid

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
members = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2.0, None]),
        "id": json_values,
        "method": st.sampled_from(["ping", 1, None]),
        "params": json_values,
        "result": json_values,
        "error": json_values,
    },
)


def decoded(value: Any) -> Any:
    return decode_line(json.dumps(value).encode(), 100)


def problem(line: bytes) -> tuple[Any, str]:
    """The id and the code with which a line is refused."""
    message = decode_line(line, 100)
    assert isinstance(message, Invalid)
    return message.id, message.error.code


@given(st.binary(max_size=60))
def test_every_line_of_bytes_is_classified(line: bytes) -> None:
    assert isinstance(decode_line(line, 100), MESSAGES | Batch)


@given(st.one_of(members, json_values, st.lists(st.one_of(members, json_values), max_size=5)))
def test_every_json_value_is_classified_and_keeps_its_id(value: Any) -> None:
    message = decoded(value)
    if isinstance(value, list) and value:
        assert isinstance(message, Batch)
        assert len(message.items) == len(value)
    elif isinstance(value, dict) and isinstance(message, Request):
        assert value["jsonrpc"] == "2.0"
        assert message.id == value["id"]
    elif isinstance(value, dict) and isinstance(message, Invalid):
        given_id = value.get("id")
        is_valid = isinstance(given_id, str | int | float) and not isinstance(given_id, bool)
        assert message.id == (given_id if is_valid else None)


@pytest.mark.parametrize(
    "request_id",
    [
        1,
        0,
        -1,
        1.5,
        -0.0,
        "",
        "1",
        "é😀\u0000\u2028",
        2**53 + 1,
        2**63,
        2**64,
        -(2**70),
        10**200,
        1e-300,
        1.7e308,
        None,
    ],
)
def test_an_id_of_any_type_comes_back_as_it_was(request_id: Any) -> None:
    message = decoded({"jsonrpc": "2.0", "id": request_id, "method": "ping"})
    assert isinstance(message, Request)
    for line in (encode_result(message.id, {}), encode_error(message.id, SidecarError("OVERLOADED", ""))):
        answer = json.loads(line)
        assert answer["id"] == request_id
        assert type(answer["id"]) is type(request_id)


@pytest.mark.parametrize("request_id", [True, False, [], {}, [1], {"a": 1}])
def test_an_id_of_no_allowed_type_is_refused_under_null(request_id: Any) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "ping"}).encode()
    assert problem(line) == (None, "INVALID_MESSAGE")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"{", "unended"),
        (b"{}{}", "two values"),
        (b"nul", "no value"),
        (b'{"a": NaN}', "no number"),
        (b"[Infinity]", "no number"),
        (b"1e400", "too large a number"),
        (b'"\xff"', "no UTF-8 in a string"),
        (b'{"a": "\xff", "jsonrpc": "2.0", "method": "ping", "id": 1}', "no UTF-8 in a member nobody reads"),
        (b'"\xed\xa0\x80"', "an encoded surrogate"),
        (b'"\xc0\xaf"', "an overlong form"),
        (b'"\xf4\x90\x80\x80"', "beyond Unicode"),
        (b"\xff{}", "no UTF-8 outside strings"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b'"\\udc00\\ud800"', "surrogates the wrong way round"),
        (b'"a\tb"', "a control character in a string"),
        (b"\xef\xbb\xbf{}", "a byte order mark within the stream"),
        (b"\xa0{}", "white space JSON does not know"),
        (b"[" * 100_000, "too deep"),
        (b"[" * 5_000 + b"]" * 5_000, "too deep, and well formed"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "too deep, and well formed"),
        (b"7" * 100_000, "too long a number"),
    ],
)
def test_what_is_not_strict_json_in_utf8_is_a_parse_error(line: bytes, what: str) -> None:
    assert problem(line) == (None, "PARSE_ERROR"), what


@pytest.mark.parametrize(
    ("members", "request_id"),
    [
        (r'"id": 7, "params": {"text": "a\ud83d"}', 7),
        (r'"id": "é", "params": ["\uDE00 b"]', "é"),
        (r'"id": 7, "params": {"text": "\ud83d\ude00"}, "more": "\udFFF"', 7),
        (r'"id": "a\ud83d"', None),
        (r'"id": [1], "params": ["\ud83d"]', None),
        (r'"params": ["\ud83d"]', None),
        (r'"id": 7, "params": ["\ud83d", NaN]', None),
        (r'"id": 7, "params": ["\ud83d"', None),
    ],
)
def test_a_text_cut_in_the_middle_of_a_character_is_refused_under_the_id_of_its_request(
    members: str, request_id: Any
) -> None:
    line = f'{{"jsonrpc": "2.0", "method": "ping", {members}}}'.encode()
    assert problem(line) == (request_id, "PARSE_ERROR")


@pytest.mark.parametrize("text", ["\u0000", "\u2028\u2029", "\ufeff", "\uffff", "😀", "e\u0301", "\u007f\u0085"])
def test_a_string_is_never_silently_altered(text: str) -> None:
    for line in (
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": text}, ensure_ascii=ascii) for ascii in (True, False)
    ):
        message = decode_line(line.encode(), 1)
        assert isinstance(message, Request)
        assert message.method == text
        sent = encode_notification(text, {"text": text})
        assert b"\n" not in sent
        assert json.loads(sent) == {"jsonrpc": "2.0", "method": text, "params": {"text": text}}


@pytest.mark.parametrize(
    "message",
    [
        1,
        "ping",
        None,
        True,
        {},
        {"jsonrpc": "2.0"},
        {"jsonrpc": "1.0", "method": "ping"},
        {"method": "ping"},
        {"jsonrpc": 2.0, "method": "ping"},
        {"jsonrpc": "2.0", "method": None},
        {"jsonrpc": "2.0", "method": ["ping"]},
        {"jsonrpc": "2.0", "method": "ping", "params": None},
        {"jsonrpc": "2.0", "method": "ping", "params": "a"},
        {"jsonrpc": "2.0", "method": "ping", "params": 1},
    ],
)
def test_what_is_no_request_is_invalid_and_keeps_its_id(message: Any) -> None:
    assert problem(json.dumps(message).encode()) == (None, "INVALID_MESSAGE")
    if isinstance(message, dict):
        assert problem(json.dumps({**message, "id": "a"}).encode()) == ("a", "INVALID_MESSAGE")


@pytest.mark.parametrize("name", ["ping", "", "rpc.discover", "$/cancelRequest", "ünïcode"])
def test_a_method_may_have_any_name(name: str) -> None:
    assert decoded({"jsonrpc": "2.0", "method": name}) == Notification(name, None)


def test_an_id_of_null_makes_a_request_and_no_notification() -> None:
    assert decoded({"jsonrpc": "2.0", "method": "ping", "id": None}) == Request(None, "ping", None)


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": 1, "result": None},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}},
        {"jsonrpc": "2.0", "result": 1},
        {"id": 1, "result": 1},
        {"jsonrpc": "2.0", "id": [], "error": 1},
    ],
)
def test_a_response_is_known_as_one_however_malformed(message: Any) -> None:
    assert isinstance(decoded(message), Response)


def test_the_last_of_two_equal_members_counts() -> None:
    assert decode_line(b'{"jsonrpc":"2.0","id":1,"method":"a","method":"b","id":2}', 1) == Request(2, "b", None)


def test_a_batch_is_bounded() -> None:
    items = [{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in range(4)]
    assert isinstance(decode_line(json.dumps(items).encode(), 4), Batch)
    message = decode_line(json.dumps(items).encode(), 3)
    assert isinstance(message, Invalid)
    assert (message.id, message.error.code) == (None, "MESSAGE_TOO_LARGE")


def test_a_batch_within_a_batch_is_an_invalid_item() -> None:
    message = decoded([[{"jsonrpc": "2.0", "id": 1, "method": "ping"}], []])
    assert isinstance(message, Batch)
    assert [item.error.code for item in message.items if isinstance(item, Invalid)] == ["INVALID_MESSAGE"] * 2


def test_what_is_sent_has_exactly_the_members_of_the_specification() -> None:
    assert json.loads(encode_result(1, None)) == {"jsonrpc": "2.0", "id": 1, "result": None}
    error = json.loads(encode_error("a", SidecarError("OVERLOADED", "Full.", retry_after_ms=5, details={"a": 1})))
    assert error.pop("error").pop("data").keys() == {"code", "retryable", "retryAfterMs", "details", "timestamp"}
    assert error == {"jsonrpc": "2.0", "id": "a"}
    assert json.loads(encode_batch([encode_result(1, 2), encode_result(2, 3)])) == [
        {"jsonrpc": "2.0", "id": 1, "result": 2},
        {"jsonrpc": "2.0", "id": 2, "result": 3},
    ]


NUMBERS = {
    "PARSE_ERROR": -32700,
    "INVALID_MESSAGE": -32600,
    "MESSAGE_TOO_LARGE": -32600,
    "DUPLICATE_ID": -32600,
    "METHOD_NOT_FOUND": -32601,
    "VALIDATION_ERROR": -32602,
    "INTERNAL_ERROR": -32603,
    "CANCELLED": -32800,
    "OVERLOADED": -32001,
}


@pytest.mark.parametrize("code", ERROR_KINDS)
def test_every_code_has_the_number_hosts_were_promised(code: str) -> None:
    error = error_object(SidecarError(code, "message"))
    assert error.code == NUMBERS.get(code, -32000)
    assert (error.data.code, error.data.retryable) == (code, ERROR_KINDS[code].retryable)


def test_no_number_is_given_to_a_code_that_does_not_exist() -> None:
    assert NUMBER_OF_CODE.keys() <= ERROR_KINDS.keys()
