"""What is sent to a server that speaks Anthropic's Messages."""

from __future__ import annotations

import json
import re
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
from llm_sidecar.providers.anthropic.request import message_body
from tests.providers.anthropic_fixtures import request_to


def sent(model: str = "claude-haiku-4-5", **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(message_body(request_to("http://localhost", **fields), model))
    return body


def turns(*messages: Message) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(turn["role"], turn["content"]) for turn in sent(messages=list(messages))["messages"]]


def refusal(**fields: Any) -> str:
    with pytest.raises(ProviderError) as refused:
        sent(**fields)
    assert refused.value.code == "INVALID_REQUEST"
    return refused.value.message


def user(text: str) -> Message:
    return Message(role="user", content=text)


def assistant(text: str, *calls: ToolCall) -> Message:
    return Message(role="assistant", content=text, tool_calls=list(calls) or None)


def result(call_id: str, content: str | list[TextPart | ImagePart]) -> Message:
    return Message(role="tool", content=content, tool_call_id=call_id)


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def test_a_small_request_holds_nothing_that_was_not_asked_for_but_a_limit() -> None:
    assert sent() == {
        "model": "claude-haiku-4-5",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [text("hi")]}],
        "stream": True,
    }


def test_sampling_options_are_passed_on_as_they_are() -> None:
    """Also a temperature that Anthropic does not take: it is the one to say so."""
    body = sent(temperature=1.7, top_p=0.0, seed=0, stop=["a", "b"], max_tokens=7)
    assert {name: body[name] for name in ("temperature", "top_p", "stop_sequences", "max_tokens")} == {
        "temperature": 1.7,
        "top_p": 0.0,
        "stop_sequences": ["a", "b"],
        "max_tokens": 7,
    }
    assert not {"seed", "stop"} & body.keys()
    assert "stop_sequences" not in sent(stop=[])


# --- turns ---


def test_system_messages_are_joined_after_the_system_prompt() -> None:
    body = sent(
        system_prompt="be brief",
        messages=[
            Message(role="system", content="s1"),
            user("u"),
            Message(role="system", content=[TextPart(text="s2")]),
        ],
    )
    assert body["system"] == [text("be brief"), text("s1"), text("s2")]
    assert body["messages"] == [{"role": "user", "content": [text("u")]}]
    assert "system" not in sent(system_prompt="")


def test_what_follows_from_the_same_side_is_one_turn() -> None:
    assert turns(user("a"), user("b"), assistant("c"), assistant("d"), user("e")) == [
        ("user", [text("a"), text("b")]),
        ("assistant", [text("c"), text("d")]),
        ("user", [text("e")]),
    ]


def test_texts_without_anything_are_left_out_and_so_are_empty_turns() -> None:
    empty = Message(role="user", content=[TextPart(text=""), TextPart(text="x"), TextPart(text=" \n")])
    assert turns(empty, assistant("\n"), user(""), user("b")) == [("user", [text("x"), text("b")])]


def test_a_turn_with_tool_calls_and_the_results_of_the_tools() -> None:
    calls = [ToolCall(id="c1", name="f", arguments='{"a": 1.0}'), ToolCall(id="c2", name="g", arguments="")]
    image = ImagePart(media_type="image/png", data="aGk=")
    assert turns(
        assistant("let me see", *calls),
        result("c1", "42"),
        result("c2", [TextPart(text="seen"), TextPart(text=""), image]),
        user("and?"),
    ) == [
        (
            "assistant",
            [
                text("let me see"),
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1.0}},
                {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
            ],
        ),
        (
            "user",
            [
                {"type": "tool_result", "tool_use_id": "c1", "content": "42"},
                {
                    "type": "tool_result",
                    "tool_use_id": "c2",
                    "content": [
                        text("seen"),
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                    ],
                },
                text("and?"),
            ],
        ),
    ]


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", '"text"', "7", "null", "nonsense", "[" * 100_000])
def test_arguments_that_are_no_object_are_wrapped(arguments: str) -> None:
    """As Anthropic's page on fine-grained tool streaming advises: the model wrote it, and shall see what it wrote."""
    ((_, (block,)),) = turns(assistant("", ToolCall(id="c1", name="f", arguments=arguments)))
    assert block["input"] == {"INVALID_JSON": arguments}


def test_the_ids_of_another_vendor_s_calls_are_spelt_in_what_claude_takes() -> None:
    ids = ["functions.f:0", "functions.f:1", "toolu_01-A", "call_1__thought__a+/="]
    conversation = [
        user("hi"),
        assistant("", *(ToolCall(id=each, name="f", arguments="{}") for each in ids)),
        *(result(each, "r") for each in ids),
    ]
    _, calls, results = turns(*conversation)
    spelt = [block["id"] for block in calls[1]]
    assert all(re.fullmatch("[A-Za-z0-9_-]+", each) for each in spelt)
    assert len(set(spelt)) == len(ids)
    assert spelt[2] == "toolu_01-A"
    assert [block["tool_use_id"] for block in results[1]] == spelt
    others = sent("kimi-k2", messages=conversation)["messages"]
    assert [block["id"] for block in others[1]["content"]] == ids, "another vendor's model knows its own"


def test_arguments_are_sent_as_the_model_wrote_them() -> None:
    written = '{"n": 12345678901234567890, "x": 1.0, "a":1e2}'
    request = request_to("http://localhost", messages=[assistant("", ToolCall(id="c", name="f", arguments=written))])
    assert f'"input":{written}'.encode() in message_body(request, "m")


def test_images_are_sent_by_value_or_by_url() -> None:
    parts: list[TextPart | ImagePart] = [
        TextPart(text="what is this?"),
        ImagePart(media_type="image/webp", data="aGk="),
        ImagePart(url="https://example.com/a.png"),
    ]
    assert turns(Message(role="user", content=parts)) == [
        (
            "user",
            [
                text("what is this?"),
                {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "aGk="}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            ],
        )
    ]


def test_what_came_of_a_paused_turn_is_the_last_turn() -> None:
    asked = request_to("http://localhost", messages=[user("a")])
    body = json.loads(message_body(asked, "m", [text("so far")]))
    assert body["messages"][-1] == {"role": "assistant", "content": [text("so far")]}
    begun = request_to("http://localhost", messages=[user("a"), assistant("Once")])
    body = json.loads(message_body(begun, "m", [text("upon")]))
    assert body["messages"][-1] == {"role": "assistant", "content": [text("Once"), text("upon")]}


def test_the_request_itself_is_not_changed() -> None:
    state = {"anthropic": [{"type": "redacted_thinking", "data": "x"}, {"text": 1}]}
    request = request_to("http://localhost", messages=[Message(role="assistant", content="a", provider_state=state)])
    first = message_body(request, "m", [text("b")])
    assert message_body(request, "m", [text("b")]) == first
    assert len(state["anthropic"]) == 2


# --- what cannot be said ---


def test_a_tool_message_without_a_call_is_refused_by_its_place() -> None:
    assert refusal(messages=[user("a"), Message(role="tool", content="b")]).startswith("messages[1]:")


def test_an_image_in_a_system_message_is_refused_by_its_place() -> None:
    parts: list[TextPart | ImagePart] = [ImagePart(url="https://example.com/a.png")]
    assert refusal(messages=[Message(role="system", content=parts)]).startswith("messages[0]:")


@pytest.mark.parametrize(
    "message",
    [
        user("half: \ud83d"),
        assistant("", ToolCall(id="c", name="f", arguments='{"a": "\ud83d"}')),
        result("c", "\ud83d"),
    ],
)
def test_a_text_that_json_cannot_hold_is_refused(message: Message) -> None:
    assert "JSON" in refusal(messages=[message])


# --- tools and formats ---


def test_tools_and_their_choice() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    tools = [
        ToolDefinition(name="f", description="d", parameters=schema, strict=True),
        ToolDefinition(name="g"),
        ToolDefinition(name="h", parameters={}),
    ]
    assert sent(tools=tools)["tools"] == [
        {"name": "f", "description": "d", "input_schema": schema, "strict": True},
        {"name": "g", "input_schema": {"type": "object"}},
        {"name": "h", "input_schema": {"type": "object"}},
    ]
    assert "tools" not in sent(tools=[])


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (NamedTool(name="f"), {"type": "tool", "name": "f"}),
    ],
)
def test_the_choice_of_a_tool(choice: Any, meant: dict[str, str]) -> None:
    assert sent(tool_choice=choice)["tool_choice"] == meant


def test_a_schema_for_the_answer_is_native() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    body = sent(response_format=JsonSchemaFormat(name="n", schema=schema, strict=True))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert not {"output_config", "system"} & sent(response_format=TextFormat()).keys()


def test_json_without_a_schema_is_asked_for_in_words_after_the_system_prompt() -> None:
    body = sent(system_prompt="be brief", response_format=JsonFormat())
    assert body["system"][0] == text("be brief")
    assert "JSON object" in body["system"][1]["text"]
    assert "output_config" not in body


# --- reasoning ---

MANUAL = ["claude-haiku-4-5", "claude-sonnet-4-5-20250929", "claude-opus-4-20250514", "claude-3-7-sonnet-20250219",
          "us.anthropic.claude-opus-4-5-20251101-v1:0", "random.gguf"]  # fmt: skip
ADAPTIVE_ONLY = ["claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-5", "claude-haiku-5-5", "claude-fable-5-1",
                 "anthropic/claude-opus-5.5", "claude-mythos-preview"]  # fmt: skip


def thinking(model: str, **options: Any) -> dict[str, Any]:
    """The fields of the request that are about reasoning."""
    limit = options.pop("max_tokens", None)
    body = sent(model, reasoning=ReasoningOptions(**options), max_tokens=limit)
    return {name: body[name] for name in ("max_tokens", "thinking", "output_config") if name in body}


@pytest.mark.parametrize("model", [*MANUAL, "claude-opus-4-6", *ADAPTIVE_ONLY])
def test_reasoning_that_was_not_asked_for_is_not_mentioned(model: str) -> None:
    assert thinking(model) == {"max_tokens": 32_000}


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-2.1", 4_096),
        ("claude-3-haiku-20240307", 4_096),
        ("anthropic/claude-3-opus", 4_096),
        ("claude-3-5-haiku-latest", 8_192),
        ("claude-3-7-sonnet-20250219", 32_000),
        ("some-other-model-3", 32_000),
    ],
)
def test_the_limit_that_nobody_named_is_one_the_model_takes(model: str, limit: int) -> None:
    assert sent(model)["max_tokens"] == limit
    assert sent(model, max_tokens=50_000)["max_tokens"] == 50_000


@pytest.mark.parametrize("model", [*MANUAL, "claude-opus-4-6", "claude-sonnet-4-6"])
def test_a_budget_goes_to_the_models_that_take_one(model: str) -> None:
    assert thinking(model, budget_tokens=5_000)["thinking"] == {"type": "enabled", "budget_tokens": 5_000}


@pytest.mark.parametrize("model", MANUAL)
@pytest.mark.parametrize(("effort", "budget"), [("low", 1_024), ("medium", 4_096), ("high", 16_384)])
def test_an_effort_becomes_a_budget_where_a_model_knows_no_effort(model: str, effort: str, budget: int) -> None:
    assert thinking(model, effort=effort) == {
        "max_tokens": 32_000,
        "thinking": {"type": "enabled", "budget_tokens": budget},
    }
    assert thinking(model, effort=effort, budget_tokens=2_000)["thinking"]["budget_tokens"] == 2_000


def test_the_models_between_take_both() -> None:
    assert thinking("claude-opus-4-6", effort="low") == {
        "max_tokens": 32_000,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
    }
    assert thinking("claude-opus-4-6", effort="low", budget_tokens=2_000) == {
        "max_tokens": 32_000,
        "thinking": {"type": "enabled", "budget_tokens": 2_000},
        "output_config": {"effort": "low"},
    }


@pytest.mark.parametrize("model", ADAPTIVE_ONLY)
def test_newer_models_decide_by_themselves_and_show_their_thoughts(model: str) -> None:
    shown = {"type": "adaptive", "display": "summarized"}
    assert thinking(model, effort="high", max_tokens=50) == {
        "max_tokens": 50,
        "thinking": shown,
        "output_config": {"effort": "high"},
    }
    assert thinking(model, budget_tokens=5_000) == {"max_tokens": 32_000, "thinking": shown}


def test_the_answer_has_room_beside_the_thoughts() -> None:
    assert thinking("claude-haiku-4-5", budget_tokens=40_000)["max_tokens"] == 44_096
    assert thinking("claude-haiku-4-5", effort="high", max_tokens=8_000)["thinking"]["budget_tokens"] == 4_000
    assert thinking("claude-haiku-4-5", effort="low", max_tokens=1_025)["thinking"]["budget_tokens"] == 1_024


@pytest.mark.parametrize(
    "options", [{"budget_tokens": 5_000, "max_tokens": 5_000}, {"effort": "low", "max_tokens": 1_024}]
)
def test_thoughts_that_would_leave_no_room_are_refused(options: dict[str, Any]) -> None:
    limit = options.pop("max_tokens")
    assert "maxTokens" in refusal(reasoning=ReasoningOptions(**options), max_tokens=limit)


def test_an_effort_and_a_schema_share_their_place() -> None:
    schema = {"type": "object", "additionalProperties": False}
    body = sent(
        "claude-opus-4-8",
        reasoning=ReasoningOptions(effort="medium"),
        response_format=JsonSchemaFormat(name="n", schema=schema),
    )
    assert body["output_config"] == {"effort": "medium", "format": {"type": "json_schema", "schema": schema}}
