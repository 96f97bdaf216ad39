"""OpenAI's request as an inference: every field is honoured, makes no difference, or is refused by its name."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
import pytest
from openai.types.chat import ChatCompletionMessage
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from llm_sidecar.errors import InvalidParams
from llm_sidecar.messages.chat import ChatCompletionParams
from llm_sidecar.messages.chat_request import ChatCompletionRequest
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
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.openai.request import chat_body
from llm_sidecar.rpc.params import decode_params
from llm_sidecar.services.completions.request import inference_params

Json = dict[str, Any]

USER = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
OTHER_TOOL = {"type": "function", "function": {"name": "time", "description": "Now.", "strict": True}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":'}}


def asked(request: Json, **around: Any) -> InferenceParams:
    """The inference for a request, both checked as a host's would be."""
    params = decode_params({"request": {"messages": [USER], **request}, **around}, ChatCompletionParams)
    mapped = inference_params(params, "chatcmpl-1")
    msgspec.convert(msgspec.to_builtins(mapped), InferenceParams)
    return mapped


def message(said: Json) -> Message:
    return asked({"messages": [said]}).messages[0]


def refused(request: Json, **around: Any) -> dict[str, str]:
    """What is wrong with a request, by path."""
    with pytest.raises(InvalidParams) as caught:
        asked(request, **around)
    assert caught.value.details is not None
    return {field["path"]: field["reason"] for field in caught.value.details["fields"]}


def test_every_field_of_openais_request_is_known() -> None:
    """The official SDK is the list. (It has two types for a request with and without `stream`.)"""
    known = {field.encode_name for field in msgspec.structs.fields(ChatCompletionRequest)}
    assert known == {*get_type_hints(CompletionCreateParamsBase), "stream"}


# --- what is honoured ---


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ({"model": "m-1"}, "model_id", "m-1"),
        ({"temperature": 0}, "temperature", 0),
        ({"temperature": 1.5}, "temperature", 1.5),
        ({"top_p": 0.5}, "top_p", 0.5),
        ({"max_tokens": 10}, "max_tokens", 10),
        ({"max_completion_tokens": 20}, "max_tokens", 20),
        ({"max_completion_tokens": 20, "max_tokens": 20}, "max_tokens", 20),
        ({"stop": "END"}, "stop", ["END"]),
        ({"stop": ["a", "b"]}, "stop", ["a", "b"]),
        ({"stop": []}, "stop", None),
        ({"seed": -5}, "seed", -5),
        ({"reasoning_effort": "high"}, "reasoning", ReasoningOptions(effort="high")),
        ({"response_format": {"type": "text"}}, "response_format", TextFormat()),
        ({"response_format": {"type": "json_object"}}, "response_format", JsonFormat()),
    ],
    ids=str,
)
def test_an_option_is_passed_on(field: Json, name: str, value: Any) -> None:
    assert getattr(asked(field), name) == value


def test_what_is_around_the_request_is_passed_on() -> None:
    mapped = asked({}, profileId="p", timeoutMs=5_000, queue=True, windowId="w")
    assert (mapped.profile_id, mapped.timeout_ms, mapped.queue, mapped.window_id) == ("p", 5_000, True, "w")
    assert mapped.inference_id == "chatcmpl-1"


@pytest.mark.parametrize(
    ("around", "provider_id"),
    [
        ({"providerId": "demo"}, "demo"),
        ({"service": "demo"}, "demo"),
        ({"service": "ollama", "providerId": "demo"}, "demo"),
        ({}, None),
    ],
    ids=str,
)
def test_a_service_is_a_provider_unless_one_is_named(around: Json, provider_id: str | None) -> None:
    assert asked({}, **around).provider_id == provider_id


def test_nothing_is_asked_for_that_the_host_did_not_ask_for() -> None:
    assert asked({}) == InferenceParams(inference_id="chatcmpl-1", messages=[Message(role="user", content="Hello")])


@pytest.mark.parametrize("content", ["text", "", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]])
@pytest.mark.parametrize(
    ("said", "role"),
    [
        ({"role": "system"}, "system"),
        ({"role": "developer"}, "system"),
        ({"role": "user"}, "user"),
        ({"role": "assistant"}, "assistant"),
        ({"role": "tool", "tool_call_id": "call_1"}, "tool"),
        ({"role": "tool", "tool_call_id": "call_1", "name": "weather"}, "tool"),
    ],
    ids=str,
)
def test_a_message_of_every_role_keeps_its_texts(said: Json, role: str, content: Any) -> None:
    mapped = message({**said, "content": content})
    assert mapped.role == role
    assert mapped.content == (content if isinstance(content, str) else [TextPart(text="a"), TextPart(text="b")])
    assert mapped.tool_call_id == said.get("tool_call_id")


@pytest.mark.parametrize(
    ("url", "image"),
    [
        ("https://example.org/a.png", ImagePart(url="https://example.org/a.png")),
        ("data:image/png;base64,iVBO+/==", ImagePart(media_type="image/png", data="iVBO+/==")),
        ("DATA:Image/PNG;BASE64,iVBO", ImagePart(media_type="image/png", data="iVBO")),
        ("data:image/svg+xml;base64,PHN2", ImagePart(media_type="image/svg+xml", data="PHN2")),
        ("data:image/jpeg;base64," + "A" * 500_000, ImagePart(media_type="image/jpeg", data="A" * 500_000)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_image_goes_by_its_address_or_by_value(url: str, image: ImagePart) -> None:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    assert message({"role": "user", "content": parts}).content == [TextPart(text="What is it?"), image]


@pytest.mark.parametrize("content", [None, "", "On it."])
def test_tool_calls_are_passed_on_as_the_model_wrote_them(content: str | None) -> None:
    mapped = message({"role": "assistant", "content": content, "tool_calls": [CALL]})
    assert mapped.tool_calls == [ToolCall(id="call_1", name="weather", arguments='{"city":')]
    assert mapped.content == (content or "")


def test_content_may_be_missing_beside_tool_calls() -> None:
    assert message({"role": "assistant", "tool_calls": [CALL]}).content == ""


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ({"content": None, "refusal": "No."}, "No."),
        ({"content": "Well.", "refusal": "No."}, [TextPart(text="Well."), TextPart(text="No.")]),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, [TextPart(text="No.")]),
        (
            {"content": [{"type": "text", "text": "Well."}], "refusal": "No."},
            [TextPart(text="Well."), TextPart(text="No.")],
        ),
    ],
    ids=str,
)
def test_a_refusal_is_what_the_assistant_said(said: Json, content: Any) -> None:
    assert message({"role": "assistant", **said}).content == content


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({}, None),
        ({"reasoning_content": ""}, None),
        ({"reasoning_content": "hm"}, {"reasoning_content": "hm"}),
        ({"provider_state": {"signature": "s"}}, {"signature": "s"}),
        ({"reasoning_content": "hm", "provider_state": {"reasoning": "hm"}}, {"reasoning": "hm"}),
    ],
    ids=str,
)
def test_reasoning_goes_back_as_state_of_the_provider(said: Json, state: Json | None) -> None:
    assert message({"role": "assistant", "content": "x", **said}).provider_state == state


@pytest.mark.parametrize("name", ["reasoning_content", "provider_state"])
def test_deepseek_sees_its_reasoning_again_beside_the_call_it_led_to(name: str) -> None:
    said = {"reasoning_content": "hm"} if name == "reasoning_content" else {name: {"reasoning_content": "hm"}}
    turn = [
        USER,
        {"role": "assistant", "tool_calls": [CALL], **said},
        {**USER, "role": "tool", "tool_call_id": "call_1"},
    ]
    request = ProviderRequest(Endpoint("deepseek", "https://api.deepseek.com"), "m", asked({"messages": turn}).messages)
    assert msgspec.json.decode(chat_body(request, "m"))["messages"][1]["reasoning_content"] == "hm"


def test_a_message_the_official_sdk_dumps_whole_is_taken_back() -> None:
    dumped = ChatCompletionMessage(role="assistant", content="Hi").model_dump()
    assert message(dumped) == Message(role="assistant", content="Hi")


def test_tools_are_passed_on() -> None:
    assert asked({"tools": [TOOL, OTHER_TOOL]}).tools == [
        ToolDefinition(name="weather", parameters={"type": "object"}),
        ToolDefinition(name="time", description="Now.", strict=True),
    ]
    assert asked({"tools": []}).tools is None


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_a_choice_by_word_is_passed_on(choice: str) -> None:
    assert asked({"tools": [TOOL], "tool_choice": choice}).tool_choice == choice


def test_the_choice_of_one_tool_is_passed_on() -> None:
    choice = {"type": "function", "function": {"name": "time"}}
    assert asked({"tools": [TOOL, OTHER_TOOL], "tool_choice": choice}).tool_choice == NamedTool(name="time")


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_tools_that_are_not_allowed_are_not_offered(mode: str) -> None:
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "time"}}]}
    mapped = asked({"tools": [TOOL, OTHER_TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}})
    assert [tool.name for tool in mapped.tools or ()] == ["time"]
    assert mapped.tool_choice == mode


@pytest.mark.parametrize(
    ("said", "schema"),
    [
        ({}, {"type": "object"}),
        ({"description": "A point."}, {"description": "A point.", "type": "object"}),
    ],
    ids=str,
)
def test_a_schema_is_passed_on_with_its_description(said: Json, schema: Json) -> None:
    wanted = {"name": "point", "schema": {"type": "object"}, "strict": True, **said}
    mapped = asked({"response_format": {"type": "json_schema", "json_schema": wanted}})
    assert mapped.response_format == JsonSchemaFormat(name="point", schema=schema, strict=True)


def test_a_description_in_the_schema_stays() -> None:
    wanted = {"name": "point", "schema": {"description": "inner"}, "description": "outer"}
    mapped = asked({"response_format": {"type": "json_schema", "json_schema": wanted}})
    assert mapped.response_format == JsonSchemaFormat(name="point", schema={"description": "inner"})


# --- what makes no difference ---

HARMLESS: list[Json] = [
    {"frequency_penalty": 0},
    {"presence_penalty": 0.0},
    {"logit_bias": {}},
    {"logprobs": False},
    {"top_logprobs": 0},
    {"n": 1},
    {"store": False},
    {"service_tier": "auto"},
    {"service_tier": "default"},
    {"modalities": ["text"]},
    {"verbosity": "medium"},
    {"parallel_tool_calls": True},
    {"parallel_tool_calls": False},
    {"parallel_tool_calls": True, "tools": [TOOL]},
    {"user": "u-1"},
    {"safety_identifier": "s"},
    {"metadata": {"k": "v"}},
    {"prompt_cache_key": "k"},
    {"prompt_cache_retention": "24h"},
    {"prompt_cache_options": {"mode": "explicit"}},
    {"stream_options": {"include_usage": True, "include_obfuscation": True}},
]


@pytest.mark.parametrize("field", HARMLESS, ids=str)
def test_an_option_that_makes_no_difference_is_accepted(field: Json) -> None:
    assert msgspec.structs.replace(asked(field), tools=None) == asked({})


@pytest.mark.parametrize("name", sorted({*get_type_hints(CompletionCreateParamsBase), "stream"} - {"messages"}))
def test_null_is_as_good_as_nothing(name: str) -> None:
    assert asked({name: None}) == asked({})


def test_hints_for_a_prompt_cache_may_be_in_the_content() -> None:
    part = {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert message({"role": "user", "content": [part]}).content == [TextPart(text="a")]


# --- what is refused ---

REFUSED: list[tuple[Json, str]] = [
    ({"n": 2}, "n"),
    ({"frequency_penalty": 0.5}, "frequency_penalty"),
    ({"presence_penalty": -0.5}, "presence_penalty"),
    ({"logit_bias": {"50256": -100}}, "logit_bias"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"store": True}, "store"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"modalities": ["text", "audio"]}, "modalities[1]"),
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ({"verbosity": "low"}, "verbosity"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"function_call": "auto"}, "function_call"),
    ({"function_call": {"name": "f"}}, "function_call"),
    ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"moderation": {"model": "m"}}, "moderation"),
    ({"parallel_tool_calls": False, "tools": [TOOL]}, "parallel_tool_calls"),
    ({"max_tokens": 10, "max_completion_tokens": 20}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": 100_001}, "max_completion_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"top_p": 2}, "top_p"),
    ({"stop": [""]}, "stop[0]"),
    ({"reasoning_effort": "minimal"}, "reasoning_effort"),
    ({"reasoning_effort": "none"}, "reasoning_effort"),
    ({"top_k": 5}, "top_k"),
    ({"model": ""}, "model"),
    ({"messages": []}, "messages"),
    ({"messages": [USER] * 101}, "messages"),
    ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": "x" * 100_001}]}, "messages[0].content"),
    ({"messages": [{**USER, "name": "Ann"}]}, "messages[0].name"),
    ({"messages": [{"role": "system", "content": "x", "name": "Ann"}]}, "messages[0].name"),
    ({"messages": [USER, {"role": "assistant", "content": None}]}, "messages[1].content"),
    ({"messages": [{"role": "assistant", "content": "x", "audio": {"id": "a"}}]}, "messages[0].audio"),
    (
        {"messages": [{"role": "assistant", "content": "x", "function_call": {"name": "f", "arguments": ""}}]},
        "messages[0].function_call",
    ),
    ({"messages": [{"role": "assistant", "content": "x", "annotations": [{}]}]}, "messages[0].annotations"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        "messages[0].content[0].type",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].type"),
    ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "tools[0].function.name"),
    ({"tool_choice": "maybe"}, "tool_choice"),
    ({"tool_choice": {"type": "custom", "custom": {"name": "c"}}}, "tool_choice.type"),
    ({"response_format": {"type": "grammar"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, "response_format.json_schema.schema"),
]


@pytest.mark.parametrize(("request_", "path"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_honoured_is_refused_by_its_name(request_: Json, path: str) -> None:
    assert f"request.{path}" in refused(request_)


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png,not-base64",
        "data:image/png;base64",
        "data:text/plain;base64,QQ==",
        "data:,",
        "data:image/png;charset=utf-8;base64,QQ==",
        "https://example.org/" + "a" * 8_192,
    ],
    ids=lambda url: url[:40],
)
def test_an_image_that_cannot_be_one_is_refused_without_its_address(url: str) -> None:
    content = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": url}}]
    problems = refused({"messages": [USER, {"role": "user", "content": content}]})
    assert problems.keys() == {"request.messages[1].content[1].image_url.url"}
    assert not any(url in reason for reason in problems.values())


def test_a_finer_look_at_an_image_is_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "high"}}
    assert refused({"messages": [{"role": "user", "content": [image]}]}).keys() == {
        "request.messages[0].content[0].image_url.detail"
    }


def test_an_allowed_tool_that_is_not_offered_is_refused() -> None:
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": name}} for name in ("time", "x")]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    assert refused({"tools": [OTHER_TOOL], "tool_choice": choice}).keys() == {
        "request.tool_choice.allowed_tools.tools[1].function.name"
    }


def test_everything_that_is_wrong_is_told_at_once() -> None:
    request = {"messages": [{**USER, "name": "a"}, {**USER, "name": "b"}], "logprobs": True, "web_search_options": {}}
    assert refused(request).keys() == {
        "request.messages[0].name",
        "request.messages[1].name",
        "request.logprobs",
        "request.web_search_options",
    }
