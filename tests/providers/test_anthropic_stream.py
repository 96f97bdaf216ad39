"""The decoder of Anthropic's messages: recorded answers, cut anywhere, and what servers do differently."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.anthropic.stream import MessageDecoder
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
from tests.providers import contract
from tests.providers.anthropic_fixtures import (
    COMPLETE,
    FAILING,
    arguments,
    begin,
    begin_call,
    begin_text,
    body,
    delta,
    end,
    events,
    start,
    stop,
    text,
)
from tests.providers.contract import check_rules, finish_of, reasoning_of, summary, text_of, tool_calls_of, usage_of
from tests.providers.fault_server import sse

MAX = 1_000_000
MODEL = "claude-sonnet-4-5-20250929"
SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds9XkLqpvmVYy0rHDtnhTpbCzKmqEXAMPLE=="
OTHER_SIGNATURE = "ErUBCkYIARgCIkDvgGHM7pcQKxtpqEvYqyyvVfUz0hHcW3nBxdHVZpL9qgTwEXAMPLE2=="


def decode(*pieces: bytes, max_event_bytes: int = MAX) -> tuple[list[ProviderEvent], ProviderError | None]:
    """The events of a body that ends cleanly, and its failure."""
    return contract.decode(MessageDecoder("anthropic", max_event_bytes), *pieces)


def decode_events(*said: dict[str, Any]) -> list[ProviderEvent]:
    got, failure = decode(events(*said))
    assert failure is None
    return got


def failure_of(*said: dict[str, Any] | str) -> ProviderError:
    got, failure = decode(sse(*said))
    assert failure is not None
    assert not any(isinstance(event, Finish) for event in got)
    return failure


def state_of(got: list[ProviderEvent]) -> Any:
    """The layout that the host is to send back; None where there is none."""
    states = [event.state for event in got if isinstance(event, ProviderState)]
    assert len(states) <= 1
    return states[0]["anthropic"] if states else None


def usage(prompt: int, completion: int, **fields: int) -> UsageReport:
    known = {"cached_prompt_tokens": 0, "cache_write_tokens": 0, **fields}
    return UsageReport(prompt_tokens=prompt, completion_tokens=completion, **known)


# --- recorded answers ---


def test_text_is_one_delta_with_the_usage_and_the_finish_after_it() -> None:
    assert decode(body("text.sse")) == (
        [
            ModelNamed(MODEL),
            TextDelta("Grüße 👋🏽, world!\n\u2028日本語", 7),
            usage(25, 15),
            Finish("stop", "end_turn"),
        ],
        None,
    )


def test_thinking_is_reasoning_and_its_signature_goes_into_the_state() -> None:
    got, _ = decode(body("thinking.sse"))
    assert got == [
        ModelNamed(MODEL),
        ReasoningDelta("Let me multiply: 27 * 453 = 12231."),
        TextDelta("27 * 453 = **12,231**", 2),
        usage(25, 92, reasoning_tokens=61),
        ProviderState(
            {
                "anthropic": [
                    {
                        "type": "thinking",
                        "thinking": "Let me multiply: 27 * 453 = 12231.",
                        "signature": SIGNATURE,
                    },
                    {"text": 21},
                ]
            }
        ),
        Finish("stop", "end_turn"),
    ]


def test_thinking_whose_text_is_omitted_is_still_kept_with_its_signature() -> None:
    got, _ = decode(body("thinking_omitted.sse"))
    assert reasoning_of(got) == ""
    assert state_of(got) == [{"type": "thinking", "thinking": "", "signature": OTHER_SIGNATURE}, {"text": 6}]


def test_redacted_thinking_is_no_reasoning_but_is_kept_in_its_place() -> None:
    got, _ = decode(body("redacted_thinking.sse"))
    assert reasoning_of(got) == "First, look."
    assert text_of(got) == "I will check."
    assert tool_calls_of(got) == [
        ("toolu_01T1x1fJ34qAmk2tNTrN7Up6", "get_weather", '{"location": "San Francisco, CA"}')
    ]
    thinking, redacted, *rest = state_of(got)
    assert thinking == {"type": "thinking", "thinking": "First, look.", "signature": SIGNATURE}
    assert redacted["type"] == "redacted_thinking"
    assert redacted["data"].startswith("EmwKAhgB")
    assert rest == [{"text": 13}, {"call": "toolu_01T1x1fJ34qAmk2tNTrN7Up6"}]
    assert finish_of(got) == Finish("tool_calls", "tool_use")


def test_thoughts_between_texts_and_calls_keep_their_places() -> None:
    got, _ = decode(body("interleaved_thinking.sse"))
    assert text_of(got) == "One moment. Asking now."
    assert reasoning_of(got) == "I need both.Now the time."
    assert [call[2] for call in tool_calls_of(got)] == [
        '{"city": "Paris"}',
        '{"zone":"CET","exact":12345678901234567890,"ratio":1.0}',
    ]
    assert [next(iter(segment)) for segment in state_of(got)] == ["type", "text", "type", "text", "call", "call"]
    assert [segment["text"] for segment in state_of(got) if "text" in segment] == [12, 11]


def test_parallel_calls_are_numbered_without_a_gap_and_need_no_state() -> None:
    got, _ = decode(body("parallel_tools.sse"))
    assert tool_calls_of(got) == [
        ("toolu_01T1x1fJ34qAmk2tNTrN7Up6", "get_weather", '{"location": "Paris"}'),
        ("toolu_01W7aTqFJ9WKvT6Y5cVnHpuB", "get_time", '{"zone": "CET"}'),
    ]
    assert state_of(got) is None
    assert finish_of(got) == Finish("tool_calls", "tool_use")


def test_a_call_without_arguments_has_an_empty_object() -> None:
    got, _ = decode(body("tool_without_arguments.sse"))
    assert [call[1:] for call in tool_calls_of(got)] == [("get_now", "{}"), ("get_here", "{}")]


def test_the_prompt_is_what_was_read_written_to_the_cache_and_read_from_it() -> None:
    got, _ = decode(body("cached_usage.sse"))
    assert usage_of(got) == usage(8 + 248 + 1800, 5, cached_prompt_tokens=1800, cache_write_tokens=248)


@pytest.mark.parametrize(
    ("name", "said", "finish"),
    [
        ("refusal.sse", "I can", Finish("content_filter", "refusal")),
        ("max_tokens.sse", "The answer", Finish("length", "max_tokens")),
        ("stop_sequence.sse", "1, 2, 3, ", Finish("stop", "stop_sequence")),
        ("context_window_exceeded.sse", "As far as", Finish("length", "model_context_window_exceeded")),
        ("empty_answer.sse", "", Finish("stop", "end_turn")),
    ],
)
def test_why_an_answer_ended_is_told_in_our_words_and_theirs(name: str, said: str, finish: Finish) -> None:
    got, failure = decode(body(name))
    assert failure is None
    assert text_of(got) == said
    assert finish_of(got) == finish


def test_a_call_cut_off_in_its_arguments_is_passed_on_as_far_as_it_came() -> None:
    got, _ = decode(body("max_tokens_in_tool.sse"))
    assert tool_calls_of(got)[0][2] == '{"lines": ["a", "b'
    assert finish_of(got) == Finish("length", "max_tokens")


def test_unknown_kinds_are_skipped_and_a_block_of_one_is_kept() -> None:
    got, failure = decode(body("unknown_kinds.sse"))
    assert failure is None
    assert text_of(got) == "Quoted text"
    assert state_of(got) == [{"type": "container_upload", "file_id": "file_011CNha8iCJcU1wXNR6q4V8w"}, {"text": 11}]


def test_llama_cpp_counts_no_cache_writes() -> None:
    got, _ = decode(body("llamacpp.sse"))
    assert got == [
        ModelNamed("random.gguf"),
        TextDelta("\ufffdXj", 3),
        UsageReport(prompt_tokens=22, completion_tokens=3, cached_prompt_tokens=21),
        Finish("length", "max_tokens"),
    ]


def test_llama_cpp_may_leave_out_the_beginning() -> None:
    got, failure = decode(body("llamacpp_without_start.sse"))
    assert failure is None
    assert text_of(got) == "\ufffdXj"
    assert usage_of(got) == UsageReport(completion_tokens=3)


def test_llama_cpp_may_leave_out_everything_but_the_end() -> None:
    """Where all it wrote was half a character."""
    got = decode_events(*stop("max_tokens", output_tokens=1))
    assert got == [UsageReport(completion_tokens=1), Finish("length", "max_tokens")]


def test_a_whole_message_is_one_batch() -> None:
    decoder = MessageDecoder("anthropic", MAX)
    assert decoder.feed_whole(body("message.json")) == [
        ModelNamed(MODEL),
        ReasoningDelta("Hm."),
        TextDelta("Hello!", 1),
        ToolCallDelta(0, '{"city":"Paris","ratio":1.0}', "toolu_01D7FLrfh4GYq7yT1ULFeyMV", "get_weather"),
        UsageReport(prompt_tokens=12, completion_tokens=34),
        ProviderState(
            {
                "anthropic": [
                    {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE},
                    {"text": 6},
                    {"call": "toolu_01D7FLrfh4GYq7yT1ULFeyMV"},
                ]
            }
        ),
        Finish("tool_calls", "tool_use"),
    ]
    assert decoder.complete


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}', "PROVIDER_OVERLOADED"),
        (b'{"error": "something"}', "SERVER_ERROR"),
        (b'{"content": null}', "PROVIDER_PROTOCOL_ERROR"),
        (b'{"content": "text"}', "PROVIDER_PROTOCOL_ERROR"),
        (b'{"content": [{"type": "tool_use"}]}', "PROVIDER_PROTOCOL_ERROR"),
        (b'{"content": [{"type": 7}]}', "PROVIDER_PROTOCOL_ERROR"),
        (b"[]", "PROVIDER_PROTOCOL_ERROR"),
        (b"", "PROVIDER_PROTOCOL_ERROR"),
        (b'{"content": ' + b"[" * 100_000, "PROVIDER_PROTOCOL_ERROR"),
    ],
)
def test_a_whole_body_that_is_no_message_is_a_failure(said: bytes, code: str) -> None:
    decoder = MessageDecoder("anthropic", MAX)
    assert decoder.feed_whole(said) == []
    assert not decoder.complete
    assert decoder.failure is not None
    assert decoder.failure.code == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("error_overloaded.sse", "PROVIDER_OVERLOADED"),
        ("error_without_a_name.sse", "PROVIDER_OVERLOADED"),
        ("error_api.sse", "SERVER_ERROR"),
        ("error_rate_limit.sse", "RATE_LIMIT"),
        ("error_invalid_request.sse", "INVALID_REQUEST"),
        ("error_billing.sse", "INSUFFICIENT_QUOTA"),
        ("error_timeout.sse", "SERVER_ERROR"),
        ("error_authentication.sse", "AUTH_ERROR"),
    ],
)
def test_an_error_inside_a_stream_is_typed_and_the_text_before_it_is_delivered(name: str, code: str) -> None:
    got, failure = decode(body(name))
    assert failure is not None
    assert failure.code == code
    assert text_of(got) == "partial"


def test_an_error_that_says_nothing_is_still_one() -> None:
    assert failure_of(start(), {"type": "error"}).code == "SERVER_ERROR"


def test_every_recorded_failure_is_checked() -> None:
    assert len(FAILING) == 8


# --- cut off, or put together wrongly ---


@pytest.mark.parametrize("name", COMPLETE + FAILING)
def test_truncated_at_any_byte_it_is_a_failure(name: str) -> None:
    stream = body(name)
    whole = text_of(decode(stream)[0])
    last_event = stream.rstrip(b"\n")
    for at in range(len(last_event)):
        got, failure = decode(stream[:at])
        assert failure is not None
        assert not any(isinstance(event, Finish | ProviderState) for event in got)
        assert whole.startswith(text_of(got))
        if name in COMPLETE:
            assert failure.code == "STREAM_TRUNCATED"


KINDS = st.sampled_from(["text", "thinking", "tool_use", "redacted_thinking", "new_kind"])
EVENTS = st.one_of(
    st.builds(lambda i, kind: begin(i, kind, id=f"t{i}", name="f", input={}), st.integers(0, 2), KINDS),
    st.builds(lambda i, piece: text(piece, i), st.integers(0, 2), st.text(max_size=4)),
    st.builds(lambda i, piece: delta(i, "thinking_delta", thinking=piece), st.integers(0, 2), st.text(max_size=4)),
    st.builds(lambda i, piece: delta(i, "signature_delta", signature=piece), st.integers(0, 2), st.text(max_size=4)),
    st.builds(lambda i, piece: arguments(piece, i), st.integers(0, 2), st.text(max_size=4)),
    st.builds(end, st.integers(0, 2)),
    st.just({"type": "ping"}),
)


@settings(max_examples=200)
@given(st.lists(EVENTS, max_size=30))
def test_blocks_in_any_order_keep_the_rules(said: list[dict[str, Any]]) -> None:
    stream = events(start(), *said, *stop())
    got, failure = decode(stream)
    assert failure is None
    check_rules([got])
    piecewise, _ = decode(*(stream[at : at + 9] for at in range(0, len(stream), 9)))
    assert summary(piecewise) == summary(got)


# --- the end ---


def test_a_stream_that_stops_after_its_stop_reason_is_truncated() -> None:
    (delta_event, _) = stop()
    assert failure_of(start(), begin_text(), text("a"), end(), delta_event).code == "STREAM_TRUNCATED"


def test_an_end_without_an_answer_is_a_protocol_error() -> None:
    assert failure_of({"type": "message_stop"}).code == "PROVIDER_PROTOCOL_ERROR"


def test_an_end_without_a_stop_reason_is_an_end() -> None:
    assert finish_of(decode_events(start(), begin_text(), text("a"), *stop(None))) == Finish("stop", None)


def test_what_follows_the_end_is_not_looked_at() -> None:
    got, failure = decode(events(start(), *stop()) + sse("{broken"))
    assert failure is None
    assert finish_of(got).reason == "stop"


def test_a_word_for_a_failure_is_one() -> None:
    failure = failure_of(start(), begin_text(), text("a"), end(), *stop("error"))
    assert failure.code == "SERVER_ERROR"


# --- what servers leave out or do differently ---


def test_nulls_and_missing_or_unknown_fields_are_tolerated() -> None:
    got = decode_events(
        {"type": "message_start", "message": None},
        {"type": "message_start", "message": {"model": None, "usage": None, "content": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": None, "new": [1]}},
        {"type": "content_block_delta", "index": 0, "delta": None},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a", "logprobs": {}}},
        {"type": "message_delta", "delta": None, "usage": None},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": None}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {}},
    )
    assert got == [TextDelta("a", 1), Finish("stop", "end_turn")]


def test_a_block_begins_with_the_text_it_brings() -> None:
    got = decode_events(
        start(),
        begin(0, "thinking", thinking="Hm", signature="s1"),
        delta(0, "thinking_delta", thinking="."),
        end(0),
        begin(1, "text", text="Hel"),
        text("lo", 1),
        end(1),
        *stop(),
    )
    assert (reasoning_of(got), text_of(got)) == ("Hm.", "Hello")
    assert state_of(got) == [{"type": "thinking", "thinking": "Hm.", "signature": "s1"}, {"text": 5}]


def test_a_call_that_begins_with_its_arguments_has_them() -> None:
    got = decode_events(start(), begin_call(0, "t1", "f", a=1), end(0), *stop("tool_use"))
    assert tool_calls_of(got) == [("t1", "f", '{"a":1}')]


def test_arguments_that_stream_replace_those_a_call_began_with() -> None:
    got = decode_events(start(), begin_call(0, "t1", "f", a=1), arguments('{"b":2}'), end(0), *stop("tool_use"))
    assert tool_calls_of(got) == [("t1", "f", '{"b":2}')]


def test_blocks_that_are_never_ended_end_with_the_message() -> None:
    got = decode_events(start(), begin_text(), text("a"), begin_call(1, "t1", "f"), *stop("tool_use"))
    assert text_of(got) == "a"
    assert tool_calls_of(got) == [("t1", "f", "{}")]


def test_a_text_or_a_thought_may_come_without_its_block() -> None:
    got = decode_events(delta(0, "thinking_delta", thinking="Hm."), text("a", 1), text("b", 1), *stop())
    assert (reasoning_of(got), text_of(got)) == ("Hm.", "ab")


def test_interleaved_blocks_are_kept_apart_by_their_index() -> None:
    got = decode_events(
        start(),
        begin_call(0, "t1", "f"),
        begin_call(1, "t2", "g"),
        arguments('{"a"', 0),
        arguments('{"b"', 1),
        arguments(":1}", 0),
        arguments(":2}", 1),
        end(1),
        end(0),
        *stop("tool_use"),
    )
    assert tool_calls_of(got) == [("t1", "f", '{"a":1}'), ("t2", "g", '{"b":2}')]


@pytest.mark.parametrize(
    ("begun", "own", "said"),
    [
        (begin_text(), text("a"), ("a", "", [])),
        (begin(0, "thinking"), delta(0, "thinking_delta", thinking="a"), ("", "a", [])),
        (begin_call(0, "t1", "f"), arguments("{ }"), ("", "", [("t1", "f", "{ }")])),
    ],
)
def test_a_delta_of_another_kind_adds_nothing_to_a_block(
    begun: dict[str, Any], own: dict[str, Any], said: tuple[Any, ...]
) -> None:
    every = [text("x"), delta(0, "thinking_delta", thinking="y"), arguments("z")]
    others = [other for other in every if other["delta"]["type"] != own["delta"]["type"]]
    for pieces in ([*others, own, *others], [own, *others]):
        got = decode_events(start(), begun, *pieces, end(), *stop())
        assert (text_of(got), reasoning_of(got), tool_calls_of(got)) == said


def test_a_block_that_begins_where_another_has_not_ended_ends_it() -> None:
    got = decode_events(start(), begin_call(0, "t1", "f"), begin_call(0, "t2", "g"), arguments("[]"), end(), *stop())
    assert tool_calls_of(got) == [("t1", "f", "{}"), ("t2", "g", "[]")]


def test_a_call_without_an_id_gets_one() -> None:
    got = decode_events(start(), begin(0, "tool_use", name="f", input={}), end(0), *stop("tool_use"))
    ((call_id, name, sent),) = tool_calls_of(got)
    assert call_id
    assert (name, sent) == ("f", "{}")


@pytest.mark.parametrize(
    "event",
    [
        "hello",
        "{",
        "[]",
        "17",
        '{"type": 7}',
        "[" * 100_000,
        begin(0, "tool_use", id="t1", input={}),
        {"type": "content_block_start", "index": 0, "content_block": {"type": ["text"]}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 7}},
        {"type": "content_block_delta", "index": 0, "delta": "text"},
        {"type": "message_start", "message": {"usage": {"input_tokens": "many"}}},
    ],
)
def test_an_event_that_is_no_part_of_a_message_is_a_protocol_error(event: Any) -> None:
    failure = failure_of(start(), begin_text(), text("a"), event)
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"
    assert "hello" not in failure.message


def test_blocks_that_begin_without_end_are_a_protocol_error() -> None:
    assert failure_of(start(), *(begin_text(n) for n in range(1_000))).code == "PROVIDER_PROTOCOL_ERROR"


def test_invalid_utf_8_is_never_silently_altered() -> None:
    _, failure = decode(events(start(), begin_text()) + events(text("X")).replace(b"X", b"\xff"))
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


def test_an_event_above_the_limit_is_a_protocol_error_after_the_text_before_it() -> None:
    got, failure = decode(events(start(), begin_text(), text("a"), text("x" * 2_000)), max_event_bytes=1_000)
    assert text_of(got) == "a"
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


def test_events_without_a_name_are_known_by_their_type() -> None:
    got, failure = decode(sse(start(), begin_text(), text("a"), end(), {"type": "ping"}, *stop()))
    assert failure is None
    assert text_of(got) == "a"


def test_infinity_and_nan_of_python_servers_are_tolerated() -> None:
    stream = events(start(), begin_text()) + sse('{"type": "ping", "x": [NaN, -Infinity]}') + events(text("a"), *stop())
    assert text_of(decode(stream)[0]) == "a"


def halves(index: int, *pieces: str) -> bytes:
    return b"".join(sse(json.dumps(text(piece, index))) for piece in pieces)


def test_a_character_whose_halves_come_apart_is_joined() -> None:
    stream = events(start(), begin_text()) + halves(0, "a\ud83d", "\ude00b") + events(text("c"), end(), *stop())
    for pieces in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        got, failure = decode(*pieces)
        assert failure is None
        assert text_of(got) == "a😀bc"


def test_half_a_character_before_a_whole_one_is_replaced_where_it_is() -> None:
    got, _ = decode(events(start(), begin_text()) + halves(0, "a\ud83d") + events(text("b"), end(), *stop()))
    assert text_of(got) == "a\ufffdb"


@pytest.mark.parametrize("after", [[end()], []])
def test_half_a_character_whose_other_half_never_comes_is_replaced(after: list[dict[str, Any]]) -> None:
    got, failure = decode(events(start(), begin_text()) + halves(0, "a\ud83d") + events(*after, *stop()))
    assert failure is None
    assert text_of(got) == "a\ufffd"


# --- usage ---


def test_the_usage_is_reported_with_the_first_batch_and_again_when_it_changes() -> None:
    decoder = MessageDecoder("anthropic", MAX)
    assert decoder.feed(events(start(input_tokens=9, output_tokens=1)))[1:] == [
        UsageReport(prompt_tokens=9, completion_tokens=1)
    ]
    assert not decoder.feed(events(begin_text(), {"type": "ping"}))
    got = decoder.feed(events(text("a"), end(), *stop(output_tokens=4)))
    assert got[1] == UsageReport(prompt_tokens=9, completion_tokens=4)


def test_usage_of_zeros_is_no_report() -> None:
    zeros = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 0}
    assert usage_of(decode_events(start(**zeros), begin_text(), text("a"), end(), *stop(**zeros))) is None


@pytest.mark.parametrize(
    ("said", "meant"), [("5.0", 5), ("-5", None), ("1e400", None), ("9" * 30, None), ("null", None)]
)
def test_a_count_that_cannot_be_one_is_left_out(said: str, meant: int | None) -> None:
    event = f'{{"type": "message_delta", "delta": {{}}, "usage": {{"input_tokens": {said}, "output_tokens": 7}}}}'
    got, _ = decode(events(start()) + sse(event, {"type": "message_stop"}))
    assert usage_of(got) == UsageReport(prompt_tokens=meant, completion_tokens=7)


# --- the state ---


def test_a_thought_that_was_cut_off_before_its_signature_is_not_kept() -> None:
    got = decode_events(start(), begin(0, "thinking"), delta(0, "thinking_delta", thinking="Hm"), *stop("max_tokens"))
    assert reasoning_of(got) == "Hm"
    assert state_of(got) is None


def test_an_unknown_block_is_kept_with_the_input_that_streamed() -> None:
    got = decode_events(
        start(), begin(0, "server_tool_use", id="s1", input={}), arguments('{"q"'), arguments(":1}"), end(0), *stop()
    )
    assert state_of(got) == [{"type": "server_tool_use", "id": "s1", "input": {"q": 1}}]
    assert tool_calls_of(got) == []


@pytest.mark.parametrize("piece", [delta(0, "new_delta", news=1), delta(0, "signature_delta", signature="s")])
def test_an_unknown_block_of_which_something_was_not_understood_is_not_kept(piece: dict[str, Any]) -> None:
    got = decode_events(start(), begin(0, "new_kind"), piece, end(0), *stop())
    assert state_of(got) is None


def test_an_unknown_block_whose_input_is_no_json_is_not_kept() -> None:
    got = decode_events(start(), begin(0, "server_tool_use", id="s1"), arguments('{"q'), end(0), *stop())
    assert state_of(got) is None


def test_what_is_too_large_to_be_kept_is_still_delivered() -> None:
    """The state and what a paused turn would need; the answer itself is bounded by whoever reads it."""
    thought = [delta(0, "thinking_delta", thinking="x" * 500) for _ in range(10)]
    said = [
        start(),
        begin(0, "thinking"),
        *thought,
        delta(0, "signature_delta", signature="s"),
        end(0),
        begin_call(1, "t1", "f"),
        arguments("{}", 1),
        end(1),
    ]
    for reason, finish in (("end_turn", Finish("stop", "end_turn")), ("pause_turn", Finish("length", "pause_turn"))):
        got, failure = decode(events(*said, *stop(reason)), max_event_bytes=2_000)
        assert failure is None
        assert len(reasoning_of(got)) == 5_000
        assert tool_calls_of(got) == [("t1", "f", "{}")]
        assert state_of(got) is None
        assert finish_of(got) == finish


# --- a paused turn ---


def test_a_paused_turn_goes_on_in_the_same_answer() -> None:
    decoder = MessageDecoder("anthropic", MAX)
    first = decoder.feed(body("pause_first.sse"))
    assert (decoder.complete, decoder.paused, decoder.failure) == (True, True, None)
    assert not any(isinstance(event, Finish | ProviderState) for event in first)
    kinds = [block["type"] for block in decoder.content()]
    assert kinds == ["thinking", "text", "server_tool_use", "web_search_tool_result"]
    assert decoder.content()[2]["input"] == {"query": "weather NYC"}

    decoder.resume()
    assert not decoder.complete
    got = first + decoder.feed(body("pause_second.sse"))
    assert (decoder.complete, decoder.paused, decoder.failure) == (True, False, None)
    assert text_of(got) == "Let me look. It is sunny."
    assert tool_calls_of(got) == [("toolu_01T1x1fJ34qAmk2tNTrN7Up6", "note", '{"sun":true}')]
    assert [event for event in got if isinstance(event, ModelNamed)] == [ModelNamed(MODEL)]
    assert usage_of(got) == usage(100 + 270, 60 + 21, cached_prompt_tokens=100)
    assert [segment.get("type") or next(iter(segment)) for segment in state_of(got)] == [
        *kinds[:1],
        "text",
        *kinds[2:],
        "text",
        "call",
    ]
    assert finish_of(got) == Finish("tool_calls", "tool_use")


def test_the_numbers_of_calls_go_on_after_a_pause() -> None:
    decoder = MessageDecoder("anthropic", MAX)
    got = decoder.feed(events(start(), begin_call(0, "t1", "f"), end(0), *stop("pause_turn")))
    decoder.resume()
    got += decoder.feed(events(start(), begin_call(0, "t2", "g"), end(0), *stop("tool_use")))
    assert tool_calls_of(got) == [("t1", "f", "{}"), ("t2", "g", "{}")]


def test_a_paused_turn_that_breaks_off_is_truncated() -> None:
    decoder = MessageDecoder("anthropic", MAX)
    decoder.feed(body("pause_first.sse"))
    decoder.resume()
    decoder.feed(body("pause_second.sse")[:700])
    decoder.end()
    assert decoder.failure is not None
    assert decoder.failure.code == "STREAM_TRUNCATED"


def test_a_turn_that_is_paused_again_and_again_ends_as_cut_off() -> None:
    decoder = MessageDecoder("anthropic", MAX)
    pauses = 0
    got = decoder.feed(body("pause_first.sse"))
    while decoder.paused:
        pauses += 1
        decoder.resume()
        got += decoder.feed(body("pause_first.sse"))
    assert pauses == 10
    assert finish_of(got) == Finish("length", "pause_turn")
    assert usage_of(got) == usage(11 * 100, 11 * 60)


def test_a_pause_with_nothing_to_go_on_from_is_an_end() -> None:
    assert finish_of(decode_events(start(), *stop("pause_turn"))) == Finish("length", "pause_turn")


def test_a_whole_message_can_pause_too() -> None:
    decoder = MessageDecoder("anthropic", MAX)
    whole = {"content": [{"type": "text", "text": "a"}], "stop_reason": "pause_turn", "usage": {"output_tokens": 1}}
    decoder.feed_whole(json.dumps(whole).encode())
    assert decoder.paused
    assert decoder.content() == [{"type": "text", "text": "a"}]
