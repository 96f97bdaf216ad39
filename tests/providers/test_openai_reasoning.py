"""Which reasoning goes back to a chat completions server: DeepSeek's rules, and everybody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_sidecar.messages.content import Message, ToolCall
from llm_sidecar.providers.events import ProviderState
from llm_sidecar.providers.openai.request import chat_body
from llm_sidecar.providers.openai.stream import ChatDecoder
from tests.providers.openai_fixtures import request_to
from tests.providers.wire_format import FIXTURES

CALL = ToolCall(id="c1", name="f", arguments="{}")
STREAM = (FIXTURES / "deepseek" / "thinking_then_tools.sse").read_bytes()
PLAIN_STREAM = (FIXTURES / "deepseek" / "keep_alive_and_cache.sse").read_bytes()


def user(text: str = "q") -> Message:
    return Message(role="user", content=text)


def assistant(thought: str | None = None, *, calls: bool = False, field: str = "reasoning_content") -> Message:
    return Message(
        role="assistant",
        content="" if calls else "a",
        tool_calls=[CALL] if calls else None,
        provider_state=None if thought is None else {field: thought},
    )


RESULT = Message(role="tool", content="42", tool_call_id="c1")


def reasoning_sent(provider_id: str, *messages: Message) -> list[dict[str, Any]]:
    """The reasoning fields of each message, as sent."""
    body = json.loads(chat_body(request_to("http://localhost", provider_id, messages=list(messages)), "m"))
    return [{name: value for name, value in sent.items() if "reasoning" in name} for sent in body["messages"]]


def test_deepseek_gets_the_reasoning_of_a_whole_tool_turn_back_for_the_rest_of_the_conversation() -> None:
    messages = [user(), assistant("why", calls=True), RESULT, assistant("so"), user(), assistant(), user()]
    assert reasoning_sent("deepseek", *messages) == [
        {},
        {"reasoning_content": "why"},
        {},
        {"reasoning_content": "so"},
        {},
        {},
        {},
    ]


def test_deepseek_gets_no_reasoning_of_turns_without_tools_since_it_ignores_it() -> None:
    assert reasoning_sent("deepseek", user(), assistant("so"), user()) == [{}, {}, {}]


def test_deepseek_gets_empty_reasoning_where_the_model_called_a_tool_without_thinking() -> None:
    messages = [user(), assistant("why", calls=True), RESULT, assistant(calls=True), RESULT]
    assert reasoning_sent("deepseek", *messages)[3] == {"reasoning_content": ""}


def test_deepseek_gets_none_in_a_conversation_that_never_had_any() -> None:
    """Without thinking, the field has no business there."""
    assert reasoning_sent("deepseek", user(), assistant(calls=True), RESULT, assistant(), user()) == [{}] * 5


def test_deepseek_gets_reasoning_from_elsewhere_under_its_own_name() -> None:
    messages = [user(), assistant("why", calls=True, field="reasoning"), RESULT]
    assert reasoning_sent("deepseek", *messages)[1] == {"reasoning_content": "why"}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_other_servers_get_it_back_under_the_name_they_gave_it(field: str) -> None:
    messages = [user(), assistant("why", calls=True, field=field), RESULT, assistant(calls=True), RESULT]
    assert reasoning_sent("openai-compatible", *messages) == [{}, {field: "why"}, {}, {}, {}]


@pytest.mark.parametrize("provider_id", ["openai", "azure"])
def test_openai_gets_none(provider_id: str) -> None:
    assert reasoning_sent(provider_id, user(), assistant("why", calls=True), RESULT) == [{}, {}, {}]


def state_of(stream: bytes, *, answers_tools: bool) -> list[dict[str, Any]]:
    decoder = ChatDecoder("deepseek", 1_000_000, answers_tools=answers_tools)
    return [event.state for event in decoder.feed(stream) if isinstance(event, ProviderState)]


def test_reasoning_is_kept_beside_tool_calls_and_in_answers_to_their_results() -> None:
    assert state_of(STREAM, answers_tools=False) == [{"reasoning_content": "The date first."}]
    assert state_of(PLAIN_STREAM, answers_tools=False) == []
    assert state_of(PLAIN_STREAM, answers_tools=True) == [{"reasoning_content": "First, think."}]
