"""The decoder of Gemini's format: recorded answers, and everything that may come differently."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.events import (
    Finish,
    ModelNamed,
    ProviderEvent,
    ProviderState,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.providers.gemini.stream import GeminiDecoder
from tests.providers import contract
from tests.providers.contract import finish_of, text_of, tool_calls_of, usage_of
from tests.providers.fault_server import sse
from tests.providers.gemini_fixtures import COMPLETE, FAILING, WHOLE, WHOLE_FAILING, body, call, chunk, text

MAX = 1_000_000
MODEL = "gemini-3-flash-preview"


def decode(*pieces: bytes, max_event_bytes: int = MAX) -> tuple[list[ProviderEvent], ProviderError | None]:
    """The events of a body that ends cleanly, and its failure."""
    return contract.decode(GeminiDecoder(MODEL, max_event_bytes), *pieces)


def decode_whole(data: bytes) -> tuple[list[ProviderEvent], ProviderError | None]:
    decoder = GeminiDecoder(MODEL, MAX)
    events = decoder.feed_whole(data)
    assert decoder.complete == (decoder.failure is None)
    return events, decoder.failure


def decode_chunks(*chunks: object) -> list[ProviderEvent]:
    events, failure = decode(sse(*chunks))
    assert failure is None
    return events


def failure_of(*chunks: object) -> ProviderError:
    events, failure = decode(sse(*chunks))
    assert failure is not None
    assert not any(isinstance(event, Finish) for event in events)
    return failure


def state_of(events: list[ProviderEvent]) -> dict[str, Any] | None:
    return next((event.state["gemini"] for event in events if isinstance(event, ProviderState)), None)


# --- recorded answers ---


def test_text_is_one_delta_with_the_last_usage_and_the_finish_after_it() -> None:
    assert decode(body("text.sse")) == (
        [
            ModelNamed("gemini-2.5-flash"),
            TextDelta("Grüße 👋🏽, world!\n\u2028日本語 {\n[braces] in a text\n} end.", 3),
            UsageReport(7, 21, None, None),
            Finish("stop", "STOP"),
        ],
        None,
    )


def test_thoughts_are_reasoning_and_count_as_completion() -> None:
    events, _ = decode(body("thoughts.sse"))
    assert events == [
        ModelNamed("gemini-2.5-flash"),
        ReasoningDelta("**Counting**\n\nThe user wants a number.\n\nIt is three."),
        TextDelta("There are three.", 2),
        UsageReport(12, 36, None, 31),
        Finish("stop", "STOP"),
    ]


def test_a_call_keeps_its_id_and_its_arguments_as_they_were_written() -> None:
    events, _ = decode(body("tool_call_signed.sse"))
    assert tool_calls_of(events) == [("fc_7d1f0a", "get_weather", '{"city": "Zürich","days": 2,"exact": 0.5}')]
    assert finish_of(events) == Finish("tool_calls", "STOP")


def test_parallel_calls_are_numbered_in_order() -> None:
    events, _ = decode(body("parallel_tool_calls.sse"))
    assert [event for event in events if isinstance(event, ToolCallDelta)] == [
        ToolCallDelta(0, '{"city": "Paris"}', "fc_1", "get_weather"),
        ToolCallDelta(1, '{"city": "London"}', "fc_2", "get_weather"),
        ToolCallDelta(2, "{}", "fc_3", "now"),
    ]
    assert text_of(events) == "Looking both up."


def test_calls_without_ids_are_given_one_each_and_calls_without_arguments_an_empty_object() -> None:
    bare = {"functionCall": {"name": "f", "args": None}}
    assert tool_calls_of(decode_chunks(chunk(bare, finish="STOP")))[0][1:] == ("f", "{}")
    events, _ = decode(body("tool_calls_without_ids.sse"))
    (now, listing) = tool_calls_of(events)
    assert now[1:] == ("now", "{}")
    assert listing[1] == "list"
    assert json.loads(listing[2]) == {"where": 'a"b\\', "deep": {"n": [1, None, True]}}
    assert now[0] != listing[0]


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("max_tokens_in_thoughts.sse", UsageReport(8, 29, None, 29)),
        ("usage_after_finish.sse", UsageReport(3, 2, None, None)),
        ("usage_cached_and_tool_prompt.sse", UsageReport(2114, 13, 2000, 11)),
        ("usage_absent.sse", None),
        ("blocked_safety.sse", UsageReport(6, 0, None, None)),
    ],
)
def test_usage_is_counted_as_google_counts(name: str, usage: UsageReport | None) -> None:
    assert usage_of(decode(body(name))[0]) == usage


FINISHES = {
    "max_tokens": "length",
    "continuation": "length",
    **dict.fromkeys(
        ("safety", "recitation", "language", "blocklist", "prohibited_content", "spii", "escalation", "model_armor"),
        "content_filter",
    ),
    **dict.fromkeys(
        ("image_safety", "image_prohibited_content", "image_other", "image_recitation"),
        "content_filter",
    ),
}
FAILURES = {
    **dict.fromkeys(
        (
            "malformed_function_call",
            "unexpected_tool_call",
            "other",
            "too_many_tool_calls",
            "malformed_response",
            "no_image",
        ),
        "SERVER_ERROR",
    ),
    "missing_thought_signature": "INVALID_REQUEST",
    "pup_limited_disabled": "AUTH_ERROR",
}


@pytest.mark.parametrize(("word", "reason"), FINISHES.items())
def test_a_finish_reason_is_mapped_and_its_word_kept(word: str, reason: str) -> None:
    events, _ = decode(body(f"finish_{word}.sse"))
    assert text_of(events) == "Part of"
    finish = finish_of(events)
    assert (finish.reason, finish.raw) == (reason, word.upper())


@pytest.mark.parametrize(("word", "code"), FAILURES.items())
def test_a_finish_reason_that_is_a_failure_is_one(word: str, code: str) -> None:
    events, failure = decode(body(f"error_finish_{word}.sse"))
    assert text_of(events) == "partial"
    assert failure is not None
    assert failure.code == code
    assert "print" not in failure.message


def test_every_recorded_finish_reason_is_checked() -> None:
    recorded = {name for name in COMPLETE + FAILING if "finish_" in name and "after" not in name}
    assert recorded == {f"finish_{word}.sse" for word in FINISHES} | {f"error_finish_{word}.sse" for word in FAILURES}


def test_calls_beside_another_reason_than_stop_keep_that_reason() -> None:
    assert finish_of(decode(body("tool_call_and_length.sse"))[0]) == Finish("length", "MAX_TOKENS")


@pytest.mark.parametrize("word", ["safety", "other", "prohibited_content"])
def test_a_blocked_prompt_is_filtered_content(word: str) -> None:
    events, _ = decode(body(f"blocked_{word}.sse"))
    assert finish_of(events) == Finish("content_filter", word.upper())
    assert text_of(events) == ""


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("error_data.sse", 503),
        ("error_bare.sse", 503),
        ("error_bare_crlf.sse", 429),
        ("error_bare_array.sse", 500),
        ("error_bare_one_line.sse", 503),
        ("error_after_finish.sse", 503),
    ],
)
def test_an_error_inside_a_stream_is_typed_and_the_text_before_it_is_delivered(name: str, status: int) -> None:
    codes = {429: "RATE_LIMIT", 500: "SERVER_ERROR", 503: "PROVIDER_OVERLOADED"}
    events, failure = decode(body(name))
    assert failure is not None
    assert (failure.code, failure.status) == (codes[status], status)
    assert text_of(events) == "partial"


def test_every_recorded_failure_is_checked() -> None:
    assert len(FAILING) == 6 + len(FAILURES)


@pytest.mark.parametrize("name", ["log_probabilities_nan.sse", "usage_absent.sse"])
def test_what_is_no_json_to_a_strict_reader_is_still_read(name: str) -> None:
    assert text_of(decode(body(name))[0]) == "ab"


def test_other_line_ends_and_comments_are_read() -> None:
    assert text_of(decode(body("lf_and_multi_line_data.sse"))[0]) == "abc"


# --- bodies that are no stream ---


def test_a_whole_response_is_one_batch() -> None:
    events, _ = decode_whole(body("whole.json"))
    (identity,) = [event.id for event in events if isinstance(event, ToolCallDelta)]
    assert identity == "fc_1"
    assert [type(event) for event in events] == [
        ModelNamed,
        ReasoningDelta,
        TextDelta,
        ToolCallDelta,
        UsageReport,
        ProviderState,
        Finish,
    ]
    assert json.loads(tool_calls_of(events)[0][2]) == {"a": 1}


def test_an_array_of_responses_is_the_stream_they_would_have_been() -> None:
    events, _ = decode_whole(body("array.json"))
    assert text_of(events) == "Hello!"
    assert [(i, n) for i, n, _ in tool_calls_of(events)] == [("fc_1", "f")]
    assert usage_of(events) == UsageReport(3, 5, None, None)
    assert finish_of(events) == Finish("tool_calls", "STOP")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("error_whole.json", "PROVIDER_OVERLOADED", ""),
        ("error_array.json", "RATE_LIMIT", ""),
        ("error_array_after_text.json", "PROVIDER_OVERLOADED", "partial"),
    ],
)
def test_an_error_with_status_200_is_typed(name: str, code: str, said: str) -> None:
    events, failure = decode_whole(body(name))
    assert failure is not None
    assert failure.code == code
    assert text_of(events) == said


def test_every_recorded_body_that_is_no_stream_is_checked() -> None:
    assert len(WHOLE + WHOLE_FAILING) == 5


def test_a_blocked_prompt_is_an_answer_without_a_stream_too() -> None:
    events, failure = decode_whole(b'{"promptFeedback": {"blockReason": "SAFETY"}}')
    assert (events, failure) == ([Finish("content_filter", "SAFETY")], None)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "PROVIDER_PROTOCOL_ERROR"),
        (b"hello", "PROVIDER_PROTOCOL_ERROR"),
        (b"[1]", "PROVIDER_PROTOCOL_ERROR"),
        (b"[" * 100_000, "PROVIDER_PROTOCOL_ERROR"),
        (b"[" * 500 + b"]" * 500, "PROVIDER_PROTOCOL_ERROR"),
        (b"[]", "PROVIDER_PROTOCOL_ERROR"),
        (b"{}", "PROVIDER_PROTOCOL_ERROR"),
        (b'{"modelVersion": "m", "usageMetadata": {"promptTokenCount": 1}}', "PROVIDER_PROTOCOL_ERROR"),
        (json.dumps(chunk(text("half"))).encode(), "STREAM_TRUNCATED"),
    ],
)
def test_a_body_without_an_end_is_never_an_answer(data: bytes, code: str) -> None:
    _, failure = decode_whole(data)
    assert failure is not None
    assert failure.code == code


# --- the end ---


@pytest.mark.parametrize("name", COMPLETE)
def test_only_the_end_of_the_body_completes_an_answer(name: str) -> None:
    decoder = GeminiDecoder(MODEL, MAX)
    decoder.feed(body(name))
    assert not decoder.complete
    decoder.end()
    assert decoder.complete


def test_a_stream_that_stops_before_a_finish_reason_is_truncated() -> None:
    assert failure_of(chunk(text("half an ans"))).code == "STREAM_TRUNCATED"
    assert failure_of(chunk(text("half"), finish="FINISH_REASON_UNSPECIFIED")).code == "STREAM_TRUNCATED"
    assert failure_of().code == "STREAM_TRUNCATED"


def test_a_finish_reason_never_heard_of_is_a_stop() -> None:
    assert finish_of(decode_chunks(chunk(text("a"), finish="WHATEVER_COMES"))) == Finish("stop", "WHATEVER_COMES")


def test_content_after_the_finish_reason_still_comes_before_the_finish() -> None:
    events = decode_chunks(chunk(text("a"), finish="STOP"), chunk(text("b")))
    assert events == [TextDelta("ab", 2), Finish("stop", "STOP")]


def test_a_block_in_the_middle_of_an_answer_is_filtered_content() -> None:
    events = decode_chunks(chunk(text("a")), {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    assert events == [TextDelta("a"), Finish("content_filter", "PROHIBITED_CONTENT")]


def test_feedback_that_blocks_nothing_is_no_end() -> None:
    assert failure_of(chunk(text("a")), {"promptFeedback": {"safetyRatings": []}}).code == "STREAM_TRUNCATED"


# --- what servers leave out or do differently ---


def test_nulls_and_missing_or_unknown_fields_are_tolerated() -> None:
    events = decode_chunks(
        {},
        {"candidates": None, "usageMetadata": None, "error": None, "modelVersion": None, "promptFeedback": None},
        {"candidates": []},
        {"candidates": [{}], "unknown": {"deep": [1, {"a": None}]}},
        {"candidates": [{"content": None, "finishReason": None}]},
        {"candidates": [{"content": {"parts": None, "role": "model"}}]},
        {"candidates": [{"content": {"parts": [{}, {"text": None}, {"text": ""}, {"inlineData": {}}]}}]},
        chunk({"text": "a", "thought": False, "thoughtSignature": None, "functionCall": None}),
        chunk(finish="STOP"),
        {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": None, "cachedContentTokenCount": None}},
        {"usageMetadata": {}},
    )
    assert events == [TextDelta("a", 1), Finish("stop", "STOP")]


def test_only_the_first_candidate_is_the_answer() -> None:
    both = chunk(text("a"), finish="STOP")
    both["candidates"].append(chunk(text("b"))["candidates"][0])
    assert text_of(decode_chunks(both)) == "a"


def test_usage_is_reported_with_every_read_and_only_where_it_changed() -> None:
    decoder = GeminiDecoder(MODEL, MAX)

    def usage_after(candidates: int) -> list[ProviderEvent]:
        counts = {"promptTokenCount": 5, "candidatesTokenCount": candidates}
        return decoder.feed(sse(chunk(text("x"), usageMetadata=counts)))

    assert usage_after(1) == [TextDelta("x"), UsageReport(5, 1)]
    assert usage_after(1) == [TextDelta("x")]
    assert usage_after(2) == [TextDelta("x"), UsageReport(5, 2)]


def test_usage_in_every_chunk_does_not_split_the_text() -> None:
    usages = [{"promptTokenCount": 5, "candidatesTokenCount": n} for n in range(3)]
    events = decode_chunks(*(chunk(text("x"), usageMetadata=usage) for usage in usages), chunk(finish="STOP"))
    assert events == [TextDelta("xxx", 3), UsageReport(5, 2), Finish("stop", "STOP")]


@pytest.mark.parametrize(("said", "meant"), [("5.0", 5), ("-5", None), ("1" * 17, None), ("null", None)])
def test_a_count_that_cannot_be_one_is_left_out(said: str, meant: int | None) -> None:
    usage = f'{{"usageMetadata": {{"promptTokenCount": {said}, "candidatesTokenCount": 7}}}}'
    assert usage_of(decode_chunks(chunk(text("a"), finish="STOP"), usage)) == UsageReport(meant, 7)


def test_the_model_is_named_once_and_without_its_folder() -> None:
    events = decode_chunks(
        chunk(text("a"), modelVersion="models/gemini-x"), chunk(finish="STOP", modelVersion="gemini-y")
    )
    assert events[0] == ModelNamed("gemini-x")
    assert len([event for event in events if isinstance(event, ModelNamed)]) == 1


@pytest.mark.parametrize(
    "event",
    [
        "hello",
        "<html>",
        "{",
        "17",
        '"text"',
        "[DONE]",
        '{"candidates": 1}',
        '{"candidates": [{"content": {"parts": [{"text": 7}]}}]}',
        '{"candidates": [{"content": {"parts": [{"functionCall": {"args": {}}}]}}]}',
        '{"candidates": [{"content": {"parts": [{"functionCall": {"name": ""}}]}}]}',
        "[" * 100_000,
    ],
)
def test_an_event_that_is_no_response_is_a_protocol_error(event: str) -> None:
    failure = failure_of(chunk(text("a")), event)
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"
    assert "hello" not in failure.message


@pytest.mark.parametrize("part", [b'{"text": "a\xff"}', b'{"functionCall": {"name": "f", "args": {"a": "\xff"}}}'])
def test_invalid_utf_8_is_never_silently_altered(part: bytes) -> None:
    _, failure = decode(b'data: {"candidates": [{"content": {"parts": [' + part + b"]}}]}\n\n")
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


@pytest.mark.parametrize("begin", [b"data: ", b"{", b"[\n"])
def test_an_event_above_the_limit_is_a_protocol_error_after_the_text_before_it(begin: bytes) -> None:
    events, failure = decode(sse(chunk(text("a"))) + begin + b'"' + b"x" * 2_000, max_event_bytes=1_000)
    assert text_of(events) == "a"
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


def test_nothing_after_an_error_is_read() -> None:
    both = ({"error": {"code": 500}}, chunk(text("late"), finish="STOP"))
    for events, failure in (decode(sse(*both)), decode_whole(json.dumps(both).encode())):
        assert events == []
        assert failure is not None


def test_a_stream_that_is_cut_inside_a_bare_error_is_truncated() -> None:
    _, failure = decode(body("error_after_finish.sse")[:-3])
    assert failure is not None
    assert failure.code == "STREAM_TRUNCATED"


BARE = json.dumps(chunk(text('b}\\"{')), indent=2).encode()


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("between", [b"", b"\n", b"\n\n", b"\n,\n"])
@given(data=st.data())
def test_bare_responses_between_events_are_read_in_their_place(
    newline: bytes, between: bytes, data: st.DataObject
) -> None:
    first, last = sse(chunk(text("a"))), sse(chunk(text("c"), finish="STOP"))
    stream = (first[:-1] + BARE + between + BARE + between + last).replace(b"\n", newline)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    events, failure = decode(*pieces)
    assert failure is None
    assert text_of(events) == 'ab}\\"{b}\\"{c'


def test_the_secret_is_in_no_error() -> None:
    decoder = GeminiDecoder(MODEL, MAX, secret="sk-canary")
    decoder.feed(sse({"error": {"code": 400, "status": "sk-canary", "message": "your key sk-canary is wrong"}}))
    assert decoder.failure is not None
    assert "canary" not in f"{decoder.failure!r} {decoder.failure.details}"


# --- half a character ---


@pytest.mark.parametrize(
    ("said", "meant"), [(r"a\ud83d", "a\ufffd"), (r"\ud83d\ude00", "\U0001f600"), (r"\ude00b", "\ufffdb")]
)
def test_half_a_character_is_replaced(said: str, meant: str) -> None:
    parts = f'{{"text": "{said}"}}, {{"functionCall": {{"name": "n{said}", "args": {{"k": "{said}"}}}}}}'
    candidate = f'{{"content": {{"parts": [{parts}]}}, "finishReason": "STOP"}}'
    events = decode_chunks(f'{{"candidates": [{candidate}]}}')
    assert text_of(events) == meant
    ((_, name, arguments),) = tool_calls_of(events)
    assert name == f"n{meant}"
    assert json.loads(arguments) == {"k": meant}
    for event in events:
        assert msgspec.json.encode(event)


@given(st.text(max_size=50), st.booleans())
def test_any_text_survives(said: str, ascii_only: bool) -> None:
    data = b"data: " + json.dumps(chunk(text(said), finish="STOP"), ensure_ascii=ascii_only).encode() + b"\n\n"
    assert text_of(decode(data)[0]) == said


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_any_arguments_survive(arguments: dict[str, Any]) -> None:
    events = decode_chunks(chunk(call("f", arguments), finish="STOP"))
    assert json.loads(tool_calls_of(events)[0][2]) == arguments


# --- signatures ---

SIG = "CiQB0e2Kb9wQvXl0n3Hq7sT1uYdZr4mFJcVbNaPgLoEeKwUiSxkSZgoB"
SIG2 = "EskFCsYFAdHtim8Y2hXq4vN7bRkTzPw1sUeLcGmQfJdOyAaViHxBnZEr"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("tool_call_signed.sse", [{"call": 0, "signature": SIG}]),
        ("parallel_tool_calls.sse", [{"text": 16}, {"call": 0, "signature": SIG}, {"call": 1}, {"call": 2}]),
        ("signed_text.sse", [{"text": 12}, {"text": 0, "signature": SIG}]),
        ("signed_text_part.sse", [{"text": 3}, {"text": 4, "signature": SIG}, {"text": 7}]),
        (
            "signed_everywhere.sse",
            [
                {"thought": "Hm.", "signature": SIG2},
                {"text": 6, "signature": SIG},
                {"text": 9},
                {"call": 0, "signature": SIG2},
                {"text": 5},
                {"text": 0, "signature": SIG},
            ],
        ),
    ],
)
def test_signatures_are_kept_with_the_places_of_their_parts(name: str, parts: list[dict[str, Any]]) -> None:
    events, _ = decode(body(name))
    assert state_of(events) == {"model": MODEL, "parts": parts}
    assert isinstance(events[-2], ProviderState)


@pytest.mark.parametrize("name", ["text.sse", "thoughts.sse", "tool_calls_without_ids.sse", "blocked_safety.sse"])
def test_an_answer_without_a_signature_has_no_state(name: str) -> None:
    assert state_of(decode(body(name))[0]) is None


@pytest.mark.parametrize(
    "parts",
    [
        [text("", thoughtSignature="s" * 600)] * 2,
        [text("t" * 600, thought=True, thoughtSignature="s")] * 2,
        [text("x", thoughtSignature="s")] * 40,
        [call("f", signature="s")] * 40,
    ],
)
def test_more_signatures_than_an_event_may_have_bytes_are_not_kept(parts: list[dict[str, Any]]) -> None:
    chunks = sse(*(chunk(part) for part in parts), chunk(finish="STOP"))
    events, failure = decode(chunks, max_event_bytes=1_000)
    assert failure is None
    assert state_of(events) is None
