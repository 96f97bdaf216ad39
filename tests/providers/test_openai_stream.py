"""The chat completion decoder: recorded answers, and everything that servers are known to do differently."""

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
    PromptProgress,
    ProviderEvent,
    ProviderState,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.providers.openai.stream import ChatDecoder
from tests.providers import contract
from tests.providers.contract import finish_of, reasoning_of, text_of, tool_calls_of, usage_of
from tests.providers.fault_server import sse
from tests.providers.openai_fixtures import FAILING, body, chunk

MAX = 1_000_000


def decode(
    *pieces: bytes, provider_id: str = "openai-compatible", max_event_bytes: int = MAX
) -> tuple[list[ProviderEvent], ProviderError | None]:
    """The events of a body that ends cleanly, and its failure."""
    return contract.decode(ChatDecoder(provider_id, max_event_bytes), *pieces)


def decode_chunks(*chunks: object, provider_id: str = "openai-compatible") -> list[ProviderEvent]:
    events, failure = decode(sse(*chunks), provider_id=provider_id)
    assert failure is None
    return events


def failure_of(*chunks: object) -> ProviderError:
    events, failure = decode(sse(*chunks))
    assert failure is not None
    assert not any(isinstance(event, Finish) for event in events)
    return failure


# --- recorded answers ---


def test_openai_text_is_one_delta_with_the_usage_and_the_finish_after_it() -> None:
    assert decode(body("openai_text.sse")) == (
        [
            ModelNamed("gpt-4o-mini-2024-07-18"),
            TextDelta("Grüße 👋🏽, world!\n\u2028日本語", 9),
            UsageReport(19, 11, 8, 0),
            Finish("stop", "stop"),
        ],
        None,
    )


def test_parallel_tool_calls_are_kept_apart_by_their_index() -> None:
    events, _ = decode(body("openai_parallel_tools.sse"))
    assert tool_calls_of(events) == [
        ("call_DdmO9pD3xa9XTPNJ32zg2hcA", "get_weather", '{"city": "Paris"} '),
        ("call_zzE2mJ7tPQo0YJkqK9aWbV3c", "get_time", '{"zone": "CET"}'),
    ]
    assert finish_of(events) == Finish("tool_calls", "tool_calls")


def test_deepseek_reasoning_comes_before_the_text_and_keep_alives_are_nothing() -> None:
    events, _ = decode(body("deepseek_reasoning.sse"))
    assert events == [
        ModelNamed("deepseek-reasoner"),
        ReasoningDelta("First, think."),
        TextDelta("Then speak.", 2),
        UsageReport(12, 9, 4, 5),
        Finish("stop", "stop"),
    ]


def test_azure_frames_without_choices_are_skipped() -> None:
    events, _ = decode(body("azure_empty_choices.sse"))
    assert text_of(events) == "Hi there"
    assert finish_of(events) == Finish("content_filter", "content_filter")
    assert events[0] == ModelNamed("gpt-4o-mini-2024-07-18")


def test_a_clean_end_after_a_finish_reason_is_complete_without_done() -> None:
    events, failure = decode(body("vllm_no_done.sse"))
    assert failure is None
    assert events == [ModelNamed("m"), TextDelta("ab", 2), Finish("length", "length")]


def test_reasoning_sent_under_both_names_is_taken_once() -> None:
    events, _ = decode(body("vllm_reasoning.sse"))
    assert reasoning_of(events) == "hm"


def test_llama_cpp_prompt_progress_is_reported() -> None:
    events, _ = decode(body("llamacpp_progress.sse"))
    assert [event for event in events if isinstance(event, PromptProgress)] == [
        PromptProgress(0, 22),
        PromptProgress(22, 22),
    ]
    assert usage_of(events) == UsageReport(22, 4, 21, None)


def test_a_refusal_is_text() -> None:
    events, _ = decode(body("openai_refusal.sse"))
    assert text_of(events) == "I'm sorry, I can't."


def test_tool_calls_without_an_index_are_kept_apart_by_their_id() -> None:
    events, _ = decode(body("gemini_tools_without_index.sse"))
    assert tool_calls_of(events) == [("c1", "f", "{}"), ("c2", "g", '{"b":2}')]


@pytest.mark.parametrize(
    ("provider_id", "reason"), [("ollama", "tool_calls"), ("google", "tool_calls"), ("openai-compatible", "stop")]
)
def test_stop_beside_tool_calls_means_tool_calls_where_a_server_knows_no_better(provider_id: str, reason: str) -> None:
    events, _ = decode(body("ollama_tools_whole.sse"), provider_id=provider_id)
    assert tool_calls_of(events) == [("call_3k", "f", '{"a":1}')]
    finish = finish_of(events)
    assert (finish.reason, finish.raw) == (reason, "stop")


def test_a_whole_completion_is_one_batch() -> None:
    decoder = ChatDecoder("openai-compatible", MAX)
    assert decoder.feed_whole(body("completion.json")) == [
        ModelNamed("m"),
        ReasoningDelta("hm"),
        TextDelta("Hello!", 1),
        ToolCallDelta(0, "{}", "c1", "f"),
        UsageReport(3, 5, None, None),
        ProviderState({"reasoning_content": "hm"}),
        Finish("tool_calls", "tool_calls"),
    ]
    assert decoder.complete


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("error_openai.sse", "SERVER_ERROR"),
        ("error_vllm_object.sse", "CONTEXT_LENGTH_EXCEEDED"),
        ("error_llamacpp_field.sse", "SERVER_ERROR"),
        ("error_event.sse", "PROVIDER_OVERLOADED"),
        ("error_deepseek_resource.sse", "PROVIDER_OVERLOADED"),
    ],
)
def test_an_error_inside_a_stream_is_typed_and_the_text_before_it_is_delivered(name: str, code: str) -> None:
    events, failure = decode(body(name))
    assert failure is not None
    assert failure.code == code
    assert text_of(events) == "partial"


def test_every_recorded_failure_is_checked() -> None:
    assert len(FAILING) == 5


# --- the end ---


def test_a_stream_that_stops_before_a_finish_reason_is_truncated() -> None:
    assert failure_of(chunk("half an ans")).code == "STREAM_TRUNCATED"


def test_done_without_a_finish_reason_is_an_end() -> None:
    assert finish_of(decode_chunks(chunk("a"), "[DONE]")) == Finish("stop", None)


def test_done_without_any_answer_is_a_protocol_error() -> None:
    assert failure_of("[DONE]").code == "PROVIDER_PROTOCOL_ERROR"


def test_nothing_after_done_is_read() -> None:
    decoder = ChatDecoder("openai-compatible", MAX)
    events = decoder.feed(sse(chunk("a", "stop"), "[DONE]", chunk("b"), {"error": "late"}))
    assert text_of(events) == "a"
    assert decoder.complete
    assert decoder.failure is None


def test_content_after_the_finish_reason_still_comes_before_the_finish() -> None:
    events = decode_chunks(chunk("a", "stop"), chunk("b"), "[DONE]")
    assert events == [TextDelta("ab", 2), Finish("stop", "stop")]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("eos", "stop"),
        ("never heard of", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_context_window_exceeded", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("function_call", "tool_calls"),
        ("tool_use", "tool_calls"),
    ],
)
def test_a_finish_reason_is_mapped_and_its_word_kept(word: str, reason: str) -> None:
    finish = finish_of(decode_chunks(chunk("a", word), "[DONE]"))
    assert (finish.reason, finish.raw) == (reason, word)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("insufficient_system_resource", "PROVIDER_OVERLOADED"),
        ("error", "SERVER_ERROR"),
        ("MALFORMED_FUNCTION_CALL", "SERVER_ERROR"),
        ("abort", "SERVER_ERROR"),
    ],
)
def test_a_finish_reason_that_is_a_failure_is_one(word: str, code: str) -> None:
    failure = failure_of(chunk("a", word), "[DONE]")
    assert failure.code == code
    assert failure.retryable


# --- what servers leave out or do differently ---


def test_nulls_and_missing_or_unknown_fields_are_tolerated() -> None:
    events = decode_chunks(
        {},
        {"choices": None, "usage": None, "error": None, "model": None},
        {"choices": []},
        {"choices": [{}], "unknown": {"deep": [1, {"a": None}]}},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"role": "assistant", "content": None, "tool_calls": None}, "finish_reason": ""}]},
        {"type": "ping"},
        chunk("a", logprobs=None),
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": None, "prompt_tokens_details": None}},
    )
    assert events == [TextDelta("a", 1), UsageReport(1, None, None, None), Finish("stop", "stop")]


def numbered(index: int, content: str, finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": {"content": content}, "finish_reason": finish}


def test_of_several_answers_only_the_first_is_taken_however_they_are_mixed() -> None:
    events = decode_chunks(
        {"choices": [numbered(1, "no"), numbered(0, "a")]},
        {"choices": [numbered(1, "no")]},
        {"choices": [numbered(0, "b"), numbered(1, "no", "length")]},
        {"choices": [numbered(1, "no", "length")]},
        {"choices": [numbered(0, "c", "stop"), numbered(1, "no")]},
        "[DONE]",
    )
    assert events == [TextDelta("abc", 3), Finish("stop", "stop")]


def test_another_answer_s_end_is_not_the_end_of_the_first() -> None:
    assert failure_of({"choices": [numbered(0, "a")]}, {"choices": [numbered(1, "no", "stop")]}).code == (
        "STREAM_TRUNCATED"
    )


def test_an_answer_without_text_is_complete() -> None:
    assert decode_chunks(chunk("", "length"), "[DONE]") == [Finish("length", "length")]


def test_usage_in_every_chunk_does_not_split_the_text_and_the_last_counts() -> None:
    usages = [{"prompt_tokens": 5, "completion_tokens": n} for n in range(3)]
    events = decode_chunks(*({**chunk("x"), "usage": usage} for usage in usages), chunk(finish="stop"), "[DONE]")
    assert events == [TextDelta("xxx", 3), UsageReport(5, 2, None, None), Finish("stop", "stop")]


def test_usage_of_zeros_is_no_report() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert usage_of(decode_chunks({**chunk("x", "stop"), "usage": zeros}, "[DONE]")) is None


@pytest.mark.parametrize(
    ("said", "meant"), [("5.0", 5), ("-5", None), ("1e400", None), ("9" * 30, None), ("null", None)]
)
def test_a_count_that_cannot_be_one_is_left_out(said: str, meant: int | None) -> None:
    usage = f'{{"choices": [], "usage": {{"prompt_tokens": {said}, "completion_tokens": 7}}}}'
    assert usage_of(decode_chunks(chunk("a", "stop"), usage, "[DONE]")) == UsageReport(meant, 7, None, None)


def test_a_streamed_message_beside_the_delta_is_not_taken_twice() -> None:
    one = chunk("a")
    one["choices"][0]["message"] = {"role": "assistant", "content": "a"}
    assert text_of(decode_chunks(one, chunk("b", "stop"), "[DONE]")) == "ab"


def test_infinity_and_nan_of_python_servers_are_tolerated() -> None:
    text = '{"choices": [{"delta": {"content": "a"}, "logprobs": {"x": [-Infinity, NaN]}, "finish_reason": "stop"}]}'
    assert text_of(decode_chunks(text, "[DONE]")) == "a"


@pytest.mark.parametrize(
    "event",
    ["hello", "<html>", "{", "[]", "17", '{"choices": 1}', '{"choices": [{"delta": {"content": 7}}]}', "[" * 100_000],
)
def test_an_event_that_is_no_chunk_is_a_protocol_error(event: str) -> None:
    failure = failure_of(chunk("a"), event)
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"
    assert "hello" not in failure.message


def test_invalid_utf_8_is_never_silently_altered() -> None:
    _, failure = decode(b'data: {"choices": [{"delta": {"content": "a\xff"}}]}\n\n')
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


def test_an_event_above_the_limit_is_a_protocol_error_after_the_text_before_it() -> None:
    events, failure = decode(sse(chunk("a"), chunk("x" * 2_000)), max_event_bytes=1_000)
    assert text_of(events) == "a"
    assert failure is not None
    assert failure.code == "PROVIDER_PROTOCOL_ERROR"


# --- tool calls ---


def tool(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: str | None = None
) -> Any:
    return chunk(tool_calls=[{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}])


END = (chunk(finish="tool_calls"), "[DONE]")


def test_arguments_that_arrive_together_are_one_delta() -> None:
    events = decode_chunks(tool(0, "a", "f", ""), tool(0, arguments='{"x"'), tool(0, arguments=":1}"), *END)
    assert events[0] == ToolCallDelta(0, '{"x":1}', "a", "f")


def test_a_call_that_begins_in_one_read_goes_on_in_the_next() -> None:
    events, _ = decode(sse(tool(0, "a", "f", "{")), sse(tool(0, arguments="}"), *END))
    assert events[:2] == [ToolCallDelta(0, "{", "a", "f"), ToolCallDelta(0, "}")]


def test_indices_are_made_gapless() -> None:
    events = decode_chunks(tool(1, "a", "f", "1"), tool(7, "b", "g", "2"), tool(1, arguments="3"), *END)
    assert tool_calls_of(events) == [("a", "f", "13"), ("b", "g", "2")]


def test_a_call_without_index_or_id_goes_on_with_the_last_one() -> None:
    events = decode_chunks(tool(None, "a", "f", "1"), tool(None, arguments="2"), tool(None, None, "g", "3"), *END)
    first, second = tool_calls_of(events)
    assert first == ("a", "f", "12")
    assert second[1:] == ("g", "3")


def test_an_id_repeated_in_every_piece_is_one_call() -> None:
    events = decode_chunks(tool(0, "a", "f", "1"), tool(0, "a", "f", "2"), tool(None, "a", None, "3"), *END)
    assert tool_calls_of(events) == [("a", "f", "123")]


def test_a_new_id_with_a_name_under_an_old_index_is_a_new_call() -> None:
    events = decode_chunks(tool(0, "a", "f", "1"), tool(0, "b", "g", "2"), tool(0, arguments="3"), *END)
    assert tool_calls_of(events) == [("a", "f", "1"), ("b", "g", "23")]


def test_a_call_without_an_id_gets_one() -> None:
    events = decode_chunks(tool(0, None, "f", "1"), tool(1, "", "f", "2"), *END)
    ids = [call_id for call_id, _, _ in tool_calls_of(events)]
    assert len(set(ids)) == 2
    assert all(ids)


def test_a_call_without_a_name_is_a_protocol_error() -> None:
    assert failure_of(tool(0, "a", None, "{}"), *END).code == "PROVIDER_PROTOCOL_ERROR"


def test_text_reasoning_and_calls_keep_their_order() -> None:
    events = decode_chunks(
        chunk(reasoning_content="think"),
        chunk("say"),
        tool(0, "a", "f", "{}"),
        chunk("more"),
        chunk(reasoning="again"),
        *END,
    )
    assert events == [
        ReasoningDelta("think"),
        TextDelta("say", 1),
        ToolCallDelta(0, "{}", "a", "f"),
        TextDelta("more", 1),
        ReasoningDelta("again"),
        ProviderState({"reasoning": "thinkagain"}),
        Finish("tool_calls", "tool_calls"),
    ]


def test_reasoning_is_kept_for_the_next_turn_only_beside_tool_calls() -> None:
    events = decode_chunks(chunk(reasoning_content="think"), chunk("say", "stop"), "[DONE]")
    assert not any(isinstance(event, ProviderState) for event in events)


def test_reasoning_above_the_limit_is_delivered_but_not_kept() -> None:
    pieces = [
        sse(chunk(reasoning_content="x" * 600)),
        sse(chunk(reasoning_content="y" * 600)),
        sse(tool(0, "a", "f", "{}"), *END),
    ]
    events, _ = decode(*pieces, max_event_bytes=1_000)
    assert len(reasoning_of(events)) == 1_200
    assert not any(isinstance(event, ProviderState) for event in events)


# --- characters cut in two ---

SMILE = "😀"
HIGH, LOW = "\\ud83d", "\\ude00"


def raw(content: str, field: str = "content") -> str:
    return f'{{"choices": [{{"delta": {{"{field}": "{content}"}}}}]}}'


def test_a_character_cut_between_two_deltas_comes_out_whole() -> None:
    assert text_of(decode_chunks(raw("a" + HIGH), raw(LOW + "b"), *END)) == f"a{SMILE}b"


def test_a_character_cut_between_two_reads_comes_out_whole() -> None:
    events, _ = decode(sse(raw(HIGH)), sse(raw(LOW), *END))
    assert events[0] == TextDelta(SMILE, 1)


def test_halves_of_text_and_reasoning_do_not_meet() -> None:
    events = decode_chunks(raw("x" + HIGH), raw("y" + HIGH, "reasoning"), raw(LOW), raw(LOW, "reasoning"), *END)
    assert text_of(events) == f"x{SMILE}"
    assert reasoning_of(events) == f"y{SMILE}"


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        ((HIGH, "a"), "\ufffda"),
        ((HIGH, HIGH, LOW), f"\ufffd{SMILE}"),
        ((LOW, "a"), "\ufffda"),
        (("a" + HIGH,), "a\ufffd"),
        ((HIGH + "a" + LOW,), "\ufffda\ufffd"),
        ((HIGH + LOW,), SMILE),
    ],
)
def test_half_a_character_that_stays_alone_is_replaced(deltas: tuple[str, ...], text: str) -> None:
    assert text_of(decode_chunks(*(raw(delta) for delta in deltas), *END)) == text


def test_a_character_cut_in_tool_arguments_comes_out_whole() -> None:
    def call(arguments: str) -> str:
        function = f'{{"name": "f", "arguments": "{arguments}"}}'
        return f'{{"choices": [{{"delta": {{"tool_calls": [{{"index": 0, "id": "a", "function": {function}}}]}}}}]}}'

    events = decode_chunks(call(HIGH), call(LOW), *END)
    assert tool_calls_of(events) == [("a", "f", SMILE)]


def test_reasoning_kept_for_the_next_turn_is_whole_too() -> None:
    events = decode_chunks(raw("a" + HIGH, "reasoning"), raw(LOW, "reasoning"), tool(0, "a", "f", "{}"), *END)
    assert ProviderState({"reasoning": f"a{SMILE}"}) in events


def test_half_a_character_in_a_name_is_replaced() -> None:
    part = f'{{"index": 0, "id": "i{HIGH}", "function": {{"name": "n{LOW}", "arguments": "{{}}"}}}}'
    choice = f'{{"delta": {{"tool_calls": [{part}]}}, "finish_reason": "r{HIGH}"}}'
    assert decode_chunks(f'{{"model": "m{HIGH}", "choices": [{choice}]}}', "[DONE]") == [
        ModelNamed("m\ufffd"),
        ToolCallDelta(0, "{}", "i\ufffd", "n\ufffd"),
        Finish("stop", "r\ufffd"),
    ]


ESCAPES = st.text(st.sampled_from("ab"), max_size=2) | st.sampled_from([HIGH, LOW, HIGH + LOW])


@given(st.lists(st.tuples(ESCAPES, st.sampled_from(["content", "reasoning", "refusal"])), max_size=8))
def test_every_event_can_be_written_as_json(deltas: list[tuple[str, str]]) -> None:
    for event in decode_chunks(*(raw(content, field) for content, field in deltas), tool(0, "a", "f", "{}"), *END):
        assert msgspec.json.encode(event)


@given(st.text(max_size=30), st.data())
def test_any_text_survives_any_cut_of_its_escapes(text: str, data: st.DataObject) -> None:
    units = [text.encode("utf-16-be")[i : i + 2].hex() for i in range(0, len(text.encode("utf-16-be")), 2)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units)), max_size=6)))
    parts = [units[a:b] for a, b in zip([0, *cuts], [*cuts, len(units)], strict=True)]
    events = decode_chunks(*(raw("".join(f"\\u{unit}" for unit in part)) for part in parts), *END)
    assert text_of(events) == text


@given(st.text(max_size=50))
def test_any_text_survives_unescaped(text: str) -> None:
    data = b"data: " + json.dumps(chunk(text, "stop"), ensure_ascii=False).encode() + b"\n\n"
    assert text_of(decode(data)[0]) == text


@pytest.mark.parametrize(
    ("usage", "completion"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35}, 25),
        ({"prompt_tokens": 10, "completion_tokens": 25, "total_tokens": 35}, 25),
        ({"prompt_tokens": 10, "completion_tokens": 25}, 25),
    ],
    ids=["beside it: xAI, Perplexity", "in it: everybody else", "not said"],
)
def test_reasoning_is_counted_in_the_completion_once(usage: dict[str, int], completion: int) -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 20}}
    decoder = ChatDecoder("openai-compatible", 100_000)
    events = decoder.feed(sse(chunk("a", "stop"), {"choices": [], "usage": {**usage, **details}}, "[DONE]"))
    assert [e for e in events if isinstance(e, UsageReport)] == [
        UsageReport(prompt_tokens=10, completion_tokens=completion, reasoning_tokens=20)
    ]


def test_tokens_written_to_the_prompt_cache_are_told() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cache_write_tokens": 7}}
    events = ChatDecoder("openai", 100_000).feed(sse(chunk("a", "stop"), {"choices": [], "usage": usage}, "[DONE]"))
    assert UsageReport(prompt_tokens=10, completion_tokens=1, cache_write_tokens=7) in events
