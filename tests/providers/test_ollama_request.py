"""What is sent to an Ollama server, and where."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_sidecar.errors import InvalidParams, ProviderError
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
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.ollama.endpoint import ollama_headers, ollama_url
from llm_sidecar.providers.ollama.request import ollama_body
from tests.providers.ollama_format import request_to

TOOL = ToolDefinition(name="f", description="d", parameters={"type": "object"}, strict=True)


def sent(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(ollama_body(request_to("http://localhost", **fields), "model-1"))
    return body


def sent_messages(*messages: Message) -> list[dict[str, Any]]:
    return list(sent(messages=list(messages))["messages"])


def refusal(**fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as refused:
        sent(**fields)
    assert refused.value.code == "INVALID_REQUEST"
    return refused.value


# --- the body ---


def test_a_small_request_holds_nothing_that_was_not_asked_for() -> None:
    assert sent() == {"model": "model-1", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def test_the_system_prompt_comes_first() -> None:
    messages = sent(
        system_prompt="be brief", messages=[Message(role="system", content="s"), Message(role="user", content="u")]
    )["messages"]
    assert messages == [
        {"role": "system", "content": "be brief"},
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
    ]


def test_sampling_options_are_passed_on_even_where_they_are_zero() -> None:
    assert sent(temperature=0.0, top_p=0.0, seed=0, stop=["a", "b"], max_tokens=7)["options"] == {
        "temperature": 0.0,
        "top_p": 0.0,
        "seed": 0,
        "stop": ["a", "b"],
        "num_predict": 7,
    }


def test_images_are_bare_base64_beside_the_text() -> None:
    parts: list[TextPart | ImagePart] = [
        TextPart(text="one"),
        ImagePart(media_type="image/png", data="aGk="),
        TextPart(text="two"),
        ImagePart(media_type="image/jpeg", data="aG8="),
    ]
    assert sent_messages(Message(role="user", content=parts)) == [
        {"role": "user", "content": "one\ntwo", "images": ["aGk=", "aG8="]}
    ]


def test_an_image_by_url_is_refused_in_words_that_help() -> None:
    part = ImagePart(url="https://example.com/secret.png")
    refused = refusal(messages=[Message(role="user", content=[part])])
    assert "mediaType" in refused.message
    assert "secret" not in refused.message


def test_a_tool_turn() -> None:
    messages = sent_messages(
        Message(
            role="assistant",
            content="",
            tool_calls=[
                ToolCall(id="c1", name="f", arguments='{"z": 1.0, "a": [12345678901234567890]}'),
                ToolCall(id="c2", name="g", arguments=""),
            ],
            provider_state={"thinking": "first f", "other": 1},
        ),
        Message(role="tool", content="42", tool_call_id="c2"),
        Message(role="tool", content="43", tool_call_id="c1"),
        Message(role="tool", content="44", tool_call_id="nobody's"),
    )
    assert messages == [
        {
            "role": "assistant",
            "content": "",
            "thinking": "first f",
            "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": {"z": 1.0, "a": [12345678901234567890]}}},
                {"id": "c2", "function": {"name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "42", "tool_name": "g", "tool_call_id": "c2"},
        {"role": "tool", "content": "43", "tool_name": "f", "tool_call_id": "c1"},
        {"role": "tool", "content": "44", "tool_call_id": "nobody's"},
    ]


def test_arguments_are_sent_exactly_as_they_were_written() -> None:
    call = ToolCall(id="c", name="f", arguments=' {"b":1e2,  "a":"\\u003c"} ')
    body = ollama_body(request_to("http://x", messages=[Message(role="assistant", content="", tool_calls=[call])]), "m")
    assert b'"arguments":{"b":1e2,  "a":"\\u003c"}' in body


@pytest.mark.parametrize("arguments", ['{"a":', "[]", "7", '"text"', "null", "nonsense", "[" * 5_000])
def test_arguments_that_are_no_object_are_shown_to_the_model_as_what_they_are(arguments: str) -> None:
    call = ToolCall(id="c", name="f", arguments=arguments)
    (message,) = sent_messages(Message(role="assistant", content="", tool_calls=[call]))
    assert message["tool_calls"][0]["function"]["arguments"] == {"INVALID_JSON": arguments}


def test_a_result_belongs_to_the_last_call_of_its_id() -> None:
    def turn(name: str) -> list[Message]:
        call = ToolCall(id="call_0", name=name, arguments="{}")
        return [
            Message(role="assistant", content="", tool_calls=[call]),
            Message(role="tool", content="x", tool_call_id="call_0"),
        ]

    assert [message.get("tool_name") for message in sent_messages(*turn("f"), *turn("g"))] == [None, "f", None, "g"]


def test_a_provider_state_of_another_shape_is_left_out() -> None:
    message = Message(role="assistant", content="x", provider_state={"thinking": [{"type": "thinking"}]})
    assert sent_messages(message) == [{"role": "assistant", "content": "x"}]


def test_tools() -> None:
    assert sent(tools=[TOOL, ToolDefinition(name="g")])["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert "tools" not in sent(tools=[])


def test_tools_that_must_not_be_called_are_not_offered() -> None:
    assert "tools" in sent(tools=[TOOL], tool_choice="auto")
    assert "tools" not in sent(tools=[TOOL], tool_choice="none")


@pytest.mark.parametrize("choice", ["required", NamedTool(name="f")])
def test_a_tool_that_must_be_called_is_refused_since_ollama_cannot_be_told(choice: Any) -> None:
    assert "toolChoice" in refusal(tools=[TOOL], tool_choice=choice).message


def test_response_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert "format" not in sent(response_format=TextFormat())
    assert sent(response_format=JsonFormat())["format"] == "json"
    assert sent(response_format=JsonSchemaFormat(name="n", schema=schema, strict=True))["format"] == schema


@pytest.mark.parametrize(
    ("reasoning", "think"),
    [
        (ReasoningOptions(effort="low"), "low"),
        (ReasoningOptions(effort="high", budget_tokens=100), "high"),
        (ReasoningOptions(budget_tokens=100), True),
        (ReasoningOptions(), True),
    ],
)
def test_thinking_is_asked_for_by_its_effort_or_just_so(reasoning: ReasoningOptions, think: str | bool) -> None:
    assert sent(reasoning=reasoning)["think"] == think
    assert "think" not in sent()


def test_a_text_that_json_cannot_hold_is_refused() -> None:
    refusal(messages=[Message(role="user", content="half: \ud83d")])


# --- where it goes ---


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/api/chat"),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/api/chat"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/api/chat"),
        ("http://127.0.0.1:11434/api/", "http://127.0.0.1:11434/api/chat"),
        ("https://ollama.com", "https://ollama.com/api/chat"),
        ("https://ollama.com/api", "https://ollama.com/api/chat"),
        ("https://example.com/ollama/v1/", "https://example.com/ollama/api/chat"),
    ],
)
def test_the_address_may_be_that_of_either_of_its_apis(base_url: str, url: str) -> None:
    assert ollama_url(Endpoint("ollama", base_url), "/api/chat") == url


def test_http_beyond_this_machine_is_refused() -> None:
    with pytest.raises(InvalidParams):
        ollama_url(Endpoint("ollama", "http://192.0.2.1"), "/api/chat")


def test_a_key_is_a_bearer_token_and_none_is_no_header() -> None:
    assert ollama_headers(Endpoint("ollama", "https://ollama.com", "k"))["Authorization"] == "Bearer k"
    assert "Authorization" not in ollama_headers(Endpoint("ollama", "http://localhost"))
    assert "Authorization" not in ollama_headers(Endpoint("ollama", "http://localhost", ""))


def test_a_key_that_cannot_be_one_is_refused_without_showing_it() -> None:
    with pytest.raises(ProviderError) as refused:
        ollama_headers(Endpoint("ollama", "http://localhost", "secret\n"))
    assert refused.value.code == "AUTH_ERROR"
    assert "secret" not in refused.value.message
