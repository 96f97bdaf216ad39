"""An answer that was recorded by a host comes back to Anthropic as it was, or as much of it as still fits."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.messages.content import ImagePart, Message, TextPart, ToolCall
from llm_sidecar.providers.anthropic.request import message_body
from llm_sidecar.providers.anthropic.stream import MessageDecoder
from llm_sidecar.providers.events import ProviderState
from tests.providers.anthropic_fixtures import COMPLETE, body, request_to
from tests.providers.contract import text_of, tool_calls_of

ASKED = Message(role="user", content="hi")
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
REDACTED = {"type": "redacted_thinking", "data": "zz"}


def recorded(stream: bytes) -> Message:
    """The answer as a host keeps it: out of `llm:done`, through JSON, into the messages of its next request."""
    decoder = MessageDecoder("anthropic", 1_000_000)
    events = decoder.feed(stream)
    assert decoder.complete
    message = Message(
        role="assistant",
        content=text_of(events),
        tool_calls=[ToolCall(id=i, name=n, arguments=a) for i, n, a in tool_calls_of(events)] or None,
        provider_state=next((event.state for event in events if isinstance(event, ProviderState)), None),
    )
    return msgspec.json.decode(msgspec.json.encode(message), type=Message)


def sent_again(message: Message) -> list[dict[str, Any]]:
    """The blocks of the assistant's turn in the next request."""
    request = request_to("http://localhost", messages=[ASKED, message, ASKED])
    turns = json.loads(message_body(request, "claude-sonnet-4-5"))["messages"]
    return [block for turn in turns if turn["role"] == "assistant" for block in turn["content"]]


def said(content: str | list[TextPart | ImagePart], layout: Any, *calls: str) -> list[dict[str, Any]]:
    """What becomes of an answer with this text, this state and calls of these ids."""
    tool_calls = [ToolCall(id=call, name="f", arguments="{}") for call in calls] or None
    state = {"anthropic": layout}
    return sent_again(Message(role="assistant", content=content, tool_calls=tool_calls, provider_state=state))


def texts(*pieces: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": piece} for piece in pieces]


def call(call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {}}


def streamed_blocks(stream: bytes) -> list[dict[str, Any]]:
    """The blocks of a recorded answer, put together independently: what a client that keeps messages would send."""
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    for line in stream.split(b"\n"):
        if not line.startswith(b"data: "):
            continue
        event = json.loads(line[6:])
        index = event.get("index")
        if event["type"] == "content_block_start":
            blocks[index] = {k: v for k, v in event["content_block"].items() if k not in ("caller", "citations")}
        elif event["type"] == "content_block_delta":
            for field in ("text", "thinking", "signature"):
                if field in event["delta"]:
                    blocks[index][field] += event["delta"][field]
            inputs[index] = inputs.get(index, "") + event["delta"].get("partial_json", "")
    for index, text in inputs.items():
        if text:
            blocks[index]["input"] = json.loads(text)
    return [blocks[index] for index in sorted(blocks)]


@pytest.mark.parametrize(
    "name", [name for name in COMPLETE if name not in ("max_tokens_in_tool.sse", "empty_answer.sse")]
)
def test_a_recorded_answer_is_sent_again_block_by_block(name: str) -> None:
    assert sent_again(recorded(body(name))) == streamed_blocks(body(name))


def test_a_call_that_was_cut_off_is_sent_again_wrapped() -> None:
    (block,) = sent_again(recorded(body("max_tokens_in_tool.sse")))
    assert block["input"] == {"INVALID_JSON": '{"lines": ["a", "b'}


def test_an_empty_answer_leaves_no_turn() -> None:
    assert sent_again(recorded(body("empty_answer.sse"))) == []


def test_numbers_in_arguments_are_not_touched() -> None:
    """12345678901234567890 and 1.0, which a detour over floats or maps could change."""
    message = recorded(body("interleaved_thinking.sse"))
    request = request_to("http://localhost", messages=[ASKED, message, ASKED])
    assert b'{"zone":"CET","exact":12345678901234567890,"ratio":1.0}' in message_body(request, "m")


def test_the_state_does_not_repeat_the_text() -> None:
    state = json.dumps(recorded(body("interleaved_thinking.sse")).provider_state)
    assert "One moment" not in state
    assert "Paris" not in state


# --- a host that edits ---


def test_a_text_that_was_edited_goes_where_the_first_one_was() -> None:
    layout = [THOUGHT, {"text": 5}, REDACTED, {"text": 5}, {"call": "a"}]
    assert said("0123456789", layout, "a") == [THOUGHT, *texts("01234"), REDACTED, *texts("56789"), call("a")]
    assert said("edited", layout, "a") == [THOUGHT, *texts("edited"), REDACTED, call("a")]
    assert said("", layout, "a") == [THOUGHT, REDACTED, call("a")]


def test_a_text_that_was_added_goes_before_the_calls() -> None:
    assert said("new", [THOUGHT, {"call": "a"}], "a") == [THOUGHT, *texts("new"), call("a")]
    assert said("new", [THOUGHT, {"text": 0}]) == [THOUGHT, *texts("new")]


def test_a_text_in_parts_is_still_the_text() -> None:
    parts: list[TextPart | ImagePart] = [TextPart(text="01"), TextPart(text=" "), TextPart(text="34")]
    assert said(parts, [THOUGHT, {"text": 5}]) == [THOUGHT, *texts("01 34")]


def test_an_image_among_the_text_is_not_lost() -> None:
    image = ImagePart(url="https://example.com/a.png")
    sent = said([TextPart(text="01"), image], [THOUGHT, {"text": 2}])
    assert sent == [
        THOUGHT,
        *texts("01"),
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]


def test_a_call_that_is_gone_is_left_out_and_a_new_one_comes_last() -> None:
    layout = [THOUGHT, {"call": "a"}, REDACTED, {"call": "b"}]
    assert said("", layout, "b", "c") == [THOUGHT, REDACTED, call("b"), call("c")]


def test_thoughts_that_nothing_came_of_are_left_out() -> None:
    assert said("", [THOUGHT, REDACTED]) == []
    assert said("a", [{"text": 1}, THOUGHT]) == texts("a")


def test_white_space_between_blocks_is_left_out() -> None:
    assert said("a\n\n", [{"text": 1}, THOUGHT, {"text": 2}, {"call": "a"}], "a") == [*texts("a"), THOUGHT, call("a")]


# --- a host that sends anything ---


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"anthropic": None},
        {"anthropic": "x"},
        {"anthropic": {"type": "thinking"}},
        {"anthropic": [1]},
        {"anthropic": [None]},
        {"anthropic": [{}]},
        {"anthropic": [{"text": "5"}]},
        {"anthropic": [{"text": -1}]},
        {"anthropic": [{"text": True}]},
        {"anthropic": [{"text": 1.0}]},
        {"anthropic": [{"call": 7}]},
        {"anthropic": [{"type": None}]},
        {"anthropic": [THOUGHT, {"type": ["thinking"]}]},
        {"reasoning_content": "of another vendor"},
        {"gemini": [{"thoughtSignature": "x"}]},
    ],
)
def test_a_state_that_is_none_of_ours_is_ignored(state: dict[str, Any]) -> None:
    calls = [ToolCall(id="a", name="f", arguments="{}")]
    message = Message(role="assistant", content="text", tool_calls=calls, provider_state=state)
    assert sent_again(message) == [*texts("text"), call("a")]


SEGMENTS = st.one_of(
    st.builds(lambda n: {"text": n}, st.integers(0, 9)),
    st.builds(lambda i: {"call": i}, st.sampled_from("abcx")),
    st.just(THOUGHT),
    st.just(REDACTED),
)


@given(st.text("01 ", max_size=9), st.lists(SEGMENTS, max_size=8), st.lists(st.sampled_from("abc"), unique=True))
def test_whatever_the_layout_text_and_calls_are_sent_exactly_once(text: str, layout: Any, calls: list[str]) -> None:
    sent = said(text, layout, *calls)
    visible = "".join(block["text"] for block in sent if block["type"] == "text")
    assert "".join(visible.split()) == "".join(text.split())
    assert sorted(block["id"] for block in sent if block["type"] == "tool_use") == sorted(calls)
    assert not sent or sent[-1]["type"] not in ("thinking", "redacted_thinking")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists))
def test_any_state_at_all_is_survived(state: Any) -> None:
    assert said("text", state)
