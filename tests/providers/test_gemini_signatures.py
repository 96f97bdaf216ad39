"""Thought signatures, from an answer into the next turn: each on its own part, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.messages.content import ImagePart, Message, TextPart, ToolCall
from llm_sidecar.providers.events import ProviderEvent, ProviderState
from llm_sidecar.providers.gemini.contents import contents_of
from llm_sidecar.providers.gemini.model import gemini_model
from llm_sidecar.providers.gemini.stream import GeminiDecoder
from tests.providers.contract import text_of, tool_calls_of
from tests.providers.fault_server import sse
from tests.providers.gemini_fixtures import COMPLETE, body, call, chunk, text

MODEL = "gemini-3-flash-preview"
UNSIGNED = "skip_thought_signature_validator"
USER = Message(role="user", content="hi")


def answered(data: bytes, model_id: str = MODEL) -> Message:
    """The message a host makes of an answer: what came, and the state of its `llm:done`, through JSON."""
    decoder = GeminiDecoder(model_id, 1_000_000)
    events: list[ProviderEvent] = decoder.feed(data) + decoder.end()
    assert decoder.complete
    state = next((event.state for event in events if isinstance(event, ProviderState)), None)
    calls = [ToolCall(id=i, name=n, arguments=a) for i, n, a in tool_calls_of(events)]
    return Message(
        role="assistant",
        content=text_of(events),
        tool_calls=calls or None,
        provider_state=json.loads(json.dumps(state)),
    )


def replayed(*messages: Message, model_id: str = MODEL) -> list[dict[str, Any]]:
    """The parts of the last message as they are sent."""
    parts: list[dict[str, Any]] = contents_of(messages, gemini_model(model_id))[-1]["parts"]
    return parts


def signatures(parts: list[dict[str, Any]]) -> list[str | None]:
    return [part.get("thoughtSignature") for part in parts]


def received(data: bytes) -> list[dict[str, Any]]:
    """The parts of a recorded answer that are to be seen again: without thoughts that nobody signed, and with texts
    that nobody signed joined."""
    parts: list[dict[str, Any]] = []
    for line in data.decode().split("\r\n"):
        for part in json.loads(line[6:])["candidates"][0]["content"].get("parts", ()) if line else ():
            if "thoughtSignature" in part or "functionCall" in part:
                parts.append(part)
            elif not part.get("thought") and part["text"]:
                if parts and parts[-1].keys() == {"text"}:
                    parts[-1]["text"] += part["text"]
                else:
                    parts.append(part)
    return parts


SIGNED = [name for name in COMPLETE if b"thoughtSignature" in body(name)]


def test_there_are_signed_answers() -> None:
    assert len(SIGNED) == 5


@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_answer_is_sent_back_as_it_came(name: str) -> None:
    assert replayed(USER, answered(body(name))) == received(body(name))


SIGNATURE = st.text("ABCabc012+/=", min_size=1, max_size=12) | st.none()
PARTS = st.one_of(
    st.builds(lambda said, signature: text(said, thoughtSignature=signature), st.text(max_size=8), SIGNATURE),
    st.builds(
        lambda said, signature: text(said, thought=True, thoughtSignature=signature), st.text(max_size=8), SIGNATURE
    ),
    st.builds(
        lambda name, signature: call(name, {"a": name}, signature, id=f"id {name}"),
        st.text("fg", min_size=1),
        SIGNATURE,
    ),
)


@given(st.lists(PARTS, max_size=8))
def test_any_signed_answer_is_sent_back_as_it_came(parts: list[dict[str, Any]]) -> None:
    said = [{name: value for name, value in part.items() if value is not None} for part in parts]
    data = sse(*(chunk(part) for part in said), chunk(finish="STOP")).replace(b"\n", b"\r\n")
    if any("thoughtSignature" in part for part in said):
        # Of an earlier turn: in the current one, a first call without a signature would be given one.
        turns = contents_of([USER, answered(data), USER], gemini_model(MODEL))
        assert turns[1]["parts"] == received(data)


# --- what the host may have done to it ---


def test_an_edited_text_goes_unsigned_and_the_calls_keep_theirs() -> None:
    message = answered(body("signed_everywhere.sse"))
    original = received(body("signed_everywhere.sse"))
    message.content = "I looked."
    assert replayed(USER, message) == [{"text": "I looked."}, original[3]]


def test_a_deleted_text_leaves_the_calls() -> None:
    message = answered(body("signed_everywhere.sse"))
    message.content = ""
    assert replayed(USER, message) == [received(body("signed_everywhere.sse"))[3]]


def test_calls_that_were_added_or_dropped_unsign_the_answer() -> None:
    message = answered(body("parallel_tool_calls.sse"))
    assert message.tool_calls is not None
    message.tool_calls = message.tool_calls[1:]
    parts = replayed(USER, message)
    assert [part.get("functionCall", {}).get("id") for part in parts] == [None, "fc_2", "fc_3"]
    assert signatures(parts) == [None, UNSIGNED, None]


def test_a_text_in_several_parts_is_the_same_text() -> None:
    message = answered(body("signed_text.sse"))
    message.content = [TextPart(text="Hello "), TextPart(text="there.")]
    assert replayed(USER, message) == received(body("signed_text.sse"))


def test_an_image_beside_the_text_unsigns_the_text() -> None:
    message = answered(body("signed_text.sse"))
    message.content = [TextPart(text="Hello there."), ImagePart(url="https://example.com/a.png")]
    assert signatures(replayed(USER, message)) == [None, None]


SOUND = {"model": MODEL, "parts": [{"text": 3, "signature": "s"}]}


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"openai": {"x": 1}, "reasoning_content": "hm"},
        {"gemini": None},
        {"gemini": []},
        {"gemini": "s"},
        {"gemini": {"model": MODEL}},
        {"gemini": {"model": MODEL, "parts": {}}},
        {"gemini": {"model": MODEL, "parts": [None]}},
        {"gemini": {"model": MODEL, "parts": [{}]}},
        {"gemini": {"model": MODEL, "parts": [{"text": 3, "call": 0, "signature": "s"}]}},
        {"gemini": {"model": MODEL, "parts": [{"text": "abc", "signature": "s"}]}},
        {"gemini": {"model": MODEL, "parts": [{"text": 4, "signature": "s"}, {"text": -1}]}},
        {"gemini": {"model": MODEL, "parts": [{"text": 3, "signature": 7}]}},
        {"gemini": {"model": MODEL, "parts": [{"text": 3, "signature": "\ud83d"}]}},
        {"gemini": {"model": MODEL, "parts": [{"text": 3.5, "signature": "s"}]}},
        {"gemini": {"model": MODEL, "parts": [{"text": 10**30, "signature": "s"}]}},
        {"gemini": {"model": MODEL, "parts": [{"call": 0, "signature": "s"}]}},
        {"gemini": {"model": MODEL, "parts": [{"text": 3}, {"call": 10**30, "signature": "s"}]}},
        {"gemini": {"model": "gemini-3-pro", "parts": SOUND["parts"]}},
    ],
)
def test_a_state_that_is_not_ours_is_ignored(state: dict[str, Any]) -> None:
    assert replayed(USER, Message(role="assistant", content="abc", provider_state=state)) == [{"text": "abc"}]


@pytest.mark.parametrize(
    "part", [{"text": 3, "call": 0}, {"text": 3, "thought": "hm"}, {"call": 0, "thought": "hm"}, {}]
)
def test_a_part_that_is_two_things_or_none_hides_nothing(part: dict[str, Any]) -> None:
    parts = [part, {"text": 3}, {"call": 0}] if "text" not in part else [part]
    state = {"gemini": {"model": MODEL, "parts": parts}}
    message = Message(
        role="assistant",
        content="abc",
        tool_calls=[ToolCall(id="c", name="f", arguments="{}")] if "call" in str(parts) else None,
        provider_state=state,
    )
    sent = replayed(USER, message)
    assert sent[0] == {"text": "abc"}
    assert len(sent) == 1 + len(message.tool_calls or ())


def test_a_sound_state_is_not_ignored() -> None:
    message = Message(role="assistant", content="abc", provider_state={"gemini": SOUND, "other": 1})
    assert replayed(USER, message) == [{"text": "abc", "thoughtSignature": "s"}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model", "parts", "text", "call", "thought", "signature"]), inner, max_size=4
        )
    ),
)


@given(JSON)
def test_no_state_breaks_a_request(state: Any) -> None:
    message = Message(
        role="assistant",
        content="abc",
        tool_calls=[ToolCall(id="c", name="f", arguments="{}")],
        provider_state={"gemini": state},
    )
    parts = replayed(USER, message)
    assert "".join(part.get("text", "") for part in parts if "thought" not in part) == "abc"
    assert len([part for part in parts if "functionCall" in part]) == 1


# --- calls that nobody signed ---


def calling(*ids: str) -> Message:
    return Message(
        role="assistant", content="", tool_calls=[ToolCall(id=call_id, name="f", arguments="{}") for call_id in ids]
    )


def result(call_id: str) -> Message:
    return Message(role="tool", content="1", tool_call_id=call_id)


def test_every_step_of_the_current_turn_has_a_first_call_with_a_signature() -> None:
    turns = contents_of(
        [
            USER,
            calling("a", "b"),
            result("a"),
            result("b"),
            USER,
            calling("c", "d"),
            result("c"),
            result("d"),
            calling("e"),
        ],
        gemini_model(MODEL),
    )
    assert [signatures(turn["parts"]) for turn in turns if turn["role"] == "model"] == [
        [None, None],
        [UNSIGNED, None],
        [UNSIGNED],
    ]


@pytest.mark.parametrize(
    ("model_id", "signature"),
    [
        ("gemini-3-pro-preview", UNSIGNED),
        ("models/gemini-3.8-flash", UNSIGNED),
        ("gemini-4-flash", UNSIGNED),
        ("gemini-flash-latest", UNSIGNED),
        ("gemini-2.5-pro", None),
        ("gemini-2.0-flash", None),
        ("gemma-4-31b-it", None),
        ("tunedModels/x", None),
    ],
)
def test_only_models_that_ask_for_it_get_a_signature_in_the_model_s_stead(model_id: str, signature: str | None) -> None:
    assert signatures(replayed(USER, calling("a"), model_id=model_id)) == [signature]


def test_a_signature_of_another_model_is_not_shown_to_this_one() -> None:
    message = answered(body("tool_call_signed.sse"), "gemini-3-pro")
    assert signatures(replayed(USER, message)) == [UNSIGNED]
    assert signatures(replayed(USER, message, model_id="gemini-2.5-flash")) == [None]
    assert replayed(USER, message, model_id="models/gemini-3-pro") == received(body("tool_call_signed.sse"))
