"""What a reasoning model's answer carried reaches it again: recorded, kept as a host keeps it, and sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.messages.content import ImagePart, Message, TextPart, ToolCall
from llm_sidecar.providers.events import ProviderEvent, ProviderState
from llm_sidecar.providers.openai_responses.replay import must_be_replayed, origin_of
from llm_sidecar.providers.openai_responses.request import responses_body
from llm_sidecar.providers.openai_responses.stream import ResponsesDecoder
from tests.providers.contract import text_of, tool_calls_of
from tests.providers.fault_server import sse
from tests.providers.openai_fixtures import request_to
from tests.providers.openai_responses_fixtures import COMPLETE, body, delta, done, end

OPENAI = request_to("https://api.openai.com/v1", "openai", model_id="gpt-5")
ORIGIN = origin_of(OPENAI.endpoint, "gpt-5")


def events_of(stream: bytes, max_bytes: int = 1_000_000) -> list[ProviderEvent]:
    decoder = ResponsesDecoder(ORIGIN, max_bytes)
    events = decoder.feed(stream)
    assert decoder.complete
    return events


def state_of(events: list[ProviderEvent]) -> dict[str, Any] | None:
    return next((event.state for event in events if isinstance(event, ProviderState)), None)


def answer(stream: bytes, **changes: Any) -> Message:
    """The answer as a host records it: its text, its calls and its state, through JSON."""
    events = events_of(stream)
    calls = [ToolCall(id=i, name=name, arguments=arguments) for i, name, arguments in tool_calls_of(events)]
    state = json.loads(json.dumps(state_of(events)))
    fields = {"content": text_of(events), "tool_calls": calls or None, "provider_state": state, **changes}
    return Message(role="assistant", **fields)


def sent(message: Message, url: str = "https://api.openai.com/v1", model: str = "gpt-5", **more: Any) -> list[Any]:
    request = request_to(url, more.pop("provider_id", "openai"), messages=[message])
    items: list[Any] = json.loads(responses_body(request, model))["input"]
    return items


def items_in(stream: bytes) -> list[Any]:
    """The items as the server finished them."""
    datas = [line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: ")]
    events = [json.loads(data) for data in datas]
    return [event["item"] for event in events if event["type"] == "response.output_item.done"]


REPLAYED = [
    "reasoning_summary.sse",
    "reasoning_sealed.sse",
    "reasoning_parallel_tools.sse",
    "phases_and_tool.sse",
    "unknown_items.sse",
]


@pytest.mark.parametrize("name", REPLAYED)
def test_the_items_go_back_as_they_came_and_in_their_order(name: str) -> None:
    assert sent(answer(body(name))) == items_in(body(name))


@pytest.mark.parametrize("name", [name for name in COMPLETE if name not in REPLAYED])
def test_what_the_conversation_says_itself_needs_no_state(name: str) -> None:
    assert state_of(events_of(body(name))) is None


def test_a_text_and_calls_without_a_state_go_back_without_ids() -> None:
    assert sent(answer(body("text_and_tool.sse"))) == [
        {"type": "message", "role": "assistant", "content": "Let me look."},
        {
            "type": "function_call",
            "call_id": "call_H5DxLSFnsGhiROnUiDHmgyc8",
            "name": "get_weather",
            "arguments": '{"city":"Rome"}',
        },
    ]


@pytest.mark.parametrize("name", REPLAYED)
def test_the_state_holds_nothing_that_the_conversation_holds(name: str) -> None:
    events = events_of(body(name))
    state = json.dumps(state_of(events), ensure_ascii=False)
    for said in [text_of(events), *(arguments for _, _, arguments in tool_calls_of(events))]:
        assert not said or json.dumps(said) not in state


def test_the_state_is_this() -> None:
    assert state_of(events_of(body("reasoning_summary.sse"))) == {
        "openai_responses": {
            "origin": {"place": "openai api.openai.com:443", "model": "gpt-5"},
            "items": [
                {
                    "id": "rs_0c3876fcd4da19ef00692a1405",
                    "type": "reasoning",
                    "encrypted_content": "gAAAAABprV9uWcDk1TzrOSBnQ0NZQuT1HUiK0vyrGd1j5mhnZNdpkTegKqQdP0DE==",
                    "summary": [
                        {"type": "summary_text", "text": "**Weighing** the question."},
                        {"type": "summary_text", "text": "**Settling** on it."},
                    ],
                },
                {
                    "id": "msg_0c3876fcd4da19ef00692a1406",
                    "type": "message",
                    "status": "completed",
                    "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": 10}],
                    "role": "assistant",
                },
            ],
        }
    }


def test_text_in_parts_fits_too() -> None:
    parts: list[TextPart | ImagePart] = [TextPart(text="Forty"), TextPart(text="-two.")]
    assert sent(answer(body("reasoning_summary.sse"), content=parts)) == items_in(body("reasoning_summary.sse"))


# --- when it cannot be replayed ---


def plain(message: Message) -> list[Any]:
    return sent(Message(role="assistant", content=message.content, tool_calls=message.tool_calls))


@pytest.mark.parametrize("text", ["", "Forty-two", "Forty-two. ", "Forty-two, surely."])
def test_a_text_that_was_edited_goes_alone(text: str) -> None:
    edited = answer(body("reasoning_summary.sse"), content=text)
    assert sent(edited) == plain(edited) == [{"type": "message", "role": "assistant", "content": text}]


def test_calls_that_were_taken_out_or_renumbered_go_without_the_reasoning() -> None:
    whole = answer(body("reasoning_parallel_tools.sse"))
    assert whole.tool_calls is not None
    one, two = whole.tool_calls
    renumbered = ToolCall(id="other", name=one.name, arguments=one.arguments)
    for calls in ([one], [one, two, two], [renumbered, two], [*whole.tool_calls, renumbered], None):
        edited = answer(body("reasoning_parallel_tools.sse"), tool_calls=calls)
        assert sent(edited) == plain(edited)


def test_arguments_that_were_edited_are_the_ones_that_are_sent() -> None:
    whole = answer(body("reasoning_parallel_tools.sse"))
    assert whole.tool_calls is not None
    one, two = whole.tool_calls
    edited = [ToolCall(id=one.id, name=one.name, arguments='{"city":"Rome"}'), two]
    items = sent(answer(body("reasoning_parallel_tools.sse"), tool_calls=edited))
    assert items[0]["type"] == "reasoning"
    assert items[1]["arguments"] == '{"city":"Rome"}'


@pytest.mark.parametrize(
    ("url", "provider_id"),
    [
        ("https://res.openai.azure.com", "azure"),
        ("https://gateway.example/v1", "openai"),
        ("https://api.openai.com/v1", "openai-compatible"),
    ],
)
def test_elsewhere_nobody_can_read_it_and_nobody_gets_it(url: str, provider_id: str) -> None:
    message = answer(body("reasoning_summary.sse"))
    assert sent(message, url, provider_id=provider_id) == plain(message)


def test_another_model_there_gets_it_but_does_not_need_it() -> None:
    message = answer(body("reasoning_summary.sse"))
    assert sent(message, model="gpt-5-mini") == items_in(body("reasoning_summary.sse"))
    assert not must_be_replayed(message, origin_of(OPENAI.endpoint, "gpt-5-mini"))
    assert must_be_replayed(message, ORIGIN)


def test_what_cannot_be_replayed_must_not() -> None:
    assert not must_be_replayed(answer(body("reasoning_summary.sse"), content="edited"), ORIGIN)
    assert not must_be_replayed(answer(body("text.sse")), ORIGIN)


REASONING = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": []}
MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "a"}], "role": "assistant"}


def test_reasoning_that_is_not_in_the_item_cannot_be_found_again() -> None:
    """400 "Item with id 'rs_…' not found. Items are not persisted when `store` is set to false."."""
    unreadable = {name: value for name, value in REASONING.items() if name != "encrypted_content"}
    assert state_of(events_of(sse(done(unreadable, 0), done({**MESSAGE, "phase": "final_answer"}, 1), end()))) is None


def test_reasoning_at_the_end_is_left_out() -> None:
    """400 "Item 'rs_…' of type 'reasoning' was provided without its required following item."."""
    assert state_of(events_of(sse(done(REASONING, 0), end("incomplete")))) is None
    message = answer(sse(done(REASONING, 0), done(MESSAGE, 1), done({**REASONING, "id": "rs_2"}, 2), end("incomplete")))
    assert sent(message) == [REASONING, MESSAGE]


def test_an_answer_is_replayed_whole_or_not_at_all() -> None:
    unreadable = {**REASONING, "id": "rs_2", "encrypted_content": None}
    stream = sse(done(REASONING, 0), done(MESSAGE, 1), done(unreadable, 2), done({**MESSAGE, "id": "msg_2"}, 3), end())
    assert state_of(events_of(stream)) is None


def test_fields_that_are_null_are_not_sent_back() -> None:
    nulls = {"status": None, "content": None}
    message = answer(sse(done({**REASONING, **nulls}, 0), done({**MESSAGE, "phase": None}, 1), end()))
    assert sent(message) == [REASONING, MESSAGE]


def test_a_refusal_goes_back_as_one() -> None:
    refusal = {**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]}
    message = answer(sse(done(REASONING, 0), done(refusal, 1), end()))
    assert message.content == "No."
    assert sent(message) == [REASONING, refusal]


def test_the_items_of_a_whole_response_go_back_too() -> None:
    decoder = ResponsesDecoder(ORIGIN, 1_000_000)
    events = decoder.feed_whole(body("whole.json"))
    calls = [ToolCall(id=i, name=name, arguments=arguments) for i, name, arguments in tool_calls_of(events)]
    message = Message(role="assistant", content=text_of(events), tool_calls=calls, provider_state=state_of(events))
    assert sent(message) == json.loads(body("whole.json"))["output"]


def test_what_is_too_large_is_delivered_but_not_kept() -> None:
    large = {**REASONING, "encrypted_content": "x" * 600}
    stream = sse(done(large, 0), done({**large, "id": "rs_2"}, 1), done(MESSAGE, 2), end())
    assert state_of(events_of(stream, max_bytes=1_000)) is None
    assert state_of(events_of(stream, max_bytes=10_000)) is not None


# --- whatever a host sends as a state ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.dictionaries(st.sampled_from(["type", "content", "call_id", "text", "id"]), JSON) | st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from(["message", "function_call", "reasoning"]),
    st.dictionaries(st.sampled_from(["content", "call_id"]), JSON | st.lists(st.just({"type": "output_text"}))),
)
STATES = st.fixed_dictionaries(
    {
        "openai_responses": JSON
        | st.fixed_dictionaries(
            {"origin": st.just({"place": ORIGIN.place, "model": "gpt-5"})},
            optional={"items": JSON | st.lists(ITEMS, max_size=3)},
        )
    }
)


@given(STATES)
def test_a_malformed_state_does_no_harm(state: dict[str, Any]) -> None:
    message = Message(role="assistant", content="hello", provider_state=state)
    assert sent(message)
    assert must_be_replayed(message, ORIGIN) in (True, False)


@pytest.mark.parametrize("length", [-1, 1.5, "5", None, True, 10**30, [], {}])
def test_a_length_that_is_none_means_the_text_goes_alone(length: object) -> None:
    item = {**MESSAGE, "content": [{"type": "output_text", "text": length}]}
    state = {"openai_responses": {"origin": {"place": ORIGIN.place, "model": "gpt-5"}, "items": [REASONING, item]}}
    message = Message(role="assistant", content="hello", provider_state=state)
    assert sent(message) == [{"type": "message", "role": "assistant", "content": "hello"}]


@pytest.mark.parametrize("state", [{"reasoning_content": "x"}, {"anthropic": {"blocks": []}}, {}])
def test_the_states_of_others_are_ignored(state: dict[str, Any]) -> None:
    message = Message(role="assistant", content="hello", provider_state=state)
    assert sent(message) == [{"type": "message", "role": "assistant", "content": "hello"}]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_any_texts_are_cut_where_they_were(texts: list[str]) -> None:
    messages = [
        {**MESSAGE, "id": f"msg_{at}", "content": [{"type": "output_text", "text": text}]}
        for at, text in enumerate(texts)
    ]
    deltas = [delta(text, at + 1) for at, text in enumerate(texts)]
    finished = [done(item, at + 1) for at, item in enumerate(messages)]
    pieces = [event for pair in zip(deltas, finished, strict=True) for event in pair]
    message = answer(sse(done(REASONING, 0), *pieces, end()))
    assert message.content == "".join(texts)
    assert sent(message) == [REASONING, *messages]
