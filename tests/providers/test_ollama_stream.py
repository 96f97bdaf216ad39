"""The decoder of Ollama's answers: recorded ones, and everything that servers may do differently."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
from llm_sidecar.providers.ollama.stream import OllamaDecoder
from tests.providers import contract
from tests.providers.contract import check_rules, finish_of, reasoning_of, text_of, tool_calls_of, usage_of
from tests.providers.ollama_format import COMPLETE, FAILING, body, line

MAX = 1_000_000


def decode(*pieces: bytes, max_event_bytes: int = MAX) -> tuple[list[ProviderEvent], ProviderError | None]:
    """The events of a body that ends cleanly, and its failure."""
    return contract.decode(OllamaDecoder(max_event_bytes), *pieces)


def decode_lines(*lines: bytes) -> list[ProviderEvent]:
    events, failure = decode(b"".join(lines))
    assert failure is None
    check_rules([events])
    return events


def failure_of(*lines: bytes) -> ProviderError:
    events, failure = decode(b"".join(lines))
    assert failure is not None
    assert not any(isinstance(event, Finish) for event in events)
    return failure


# --- recorded answers ---


def test_text_is_one_delta_with_the_usage_and_the_finish_after_it() -> None:
    assert decode(body("text.ndjson")) == (
        [
            ModelNamed("llama3.2"),
            TextDelta("Grüße 👋🏽, <b>world</b> & all!\n\u2028日本語", 7),
            UsageReport(26, 8),
            Finish("stop", "stop"),
        ],
        None,
    )


def test_thinking_is_reasoning_and_comes_before_the_text() -> None:
    assert decode(body("thinking.ndjson"))[0] == [
        ModelNamed("qwen3"),
        ReasoningDelta("Okay, 17 × 23…"),
        TextDelta("391. Done.", 3),
        UsageReport(18, 41),
        Finish("stop", "stop"),
    ]


def test_tool_calls_come_whole_with_their_arguments_as_they_were_written() -> None:
    assert decode(body("thinking_and_tools.ndjson"))[0] == [
        ModelNamed("gpt-oss:20b"),
        ReasoningDelta("Need both."),
        ToolCallDelta(0, '{"city":"New York","units":["C",null],"days":1.5}', "call_9krgj2sd", "get_temperature"),
        ToolCallDelta(1, "{}", "call_b1w7x0qf", "get_conditions"),
        UsageReport(163, 58),
        ProviderState({"thinking": "Need both."}),
        Finish("tool_calls", "stop"),
    ]


def test_calls_without_ids_get_some_that_differ() -> None:
    (first, *_), (second, *_) = tool_calls_of(decode(body("tools_without_id.ndjson"))[0])
    assert first
    assert first != second


def test_calls_in_the_last_line_are_taken() -> None:
    events, _ = decode(body("tools_in_the_last_line.ndjson"))
    assert text_of(events) == "Let me see."
    assert tool_calls_of(events) == [("x2Jh9", "f", '{"a":{"b":[]}}')]
    assert finish_of(events) == Finish("tool_calls", "stop")


def test_text_in_the_last_line_is_taken() -> None:
    events, _ = decode(body("length.ndjson"))
    assert text_of(events) == "One, two, three"
    assert finish_of(events) == Finish("length", "length")


def test_an_end_without_a_reason_is_a_stop() -> None:
    events, _ = decode(body("no_done_reason.ndjson"))
    assert text_of(events) == "The sky"
    assert finish_of(events) == Finish("stop", None)


def test_a_prompt_that_was_not_counted_is_not_reported_as_zero() -> None:
    assert usage_of(decode(body("cached_prompt.ndjson"))[0]) == UsageReport(None, 2)


def test_an_answer_without_text_is_complete() -> None:
    assert decode(body("empty.ndjson"))[0][1:] == [UsageReport(11, 1), Finish("stop", "stop")]


def test_a_last_line_without_an_end_is_taken() -> None:
    events, failure = decode(body("crlf_and_no_last_newline.ndjson"))
    assert failure is None
    assert text_of(events) == "ab"


def test_a_whole_answer_is_one_batch() -> None:
    decoder = OllamaDecoder(MAX)
    assert decoder.feed_whole(body("whole.json")) == [
        ModelNamed("qwen3"),
        ReasoningDelta("hm"),
        TextDelta("Hello!", 1),
        ToolCallDelta(0, '{"a":1}', "call_a1", "f"),
        UsageReport(3, 5),
        ProviderState({"thinking": "hm"}),
        Finish("tool_calls", "stop"),
    ]
    assert decoder.complete


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("error_midstream.ndjson", "SERVER_ERROR", "partial"),
        ("error_context.ndjson", "CONTEXT_LENGTH_EXCEEDED", "partial"),
        ("error_of_the_cloud.ndjson", "SERVER_ERROR", "partial"),
        ("error_no_end.ndjson", "STREAM_TRUNCATED", "partial\n\n"),
        ("error_unloaded.ndjson", "PROVIDER_PROTOCOL_ERROR", ""),
    ],
)
def test_an_error_inside_a_stream_is_typed_and_the_text_before_it_is_delivered(name: str, code: str, text: str) -> None:
    events, failure = decode(body(name))
    assert failure is not None
    assert failure.code == code
    assert text_of(events) == text


def test_every_recorded_failure_is_checked() -> None:
    assert len(FAILING) == 5


# --- however the bytes are cut ---


@pytest.mark.parametrize("name", COMPLETE)
def test_truncated_at_any_byte_before_the_end_it_is_never_complete(name: str) -> None:
    stream = body(name).rstrip(b"\r\n")
    whole = text_of(decode(stream)[0])
    for end in range(len(stream)):
        events, failure = decode(stream[:end])
        assert failure is not None
        assert failure.code == "STREAM_TRUNCATED"
        assert not any(isinstance(event, Finish) for event in events)
        assert whole.startswith(text_of(events))


# --- the end ---


def test_half_a_line_at_the_end_is_a_truncation() -> None:
    events, failure = decode(line("a") + line(done=True)[:-3])
    assert text_of(events) == "a"
    assert failure is not None
    assert failure.code == "STREAM_TRUNCATED"
    assert failure.retryable


def test_nothing_after_the_end_is_read() -> None:
    events = decode_lines(line("a"), line(done=True), line("b"), b'{"error": "late"}\n')
    assert text_of(events) == "a"


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_an_end_that_answers_another_request_is_a_protocol_error(reason: str) -> None:
    assert failure_of(line(done=True, done_reason=reason)).code == "PROVIDER_PROTOCOL_ERROR"


def test_an_end_without_any_message_is_a_protocol_error() -> None:
    assert failure_of(b'{"done": true, "done_reason": "stop"}\n').code == "PROVIDER_PROTOCOL_ERROR"


@pytest.mark.parametrize(
    ("word", "reason"), [("stop", "stop"), ("length", "length"), ("never heard of", "stop"), ("", "stop")]
)
def test_a_finish_reason_is_mapped_and_its_word_kept(word: str, reason: str) -> None:
    assert finish_of(decode_lines(line("a"), line(done=True, done_reason=word))) == Finish(reason, word)  # type: ignore[arg-type]


def test_running_out_of_room_beside_a_tool_call_is_not_hidden() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    events = decode_lines(line(tool_calls=[call]), line(done=True, done_reason="length"))
    assert finish_of(events).reason == "length"


def test_a_reason_that_is_a_failure_is_one() -> None:
    assert failure_of(line("a"), line(done=True, done_reason="error")).code == "SERVER_ERROR"


@pytest.mark.parametrize(
    ("whole", "code"),
    [
        (b'{"error": "model \\"x\\" not found, try pulling it first"}', "INVALID_MODEL"),
        (b'{"message": {"content": "a"}, "done": false}', "STREAM_TRUNCATED"),
        (b"{}", "PROVIDER_PROTOCOL_ERROR"),
        (b'{"done": true}', "PROVIDER_PROTOCOL_ERROR"),
        (line("a") + line(done=True), "PROVIDER_PROTOCOL_ERROR"),
        (b"", "PROVIDER_PROTOCOL_ERROR"),
    ],
)
def test_a_whole_answer_that_is_none_is_a_typed_failure(whole: bytes, code: str) -> None:
    decoder = OllamaDecoder(MAX)
    decoder.feed_whole(whole)
    assert not decoder.complete
    assert decoder.failure is not None
    assert decoder.failure.code == code


# --- what servers leave out or do differently ---


def test_nulls_and_missing_or_unknown_fields_are_tolerated() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"message": None, "done": None, "error": None, "model": None},
        {"message": {"role": "assistant", "content": None, "thinking": None, "tool_calls": None, "images": None}},
        {"message": {}, "done": False, "unknown": {"deep": [1, {"a": None}]}, "logprobs": [{"token": "x"}]},
        {"message": {"tool_calls": []}},
        {"status": "pulling manifest"},
    ]
    events = decode_lines(*(json.dumps(value).encode() + b"\n" for value in odd), line("a"), line(done=True))
    assert events == [ModelNamed("m"), TextDelta("a", 1), Finish("stop", None)]


@pytest.mark.parametrize(("said", "meant"), [("5.0", 5), ("-5", None), ("9" * 30, None), ("null", None), ("0", None)])
def test_a_count_that_cannot_be_one_is_left_out(said: str, meant: int | None) -> None:
    end = f'{{"message": {{}}, "done": true, "prompt_eval_count": {said}, "eval_count": 7}}\n'.encode()
    assert usage_of(decode_lines(line("a"), end)) == UsageReport(meant, 7)


def test_usage_of_zeros_is_no_report() -> None:
    assert usage_of(decode_lines(line("a"), line(done=True, prompt_eval_count=0, eval_count=0))) is None


@pytest.mark.parametrize(
    "garbage",
    [b"hello", b"<html>", b"{", b"[]", b"17", b'{"message": 1}', b'{"message": {"content": 7}}', b"[" * 100_000],
)
def test_a_line_that_is_no_piece_of_an_answer_is_a_protocol_error(garbage: bytes) -> None:
    failure = failure_of(line("a"), garbage + b"\n")
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"
    assert "hello" not in failure.message


def test_invalid_utf_8_is_never_silently_altered() -> None:
    assert failure_of(b'{"message": {"content": "a\xff"}}\n').code == "PROVIDER_PROTOCOL_ERROR"


def test_a_line_above_the_limit_is_a_protocol_error_after_the_text_before_it() -> None:
    events, failure = decode(line("a") + line("x" * 2_000), max_event_bytes=1_000)
    assert text_of(events) == "a"
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


# --- order ---


def test_text_thoughts_and_calls_keep_their_order() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    events = decode_lines(
        line("a", thinking="1"), line("b"), line(thinking="2"), line("c", tool_calls=[call]), line("d"), line(done=True)
    )
    assert [type(event).__name__ for event in events[1:]] == [
        "ReasoningDelta",
        "TextDelta",
        "ReasoningDelta",
        "TextDelta",
        "ToolCallDelta",
        "TextDelta",
        "ProviderState",
        "Finish",
    ]
    assert text_of(events) == "abcd"


# --- tool calls ---


def call_line(arguments: str, name: str | None = "f") -> bytes:
    call = f'{{"function": {{"name": {json.dumps(name)}, "arguments": {arguments}}}}}'
    return f'{{"message": {{"tool_calls": [{call}]}}}}\n'.encode()


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("{}", "{}"),
        ("null", "{}"),
        ('{"n": 12345678901234567890, "z": 1, "a": 1.0}', '{"n": 12345678901234567890, "z": 1, "a": 1.0}'),
        ('{"text": "\\u003c 日本"}', '{"text": "\\u003c 日本"}'),
    ],
)
def test_arguments_are_the_text_the_server_sent(sent: str, taken: str) -> None:
    assert [arguments for *_, arguments in tool_calls_of(decode_lines(call_line(sent), line(done=True)))] == [taken]


def test_a_call_without_arguments_has_empty_ones() -> None:
    events = decode_lines(b'{"message": {"tool_calls": [{"function": {"name": "f"}}]}}\n', line(done=True))
    assert [arguments for *_, arguments in tool_calls_of(events)] == ["{}"]


@pytest.mark.parametrize(
    "bad",
    [
        call_line("[]"),
        call_line('"{}"'),
        call_line("7"),
        call_line("{}", None),
        call_line("{}", ""),
        call_line("{"),
        call_line('{"a": "?"}').replace(b"?", b"\xff"),
    ],
)
def test_a_call_without_a_name_or_an_object_is_a_protocol_error_and_nothing_after_it_counts(bad: bytes) -> None:
    good = json.loads(call_line("{}"))["message"]["tool_calls"]
    events, failure = decode(line("a", tool_calls=good), bad)
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"
    assert len(tool_calls_of(events)) == 1


def test_thoughts_without_tool_calls_are_not_kept() -> None:
    events = decode_lines(line(thinking="hm"), line("a"), line(done=True))
    assert not any(isinstance(event, ProviderState) for event in events)


def test_more_thoughts_than_one_event_may_hold_are_not_kept() -> None:
    decoder = OllamaDecoder(1_000)
    pieces = [line(thinking="x" * 400)] * 3 + [call_line("{}"), line(done=True)]
    events = [event for piece in pieces for event in decoder.feed(piece)]
    assert decoder.complete
    assert len(reasoning_of(events)) == 1_200
    assert not any(isinstance(event, ProviderState) for event in events)
