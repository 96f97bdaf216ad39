"""What is sent to OpenAI's Responses API. (What goes back of an answer is in `test_openai_responses_replay`.)"""

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
from llm_sidecar.providers.openai_responses.request import responses_body
from tests.providers.openai_fixtures import request_to


def sent(provider_id: str = "azure", **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(responses_body(request_to("http://localhost", provider_id, **fields), "model-1"))
    return body


def items(*messages: Message) -> list[Any]:
    return list(sent(messages=list(messages))["input"])


def refusal(**fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as refused:
        sent(**fields)
    assert refused.value.code == "INVALID_REQUEST"
    return refused.value


def test_a_small_request_holds_nothing_that_was_not_asked_for_and_is_not_stored() -> None:
    assert sent() == {
        "model": "model-1",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_padding_against_eavesdroppers_is_switched_off_where_it_is_known_to_be_possible() -> None:
    assert sent("openai")["stream_options"] == {"include_obfuscation": False}
    assert "stream_options" not in sent("azure")


def test_the_system_prompt_is_the_instructions_and_other_system_messages_stay_in_their_place() -> None:
    body = sent(
        system_prompt="be brief", messages=[Message(role="user", content="u"), Message(role="system", content="s")]
    )
    assert body["instructions"] == "be brief"
    assert body["input"] == [
        {"type": "message", "role": "user", "content": "u"},
        {"type": "message", "role": "system", "content": "s"},
    ]


def test_sampling_options_are_passed_on_even_where_they_are_zero() -> None:
    body = sent(temperature=0.0, top_p=0.0, max_tokens=7)
    assert (body["temperature"], body["top_p"], body["max_output_tokens"]) == (0.0, 0.0, 7)
    assert not {"max_tokens", "max_completion_tokens"} & body.keys()


def test_stop_sequences_which_the_format_cannot_express_are_refused_and_not_dropped() -> None:
    assert "Responses" in refusal(stop=["x"]).message


def test_a_seed_asks_for_a_best_effort_and_is_left_out_where_there_is_no_word_for_it() -> None:
    assert "seed" not in sent(seed=7)


def test_no_stop_sequences_are_none() -> None:
    assert "stop" not in sent(stop=[])


def test_images_become_data_urls_or_keep_their_url() -> None:
    parts: list[TextPart | ImagePart] = [
        TextPart(text="what is this?"),
        ImagePart(media_type="image/png", data="aGk="),
        ImagePart(url="https://example.com/a.png"),
    ]
    (message,) = items(Message(role="user", content=parts))
    assert message["content"] == [
        {"type": "input_text", "text": "what is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
    ]


def test_an_assistant_s_text_is_output_and_its_image_cannot_be_sent() -> None:
    (message,) = items(Message(role="assistant", content=[TextPart(text="a"), TextPart(text="b")]))
    assert message["content"] == [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]
    image = Message(role="assistant", content=[ImagePart(url="https://example.com/a.png")])
    assert "image" in refusal(messages=[image]).message


def test_tools_are_flat_and_say_whether_they_are_strict() -> None:
    """Left out, `strict` would be true here, and the optional arguments of a tool would become required ones."""
    tools = [
        ToolDefinition(name="f", description="d", parameters={"type": "object"}, strict=True),
        ToolDefinition(name="g", strict=False),
        ToolDefinition(name="h"),
    ]
    body = sent(tools=tools, tool_choice=NamedTool(name="f"))
    empty = {"type": "object", "properties": {}}
    assert body["tools"] == [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        {"type": "function", "name": "g", "parameters": empty, "strict": False},
        {"type": "function", "name": "h", "parameters": empty, "strict": False},
    ]
    assert body["tool_choice"] == {"type": "function", "name": "f"}
    assert sent(tool_choice="required")["tool_choice"] == "required"
    assert "tools" not in sent(tools=[])


def test_a_turn_with_tool_calls_and_the_answers_of_the_tools() -> None:
    calls = [ToolCall(id="c1", name="f", arguments='{"a":'), ToolCall(id="c2", name="g", arguments="{}")]
    parts: list[TextPart | ImagePart] = [TextPart(text="see"), ImagePart(url="https://example.com/a.png")]
    assert items(
        Message(role="assistant", content="", tool_calls=calls),
        Message(role="tool", content="42", tool_call_id="c1"),
        Message(role="tool", content=parts, tool_call_id="c2"),
    ) == [
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
            ],
        },
    ]


def test_an_empty_answer_stays_a_message() -> None:
    assert items(Message(role="assistant", content="")) == [{"type": "message", "role": "assistant", "content": ""}]


def test_response_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert "text" not in sent(response_format=TextFormat())
    assert sent(response_format=JsonFormat())["text"] == {"format": {"type": "json_object"}}
    assert sent(response_format=JsonSchemaFormat(name="n", schema=schema))["text"] == {
        "format": {"type": "json_schema", "name": "n", "schema": schema}
    }
    loose = sent(response_format=JsonSchemaFormat(name="n", schema=schema, strict=False))
    assert loose["text"]["format"]["strict"] is False


def test_whoever_asks_for_reasoning_sees_its_summary() -> None:
    assert sent(reasoning=ReasoningOptions(effort="low"))["reasoning"] == {"effort": "low", "summary": "auto"}
    assert sent(reasoning=ReasoningOptions(budget_tokens=100))["reasoning"] == {"summary": "auto"}
    assert "reasoning" not in sent()


def test_a_text_that_json_cannot_hold_is_refused() -> None:
    refusal(messages=[Message(role="user", content="half: \ud83d")])
