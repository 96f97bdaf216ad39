"""What is sent to Gemini's API."""

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
from llm_sidecar.providers.gemini.model import gemini_model
from llm_sidecar.providers.gemini.request import gemini_body
from tests.providers.gemini_fixtures import request_to

USER = Message(role="user", content="hi")


def sent(model_id: str = "gemini-2.5-flash", **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(gemini_body(request_to("http://localhost", **fields), gemini_model(model_id)))
    return body


def contents(*messages: Message, model_id: str = "gemini-2.5-flash") -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = sent(model_id, messages=list(messages))["contents"]
    return turns


def parts_of(message: Message) -> list[dict[str, Any]]:
    (turn,) = contents(message)
    return list(turn["parts"])


def calling(*calls: ToolCall, content: str = "") -> Message:
    return Message(role="assistant", content=content, tool_calls=list(calls))


def result(call_id: str | None, content: Any) -> Message:
    return Message(role="tool", content=content, tool_call_id=call_id)


F = ToolCall(id="c1", name="f", arguments='{"a": 1}')
G = ToolCall(id="c2", name="g", arguments="{}")


def test_a_small_request_holds_nothing_that_was_not_asked_for() -> None:
    assert sent() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_the_system_prompt_and_system_messages_are_the_instruction() -> None:
    body = sent(
        system_prompt="be brief",
        messages=[USER, Message(role="system", content="s"), Message(role="assistant", content="a")],
    )
    assert body["systemInstruction"] == {"parts": [{"text": "be brief"}, {"text": "s"}]}
    assert [turn["role"] for turn in body["contents"]] == ["user", "model"]


def test_sampling_options_are_passed_on_even_where_they_are_zero() -> None:
    body = sent(temperature=0.0, top_p=0.0, seed=0, stop=["a", "b"], max_tokens=7)
    assert body["generationConfig"] == {
        "temperature": 0.0,
        "topP": 0.0,
        "seed": 0,
        "stopSequences": ["a", "b"],
        "maxOutputTokens": 7,
    }


def test_images_are_inline_or_named_by_their_url() -> None:
    parts: list[TextPart | ImagePart] = [
        TextPart(text="what is this?"),
        ImagePart(media_type="image/png", data="aGk="),
        ImagePart(url="https://example.com/a.JPG?size=1.gif#x"),
        ImagePart(url="https://example.com/files/abc"),
        ImagePart(url="http://[x"),
    ]
    assert parts_of(Message(role="user", content=parts)) == [
        {"text": "what is this?"},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"fileData": {"fileUri": "https://example.com/a.JPG?size=1.gif#x", "mimeType": "image/jpeg"}},
        {"fileData": {"fileUri": "https://example.com/files/abc"}},
        {"fileData": {"fileUri": "http://[x"}},
    ]


def test_tools_and_their_choice() -> None:
    tools = [
        ToolDefinition(name="f", description="d", parameters={"type": "object", "$ref": "#/x"}, strict=True),
        ToolDefinition(name="g"),
    ]
    body = sent(tools=tools, tool_choice=NamedTool(name="f"))
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object", "$ref": "#/x"}},
                {"name": "g"},
            ]
        }
    ]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}
    assert "tools" not in sent(tools=[])


@pytest.mark.parametrize(("choice", "mode"), [("auto", "AUTO"), ("none", "NONE"), ("required", "ANY")])
def test_a_tool_choice_is_a_mode(choice: str, mode: str) -> None:
    assert sent(tool_choice=choice)["toolConfig"] == {"functionCallingConfig": {"mode": mode}}


def test_response_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert "generationConfig" not in sent(response_format=TextFormat())
    assert sent(response_format=JsonFormat())["generationConfig"] == {"responseMimeType": "application/json"}
    assert sent(response_format=JsonSchemaFormat(name="n", schema=schema, strict=True))["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }


@pytest.mark.parametrize(
    ("model_id", "options", "config"),
    [
        ("gemini-2.5-flash", ReasoningOptions(), {}),
        ("gemini-2.5-flash", ReasoningOptions(effort="low"), {"thinkingBudget": 1024}),
        ("models/gemini-2.5-pro", ReasoningOptions(effort="high"), {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", ReasoningOptions(effort="high", budget_tokens=5), {"thinkingBudget": 5}),
        ("gemini-3-pro-preview", ReasoningOptions(), {}),
        ("gemini-3-pro-preview", ReasoningOptions(effort="low"), {"thinkingLevel": "LOW"}),
        ("gemini-3.8-flash", ReasoningOptions(effort="medium", budget_tokens=5), {"thinkingLevel": "MEDIUM"}),
        ("gemini-4-pro", ReasoningOptions(budget_tokens=1_024), {"thinkingLevel": "LOW"}),
        ("gemini-flash-latest", ReasoningOptions(budget_tokens=1_025), {"thinkingLevel": "MEDIUM"}),
        ("gemini-10-flash", ReasoningOptions(budget_tokens=999_999), {"thinkingLevel": "HIGH"}),
        ("gemma-4-31b-it", ReasoningOptions(effort="high"), {"thinkingLevel": "HIGH"}),
    ],
)
def test_reasoning_is_asked_for_in_the_way_of_the_model_s_generation(
    model_id: str, options: ReasoningOptions, config: dict[str, Any]
) -> None:
    body = sent(model_id, reasoning=options)
    assert body["generationConfig"] == {"thinkingConfig": {"includeThoughts": True, **config}}


def test_a_text_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ProviderError) as refused:
        sent(messages=[Message(role="user", content="half: \ud83d")])
    assert refused.value.code == "INVALID_REQUEST"


# --- tools called, and their results ---


def test_a_turn_with_tool_calls_and_the_results_in_one_turn() -> None:
    assert contents(USER, calling(F, G, content="Wait."), result("c2", '{"b": 2}'), result("c1", "42"), USER)[1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Wait."},
                {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}},
                {"functionCall": {"id": "c2", "name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c2", "name": "g", "response": {"b": 2}}},
                {"functionResponse": {"id": "c1", "name": "f", "response": {"result": "42"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "hi"}]},
    ]


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ("", {}),
        ('{"a": 12345678901234567890, "b": 1.5}', {"a": 12345678901234567890, "b": 1.5}),
        ('{"a":', {"arguments": '{"a":'}),
        ("[1]", {"arguments": "[1]"}),
        ('{"a": 1e999}', {"arguments": '{"a": 1e999}'}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, args: dict[str, Any]) -> None:
    (part,) = parts_of(calling(ToolCall(id="c", name="f", arguments=arguments)))
    assert part["functionCall"]["args"] == args


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ("", {"result": ""}),
        ("[1, 2]", {"result": "[1, 2]"}),
        ('{"error": "no such city"}', {"error": "no such city"}),
        ('"text"', {"result": '"text"'}),
        ("[" * 10_000, {"result": "[" * 10_000}),
        ([TextPart(text='{"a": 1}')], {"a": 1}),
        ([TextPart(text="one"), TextPart(text="two")], {"result": "one\ntwo"}),
    ],
)
def test_a_result_is_an_object_whatever_the_tool_said(content: Any, response: dict[str, Any]) -> None:
    answer = contents(calling(F), result("c1", content))[1]["parts"][0]["functionResponse"]
    assert answer == {"id": "c1", "name": "f", "response": response}


def test_an_image_in_a_result_is_a_part_of_it() -> None:
    content: list[TextPart | ImagePart] = [TextPart(text="seen"), ImagePart(media_type="image/png", data="aGk=")]
    answer = contents(calling(F), result("c1", content))[1]["parts"][0]["functionResponse"]
    assert answer["response"] == {"result": "seen"}
    assert answer["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]


def test_an_id_used_again_means_the_last_call_of_it() -> None:
    again = ToolCall(id="c1", name="again", arguments="{}")
    turns = contents(calling(F), result("c1", "1"), calling(again), result("c1", "2"))
    assert [turn["parts"][0]["functionResponse"]["name"] for turn in turns[1::2]] == ["f", "again"]


@pytest.mark.parametrize("messages", [[result("c1", "x")], [result(None, "x")], [result("c1", "x"), calling(F)]])
def test_a_result_without_a_call_before_it_is_refused(messages: list[Message]) -> None:
    with pytest.raises(ProviderError) as refused:
        sent(messages=[USER, *messages])
    assert refused.value.code == "INVALID_REQUEST"


def test_calls_without_an_id_are_told_apart_by_name() -> None:
    bare = ToolCall(id="", name="f", arguments="{}")
    turns = contents(calling(bare), result("", "x"))
    assert turns[0]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
    assert turns[1]["parts"] == [{"functionResponse": {"name": "f", "response": {"result": "x"}}}]


def test_an_empty_answer_stays_a_turn() -> None:
    assert contents(USER, Message(role="assistant", content=""), USER)[1] == {"role": "model", "parts": [{"text": ""}]}


# --- the name of the model ---


@pytest.mark.parametrize(
    ("model_id", "path"),
    [
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("tunedModels/my-model_1", "tunedModels/my-model_1"),
    ],
)
def test_a_model_is_found_with_and_without_its_folder(model_id: str, path: str) -> None:
    assert gemini_model(model_id).path == path


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        "models/",
        "models/models/x",
        "..",
        "models/..",
        "../files",
        "x/../../v1/y",
        "x:embedContent",
        "x:generateContent?key=1",
        "x?alt=json",
        "x&y",
        "x#y",
        "x%2Fy",
        "x y",
        "x\r\nHost: evil",
        "x\n",
        "//evil.example/x",
        "https://evil.example/x",
        "@evil.example",
        "files/x",
        "ü",
        "x\\y",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(model_id: str) -> None:
    with pytest.raises(ProviderError) as refused:
        gemini_model(model_id)
    assert refused.value.code == "INVALID_MODEL"
    assert "evil" not in refused.value.message
