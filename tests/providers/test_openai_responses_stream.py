"""The decoder of the Responses format: recorded answers, and everything that servers are known to do differently."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
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
from llm_sidecar.providers.openai_responses.replay import Origin
from llm_sidecar.providers.openai_responses.stream import ResponsesDecoder
from tests.providers import contract
from tests.providers.contract import check_rules, finish_of, reasoning_of, summary, text_of, tool_calls_of, usage_of
from tests.providers.fault_server import sse
from tests.providers.openai_responses_fixtures import COMPLETE, FAILING, body, delta, done, end, named

MAX = 1_000_000
ORIGIN = Origin("openai api.openai.com:443", "m")


def decode(*pieces: bytes, max_event_bytes: int = MAX) -> tuple[list[ProviderEvent], ProviderError | None]:
    """The events of a body that ends cleanly, and its failure."""
    return contract.decode(ResponsesDecoder(ORIGIN, max_event_bytes), *pieces)


def decode_events(*events: dict[str, Any] | str) -> list[ProviderEvent]:
    decoded, failure = decode(sse(*events))
    assert failure is None
    return decoded


def failure_of(*events: dict[str, Any] | str) -> ProviderError:
    decoded, failure = decode(sse(*events))
    assert failure is not None
    assert not any(isinstance(event, Finish) for event in decoded)
    return failure


# --- recorded answers ---


def test_text_is_one_delta_with_the_usage_and_the_finish_after_it() -> None:
    assert decode(body("text.sse")) == (
        [
            ModelNamed("gpt-4o-mini-2024-07-18"),
            TextDelta("Grüße 👋🏽, world!\n\u2028日本語", 6),
            UsageReport(prompt_tokens=19, completion_tokens=11, cached_prompt_tokens=8, reasoning_tokens=0),
            Finish("stop", "completed"),
        ],
        None,
    )


def test_the_parts_of_a_reasoning_summary_are_paragraphs_and_the_state_comes_before_the_finish() -> None:
    events, _ = decode(body("reasoning_summary.sse"))
    assert [event for event in events if not isinstance(event, ProviderState)] == [
        ModelNamed("gpt-5-mini-2025-08-07"),
        ReasoningDelta("**Weighing** the question.\n\n**Settling** on it."),
        TextDelta("Forty-two.", 3),
        UsageReport(31, 75, cached_prompt_tokens=0, cache_write_tokens=0, reasoning_tokens=64),
        Finish("stop", "completed"),
    ]
    assert isinstance(events[-2], ProviderState)


def test_parallel_tool_calls_are_numbered_in_their_order() -> None:
    events, _ = decode(body("reasoning_parallel_tools.sse"))
    assert tool_calls_of(events) == [
        ("call_DdmO9pD3xa9XTPNJ32zg2hcA", "get_weather", '{"city":"Paris"}'),
        ("call_zzE2mJ7tPQo0YJkqK9aWbV3c", "get_time", '{"zone":"CET"}'),
    ]
    assert finish_of(events) == Finish("tool_calls", "completed")
    usage = usage_of(events)
    assert usage is not None
    assert (usage.cache_write_tokens, usage.reasoning_tokens) == (64, 64)


def test_a_refusal_is_text() -> None:
    assert text_of(decode(body("refusal.sse"))[0]) == "I'm sorry, I can't."


def test_the_text_of_several_messages_is_one_text() -> None:
    events, _ = decode(body("phases_and_tool.sse"))
    assert text_of(events) == "I will look. Done looking."
    assert finish_of(events).reason == "tool_calls"


@pytest.mark.parametrize(
    ("name", "finish"),
    [
        ("incomplete_max_output_tokens.sse", Finish("length", "max_output_tokens")),
        ("incomplete_in_reasoning.sse", Finish("length", "max_output_tokens")),
        ("incomplete_content_filter.sse", Finish("content_filter", "content_filter")),
    ],
)
def test_an_incomplete_answer_says_what_it_met(name: str, finish: Finish) -> None:
    events, failure = decode(body(name))
    assert failure is None
    assert finish_of(events) == finish
    assert usage_of(events) is not None
    assert text_of(events) or reasoning_of(events) == "Thinking hard"


def test_what_is_not_known_is_skipped() -> None:
    events, _ = decode(body("unknown_items.sse"))
    assert text_of(events) == "Before. After."
    assert finish_of(events) == Finish("stop", "completed")


def test_llama_cpp_leaves_out_indices_and_names_its_model_last() -> None:
    events, _ = decode(body("llamacpp_reasoning.sse"))
    assert events == [
        ReasoningDelta("hm, well"),
        TextDelta("$X>", 3),
        ModelNamed("/models/r.gguf"),
        UsageReport(32, 5, cached_prompt_tokens=21),
        Finish("stop", "completed"),
    ]


def test_llama_cpp_tells_its_calls_apart_by_their_ids() -> None:
    events, _ = decode(body("llamacpp_tools.sse"))
    assert tool_calls_of(events) == [("fc_aJ3kQ9", "f", '{"a":1}'), ("fc_pW7mT2", "g", "{}")]


def test_a_whole_response_is_one_batch() -> None:
    decoder = ResponsesDecoder(ORIGIN, MAX)
    events = decoder.feed_whole(body("whole.json"))
    assert [event for event in events if not isinstance(event, ProviderState)] == [
        ModelNamed("gpt-5-mini-2025-08-07"),
        ReasoningDelta("hm"),
        TextDelta("Hello!", 1),
        ToolCallDelta(0, "{}", "c1", "f"),
        UsageReport(3, 5, cached_prompt_tokens=0, reasoning_tokens=1),
        Finish("tool_calls", "completed"),
    ]
    assert decoder.complete
    check_rules([events])


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("error_top_level.sse", "SERVER_ERROR", "partial"),
        ("error_azure_nested.sse", "RATE_LIMIT", "partial"),
        ("error_quota.sse", "INSUFFICIENT_QUOTA", ""),
        ("error_null_code.sse", "SERVER_ERROR", ""),
        ("error_failed.sse", "SERVER_ERROR", "partial"),
        ("error_failed_rate_limit.sse", "RATE_LIMIT", ""),
        ("error_failed_image.sse", "INVALID_REQUEST", ""),
        ("error_cancelled.sse", "SERVER_ERROR", "partial"),
    ],
)
def test_an_error_inside_a_stream_is_typed_and_the_text_before_it_is_delivered(name: str, code: str, text: str) -> None:
    events, failure = decode(body(name))
    assert failure is not None
    assert failure.code == code
    assert text_of(events) == text


def test_every_recorded_failure_is_checked() -> None:
    assert len(FAILING) == 8


def test_the_usage_of_a_failed_answer_is_reported() -> None:
    events, _ = decode(body("error_failed.sse"))
    usage = usage_of(events)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (20, 3)


# --- however the bytes are cut ---


@pytest.mark.parametrize("name", COMPLETE)
def test_truncated_at_any_byte_it_is_never_complete(name: str) -> None:
    stream = body(name)
    whole = text_of(decode(stream)[0])
    last_event = stream.rindex(b"event: ")
    for length in [*range(0, last_event, 7), *range(last_event, len(stream))]:
        events, failure = decode(stream[:length])
        assert failure is not None
        assert failure.code == "STREAM_TRUNCATED"
        assert whole.startswith(text_of(events))


@pytest.mark.parametrize("name", COMPLETE)
def test_without_the_names_of_the_events_it_is_the_same_answer(name: str) -> None:
    unnamed = b"".join(line for line in body(name).splitlines(keepends=True) if not line.startswith(b"event:"))
    assert summary(decode(unnamed)[0]) == summary(decode(body(name))[0])


# --- the end ---


def test_nothing_after_the_end_is_read() -> None:
    decoder = ResponsesDecoder(ORIGIN, MAX)
    events = decoder.feed(sse(delta("a"), end(), delta("b"), {"type": "error", "message": "late"}))
    assert text_of(events) == "a"
    assert decoder.complete
    assert decoder.failure is None


def test_done_of_the_older_format_is_no_end() -> None:
    assert failure_of(delta("a"), "[DONE]").code == "STREAM_TRUNCATED"
    assert text_of(decode_events(delta("a"), "[DONE]", delta("b"), end())) == "ab"


@pytest.mark.parametrize(
    ("response", "finish"),
    [
        ({"status": "incomplete", "incomplete_details": None}, Finish("length", "incomplete")),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_messages"}}, Finish("length", "max_messages")),
        ({"status": "completed", "incomplete_details": {"reason": None}}, Finish("stop", "completed")),
    ],
)
def test_an_incomplete_answer_is_never_called_complete(response: dict[str, Any], finish: Finish) -> None:
    event = {"type": f"response.{response['status']}", "response": response}
    assert finish_of(decode_events(delta("a"), event)) == finish


def test_calls_of_an_answer_that_met_its_limit_are_not_called_complete() -> None:
    call = {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": '{"a'}
    cut_off = end("incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert finish_of(decode_events(done(call), cut_off)) == Finish("length", "max_output_tokens")


def test_an_end_that_says_nothing_but_its_name_is_one() -> None:
    assert decode_events(delta("a"), {"type": "response.completed"}) == [TextDelta("a"), Finish("stop", "completed")]


def test_an_answer_without_text_is_complete() -> None:
    assert decode_events(end()) == [Finish("stop", "completed")]


def test_an_error_in_a_response_that_calls_itself_completed_is_one() -> None:
    assert failure_of(end(error={"code": "server_error", "message": "x"})).code == "SERVER_ERROR"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"error": {"type": "overloaded_error", "message": "x"}}', "PROVIDER_OVERLOADED"),
        ('{"type": "error", "code": null, "message": null, "error": null}', "SERVER_ERROR"),
        ('{"type": "error", "error": "text"}', "SERVER_ERROR"),
        ('{"type": "response.failed", "response": {"status": "failed", "error": null}}', "SERVER_ERROR"),
        ('{"type": "response.failed"}', "SERVER_ERROR"),
    ],
)
def test_an_error_of_any_shape_is_one(text: str, code: str) -> None:
    assert failure_of(text).code == code


def test_an_event_named_error_is_one_whatever_it_holds() -> None:
    _, failure = decode(b'event: error\ndata: {"code":400,"message":"no"}\n\n')
    assert failure is not None
    assert failure.code == "INVALID_REQUEST"


@pytest.mark.parametrize("error", [{"code": "server_error", "message": "Invalid credentials"}, None], ids=repr)
def test_what_openrouter_says_beside_an_error_says_more_than_the_error(error: Any) -> None:
    """Its documentation, "Errors and Debugging": `error_type` stands in the response, not in its error."""
    response = {"id": "resp_01", "status": "failed", "error": error, "error_type": "authentication"}
    assert failure_of({"type": "response.failed", "response": response}).code == "AUTH_ERROR"
    decoder = ResponsesDecoder(ORIGIN, MAX)
    decoder.feed_whole(json.dumps(response).encode())
    assert decoder.failure is not None
    assert decoder.failure.code == "AUTH_ERROR"


@pytest.mark.parametrize("status", ["in_progress", "queued", "", None])
def test_a_whole_response_that_is_not_finished_is_a_protocol_error(status: str | None) -> None:
    decoder = ResponsesDecoder(ORIGIN, MAX)
    decoder.feed_whole(json.dumps({"status": status, "output": []}).encode())
    assert decoder.failure is not None
    assert decoder.failure.code == "PROVIDER_PROTOCOL_ERROR"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"error": {"code": "rate_limit_exceeded"}}', "RATE_LIMIT"),
        ('{"status": "failed", "error": {"code": "invalid_prompt"}}', "INVALID_REQUEST"),
        ("{}", "PROVIDER_PROTOCOL_ERROR"),
        ("[]", "PROVIDER_PROTOCOL_ERROR"),
        ("<html>", "PROVIDER_PROTOCOL_ERROR"),
        ('{"status": "completed", "output": [{"type": "message", "content": 7}]}', "PROVIDER_PROTOCOL_ERROR"),
    ],
)
def test_a_whole_body_that_is_no_answer_is_a_failure(text: str, code: str) -> None:
    decoder = ResponsesDecoder(ORIGIN, MAX)
    events = decoder.feed_whole(text.encode())
    assert not any(isinstance(event, Finish) for event in events)
    assert decoder.failure is not None
    assert decoder.failure.code == code


# --- what servers leave out or do differently ---


def test_nulls_and_missing_or_unknown_fields_are_tolerated() -> None:
    usage = {"input_tokens": 1, "output_tokens": None, "input_tokens_details": None}
    events = decode_events(
        {},
        {"type": "response.created"},
        {"type": "response.created", "response": None},
        {"type": "response.created", "response": {"model": None, "unknown": [1, {"a": None}]}},
        {"type": "response.output_item.added", "item": None},
        {"type": "response.output_item.added", "item": {}},
        {"type": "response.output_item.done", "item": {"type": "message", "content": None}},
        delta("", logprobs=None),
        delta("a", sequence_number=None),
        {"type": "response.output_text.delta", "delta": None},
        end(usage=usage, output=None, error=None),
    )
    assert events == [TextDelta("a", 1), UsageReport(prompt_tokens=1), Finish("stop", "completed")]


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 0, "output_tokens": 0}])
def test_usage_of_nothing_is_no_report(usage: dict[str, int] | None) -> None:
    assert usage_of(decode_events(delta("a"), end(usage=usage))) is None


@pytest.mark.parametrize(("said", "meant"), [("5.0", 5), ("-5", None), ("9" * 30, None)])
def test_a_count_that_cannot_be_one_is_left_out(said: str, meant: int | None) -> None:
    usage = f'{{"input_tokens": {said}, "output_tokens": 7}}'
    text = f'{{"type": "response.completed", "response": {{"status": "completed", "usage": {usage}}}}}'
    assert usage_of(decode_events(text)) == UsageReport(meant, 7)


MESSAGE = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "said"}]}
REASONING = {"type": "reasoning", "id": "r", "summary": [{"text": "one"}, {"text": "two"}]}
CALL = {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": "{}"}


def test_what_came_without_deltas_is_taken_from_the_items() -> None:
    events = decode_events(done(REASONING, 0), done(MESSAGE, 1), done(CALL, 2), end())
    assert events == [
        ReasoningDelta("one\n\ntwo"),
        TextDelta("said", 1),
        ToolCallDelta(0, "{}", "c", "f"),
        Finish("tool_calls", "completed"),
    ]


def test_what_came_without_items_is_taken_from_the_response() -> None:
    events = decode_events(end(output=[REASONING, MESSAGE, CALL]))
    assert reasoning_of(events) == "one\n\ntwo"
    assert text_of(events) == "said"
    assert tool_calls_of(events) == [("c", "f", "{}")]


def test_what_came_in_deltas_is_not_taken_twice() -> None:
    thought = delta("one", 0, "response.reasoning_summary_text.delta", summary_index=0)
    events = decode_events(
        thought,
        done(REASONING, 0),
        delta("said", 1),
        done(MESSAGE, 1),
        end(output=[REASONING, MESSAGE]),
    )
    assert (reasoning_of(events), text_of(events)) == ("one", "said")


def test_deltas_that_do_not_say_whose_they_are_stand_for_the_items() -> None:
    events = decode_events(
        {"type": "response.reasoning_summary_text.delta", "delta": "one"},
        {"type": "response.output_text.delta", "delta": "said"},
        end(output=[REASONING, MESSAGE]),
    )
    assert (reasoning_of(events), text_of(events)) == ("one", "said")


def test_ids_that_change_with_every_event_do_not_matter() -> None:
    """GitHub's relay of OpenAI's models encrypts them anew each time."""
    added = {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "id": "1", "arguments": ""}}
    arguments = "response.function_call_arguments.delta"
    events = decode_events(
        added,
        delta('{"a"', 0, arguments, item_id="2"),
        delta(":1}", 0, arguments, item_id="3"),
        done({**CALL, "id": "4", "arguments": '{"a":1}'}),
        delta("x", 1, item_id="5"),
        delta("y", 1, item_id="6"),
        done({**MESSAGE, "id": "7", "content": [{"type": "output_text", "text": "xy"}]}, 1),
        end(),
    )
    assert tool_calls_of(events) == [("c", "f", '{"a":1}')]
    assert text_of(events) == "xy"


def test_arguments_that_come_with_the_finished_item_only_are_taken_from_it() -> None:
    added = {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "arguments": ""}}
    assert tool_calls_of(decode_events(added, done(CALL), end())) == [("c", "f", "{}")]


def test_arguments_that_come_with_the_added_item_are_not_taken_twice() -> None:
    added = {"type": "response.output_item.added", "output_index": 0, "item": CALL}
    assert tool_calls_of(decode_events(added, done(CALL), end())) == [("c", "f", "{}")]


def test_a_call_without_arguments_is_one() -> None:
    events = decode_events(done({"type": "function_call", "name": "f"}), end())
    ((call_id, name, arguments),) = tool_calls_of(events)
    assert call_id
    assert (name, arguments) == ("f", "")


def test_interleaved_calls_are_kept_apart() -> None:
    def added(index: int, name: str) -> dict[str, Any]:
        item = {"type": "function_call", "call_id": f"c{index}", "name": name, "arguments": ""}
        return {"type": "response.output_item.added", "output_index": index, "item": item}

    kind = "response.function_call_arguments.delta"
    events = decode_events(
        added(3, "f"), added(5, "g"), delta("1", 5, kind), delta("2", 3, kind), delta("3", 5, kind), end()
    )
    assert tool_calls_of(events) == [("c3", "f", "2"), ("c5", "g", "13")]


def test_a_call_that_begins_in_one_read_goes_on_in_the_next() -> None:
    added = {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "arguments": ""}}
    more = delta("{}", 0, "response.function_call_arguments.delta")
    events, _ = decode(sse(added), sse(more, end()))
    assert events[:2] == [ToolCallDelta(0, "", "c", "f"), ToolCallDelta(0, "{}")]


def test_pieces_of_a_call_that_never_began_are_a_protocol_error() -> None:
    assert failure_of(delta("{}", 0, "response.function_call_arguments.delta")).code == "PROVIDER_PROTOCOL_ERROR"


def test_a_call_without_a_name_is_a_protocol_error() -> None:
    assert failure_of(done({"type": "function_call", "call_id": "c"}), end()).code == "PROVIDER_PROTOCOL_ERROR"


def test_text_and_reasoning_keep_their_order() -> None:
    kind = "response.reasoning_text.delta"
    events = decode_events(delta("a", 0, kind), delta("b", 1), delta("c", 2, kind), delta("d", 3), end())
    assert events == [
        ReasoningDelta("a"),
        TextDelta("b"),
        ReasoningDelta("\n\nc"),
        TextDelta("d"),
        Finish("stop", "completed"),
    ]


@pytest.mark.parametrize(
    "event",
    [
        "hello",
        "<html>",
        "{",
        "[]",
        "17",
        '{"type": "response.output_text.delta", "delta": 7}',
        '{"type": "response.completed", "response": 1}',
        '{"type": "response.output_item.done", "item": []}',
        '{"type": "response.output_item.done", "item": {"type": "message", "content": [7]}}',
        "[" * 100_000,
    ],
)
def test_an_event_that_is_none_is_a_protocol_error_after_the_text_before_it(event: str) -> None:
    events, failure = decode(sse(delta("a"), event))
    assert text_of(events) == "a"
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"
    assert "hello" not in failure.message


def test_an_item_of_an_unknown_kind_may_hold_anything() -> None:
    odd = {"type": "tool_search_call", "arguments": {"deep": [1]}, "content": "text", "name": 7}
    assert finish_of(decode_events(done(odd), end())).reason == "stop"


def test_invalid_utf_8_is_never_silently_altered() -> None:
    _, failure = decode(b'data: {"type": "response.output_text.delta", "delta": "a\xff"}\n\n')
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


def test_an_event_above_the_limit_is_a_protocol_error_after_the_text_before_it() -> None:
    events, failure = decode(named(delta("a"), delta("x" * 2_000)), max_event_bytes=1_000)
    assert text_of(events) == "a"
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


# --- characters cut in two ---

SMILE = "😀"
HIGH, LOW = "\\ud83d", "\\ude00"
REASONING_DELTA = "response.reasoning_text.delta"


def raw(text: str, kind: str = "response.output_text.delta") -> str:
    return f'{{"type": "{kind}", "output_index": 0, "delta": "{text}"}}'


def test_a_character_cut_between_two_deltas_comes_out_whole() -> None:
    assert text_of(decode_events(raw("a" + HIGH), raw(LOW + "b"), end())) == f"a{SMILE}b"


def test_a_character_cut_between_two_reads_comes_out_whole() -> None:
    events, _ = decode(sse(raw(HIGH)), sse(raw(LOW), end()))
    assert events[0] == TextDelta(SMILE, 1)


def test_halves_of_text_and_reasoning_do_not_meet() -> None:
    events = decode_events(
        raw("x" + HIGH), raw("y" + HIGH, REASONING_DELTA), raw(LOW), raw(LOW, REASONING_DELTA), end()
    )
    assert (text_of(events), reasoning_of(events)) == (f"x{SMILE}", f"y{SMILE}")


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        ((HIGH, "a"), "\ufffda"),
        ((HIGH, HIGH, LOW), f"\ufffd{SMILE}"),
        ((LOW, "a"), "\ufffda"),
        (("a" + HIGH,), "a\ufffd"),
        ((HIGH + LOW,), SMILE),
    ],
)
def test_half_a_character_that_stays_alone_is_replaced(deltas: tuple[str, ...], text: str) -> None:
    assert text_of(decode_events(*(raw(piece) for piece in deltas), end())) == text


def test_halves_in_what_comes_whole_are_replaced() -> None:
    item = f'{{"type": "function_call", "call_id": "i{HIGH}", "name": "n{LOW}", "arguments": "{HIGH}{LOW}"}}'
    done_event = f'{{"type": "response.output_item.done", "output_index": 0, "item": {item}}}'
    assert tool_calls_of(decode_events(done_event, end())) == [("i\ufffd", "n\ufffd", SMILE)]


def test_infinity_and_nan_of_python_servers_are_tolerated() -> None:
    text = '{"type": "response.output_text.delta", "delta": "a", "logprobs": [{"logprob": -Infinity, "x": NaN}]}'
    assert text_of(decode_events(text, end())) == "a"


KINDS = st.sampled_from(["response.output_text.delta", "response.refusal.delta", REASONING_DELTA])
ESCAPES = st.text(st.sampled_from("ab"), max_size=2) | st.sampled_from([HIGH, LOW, HIGH + LOW])


@given(st.lists(st.tuples(ESCAPES, KINDS), max_size=8))
def test_every_event_can_be_written_as_json(deltas: list[tuple[str, str]]) -> None:
    for event in decode_events(*(raw(text, kind) for text, kind in deltas), end()):
        assert msgspec.json.encode(event)


@given(st.text(max_size=30), st.data())
def test_any_text_survives_any_cut_of_its_escapes(text: str, data: st.DataObject) -> None:
    units = [text.encode("utf-16-be")[i : i + 2].hex() for i in range(0, len(text.encode("utf-16-be")), 2)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units)), max_size=6)))
    parts = [units[a:b] for a, b in zip([0, *cuts], [*cuts, len(units)], strict=True)]
    events = decode_events(*(raw("".join(f"\\u{unit}" for unit in part)) for part in parts), end())
    assert text_of(events) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "id"]), inner),
    max_leaves=6,
)
FIELDS = ["item", "response", "delta", "error", "output_index", "item_id", "summary_index"]
ITEM_FIELDS = ["id", "call_id", "name", "arguments", "content", "summary", "encrypted_content", "phase"]
ITEMS = st.dictionaries(st.sampled_from(ITEM_FIELDS), JSON)
TYPED_ITEMS = st.tuples(ITEMS, st.sampled_from(["message", "reasoning", "function_call", "other"])).map(
    lambda both: {**both[0], "type": both[1]}
)
TYPES = [
    *(f"response.{name}" for name in ("created", "completed", "failed", "output_item.added", "output_item.done")),
    *(f"response.{name}.delta" for name in ("output_text", "function_call_arguments", "reasoning_summary_text")),
]
EVENTS = st.tuples(
    st.dictionaries(st.sampled_from(FIELDS), JSON | TYPED_ITEMS), st.sampled_from(TYPES), TYPED_ITEMS | st.none()
).map(lambda e: {**e[0], "type": e[1], **({"item": e[2]} if e[2] is not None else {})})


@settings(max_examples=300)
@given(st.lists(EVENTS, max_size=6))
def test_whatever_a_server_makes_up_there_is_one_outcome(events: list[dict[str, Any]]) -> None:
    decoded, failure = decode(sse(*events))
    assert sum(isinstance(event, Finish) for event in decoded) == (failure is None)
    if failure is None:
        check_rules([decoded])
    for event in decoded:
        assert msgspec.json.encode(event)
