"""What is sent to an OpenAI-compatible server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.content import (
    ImagePart,
    JsonFormat,
    JsonSchemaFormat,
    Message,
    NamedTool,
    ReasoningOptions,
    TextFormat,
    TextPart,
    ToolCall,
    ToolDefinition,
)
from llm_sidecar.providers.openai.request import chat_body
from tests.providers.openai_fixtures import request_to


def sent(provider_id: str = "openai-compatible", **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(chat_body(request_to("http://localhost", provider_id, **fields), "model-1"))
    return body


def sent_message(message: Message, provider_id: str = "openai-compatible") -> dict[str, Any]:
    (only,) = sent(provider_id, messages=[message])["messages"]
    return dict(only)


def test_a_small_request_holds_nothing_that_was_not_asked_for() -> None:
    assert sent() == {
        "model": "model-1",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_the_system_prompt_comes_first() -> None:
    messages = sent(
        system_prompt="be brief", messages=[Message(role="system", content="s"), Message(role="user", content="u")]
    )
    assert messages["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
    ]


def test_sampling_options_are_passed_on_even_where_they_are_zero() -> None:
    body = sent(temperature=0.0, top_p=0.0, seed=0, stop=["a", "b"], max_tokens=7)
    assert {name: body[name] for name in ("temperature", "top_p", "seed", "stop", "max_tokens")} == {
        "temperature": 0.0,
        "top_p": 0.0,
        "seed": 0,
        "stop": ["a", "b"],
        "max_tokens": 7,
    }


@pytest.mark.parametrize(
    ("provider_id", "name"),
    [("openai", "max_completion_tokens"), ("azure", "max_completion_tokens"), ("deepseek", "max_tokens")],
)
def test_the_token_limit_has_the_name_its_provider_knows(provider_id: str, name: str) -> None:
    body = sent(provider_id, max_tokens=7)
    assert body[name] == 7
    assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1


def test_fields_of_one_vendor_go_to_that_vendor_only() -> None:
    assert sent("openai")["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert sent("llama.cpp")["return_progress"] is True
    assert "return_progress" not in sent("openai")


def test_images_become_data_urls_or_keep_their_url() -> None:
    parts: list[TextPart | ImagePart] = [
        TextPart(text="what is this?"),
        ImagePart(media_type="image/png", data="aGk="),
        ImagePart(url="https://example.com/a.png"),
    ]
    assert sent_message(Message(role="user", content=parts))["content"] == [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]


def test_tools_and_their_choice() -> None:
    tools = [
        ToolDefinition(name="f", description="d", parameters={"type": "object"}, strict=True),
        ToolDefinition(name="g"),
    ]
    body = sent(tools=tools, tool_choice=NamedTool(name="f"))
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        },
        {"type": "function", "function": {"name": "g"}},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert sent(tool_choice="required")["tool_choice"] == "required"
    assert "tools" not in sent(tools=[])


def test_a_turn_with_tool_calls_and_the_answer_of_the_tool() -> None:
    call = Message(role="assistant", content="", tool_calls=[ToolCall(id="c1", name="f", arguments='{"a":')])
    assert sent_message(call) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}],
    }
    assert sent_message(Message(role="tool", content="42", tool_call_id="c1")) == {
        "role": "tool",
        "content": "42",
        "tool_call_id": "c1",
    }


def test_an_empty_text_stays_a_text() -> None:
    assert sent_message(Message(role="assistant", content=""))["content"] == ""


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_replayed_where_it_came_from_but_not_to_openai(field: str) -> None:
    message = Message(role="assistant", content="x", provider_state={field: "thought", "signature": "s"})
    assert sent_message(message) == {"role": "assistant", "content": "x", field: "thought"}
    assert sent_message(message, "openai") == {"role": "assistant", "content": "x"}


def test_a_provider_state_of_another_shape_is_left_out() -> None:
    message = Message(role="assistant", content="x", provider_state={"reasoning_content": {"deep": 1}})
    assert sent_message(message) == {"role": "assistant", "content": "x"}


def test_response_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert "response_format" not in sent(response_format=TextFormat())
    assert sent(response_format=JsonFormat())["response_format"] == {"type": "json_object"}
    assert sent(response_format=JsonSchemaFormat(name="n", schema=schema))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": schema},
    }
    strict = sent(response_format=JsonSchemaFormat(name="n", schema=schema, strict=False))
    assert strict["response_format"]["json_schema"]["strict"] is False


def test_the_reasoning_effort_is_passed_on() -> None:
    assert sent(reasoning=ReasoningOptions(effort="low"))["reasoning_effort"] == "low"
    assert "reasoning_effort" not in sent(reasoning=ReasoningOptions(budget_tokens=100))


def test_a_text_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ProviderError) as refused:
        sent(messages=[Message(role="user", content="half: \ud83d")])
    assert refused.value.code == "INVALID_REQUEST"
