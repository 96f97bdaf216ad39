"""The official `anthropic` SDK as a second opinion: the same messages, the same requests, the same failures.

Where we differ on purpose, a test says so.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anthropic
import msgspec
import pytest
from anthropic import types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    NamedTool,
    ReasoningOptions,
    TextPart,
    ToolCall,
    ToolDefinition,
)
from llm_sidecar.providers.anthropic.adapter import AnthropicProvider
from llm_sidecar.providers.anthropic.stream import MessageDecoder
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.events import ModelNamed
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.anthropic_fixtures import (
    COMPLETE,
    FAILING,
    arguments,
    begin,
    begin_call,
    begin_text,
    body,
    delta,
    end,
    events,
    request_to,
    start,
    stop,
    text,
)
from tests.providers.contract import (
    events_of,
    finish_of,
    outcome_of,
    reasoning_of,
    run,
    text_of,
    tool_calls_of,
    usage_of,
)
from tests.providers.fault_server import (
    LAST_CHUNK,
    STREAM_HEAD,
    Request,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    saying_then_closing,
    stream,
)

KEY = "sk-ant-test"
QUESTION: list[types.MessageParam] = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
BEYOND_THE_SDK = {"llamacpp_without_start.sse"}
"""It needs a message to begin."""


@asynccontextmanager
async def sdk(url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        yield client


@asynccontextmanager
async def adapter() -> AsyncIterator[AnthropicProvider]:
    provider = AnthropicProvider(HttpClient(Limits))
    try:
        yield provider
    finally:
        await provider.aclose()


# --- messages ---


class Answer(NamedTuple):
    text: str
    reasoning: str
    calls: list[tuple[str, str, Any]]
    usage: tuple[int | None, ...]
    stop_reason: str | None
    model: str


async def message_by_the_sdk(url: str) -> types.Message:
    async with sdk(url) as client, client.messages.stream(model="m", max_tokens=5, messages=QUESTION) as said:
        return await said.get_final_message()


async def by_the_sdk(url: str) -> Answer:
    message = await message_by_the_sdk(url)
    usage, details = message.usage, message.usage.output_tokens_details
    parts = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    return Answer(
        "".join(block.text for block in message.content if block.type == "text"),
        "".join(block.thinking for block in message.content if block.type == "thinking"),
        [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"],
        (
            sum(part or 0 for part in parts),
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_creation_input_tokens,
            None if details is None else details.thinking_tokens,
        ),
        message.stop_reason,
        message.model,
    )


async def by_us(url: str) -> Answer:
    async with adapter() as provider:
        got = await events_of(provider, request_to(url))
    usage = usage_of(got)
    assert usage is not None
    return Answer(
        text_of(got),
        reasoning_of(got),
        [(call_id, name, whole_or_not(sent)) for call_id, name, sent in tool_calls_of(got)],
        (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_prompt_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
        ),
        finish_of(got).raw,
        next(event.model_id for event in got if isinstance(event, ModelNamed)),
    )


def whole_or_not(sent: str) -> Any:
    """The SDK shows a call that was cut off as far as its JSON was whole."""
    return {"lines": ["a"]} if sent == '{"lines": ["a", "b' else json.loads(sent)


def both(script: Script) -> tuple[Answer, Answer]:
    async def main() -> tuple[Answer, Answer]:
        async with fault_server(script) as server:
            return await by_us(server.url), await by_the_sdk(server.url)

    return run(main())


READABLE = [name for name in COMPLETE if name not in BEYOND_THE_SDK]


@pytest.mark.parametrize("name", READABLE)
def test_a_recorded_answer_is_what_the_sdk_reads(name: str) -> None:
    ours, theirs = both(saying(stream(body(name))))
    assert ours == theirs


@pytest.mark.parametrize("name", READABLE)
def test_a_recorded_answer_in_small_pieces_is_what_the_sdk_reads(name: str) -> None:
    data = body(name)
    pieces = [chunked(data[at : at + 7]) for at in range(0, len(data), 7)]
    ours, theirs = both(saying(STREAM_HEAD, *pieces, LAST_CHUNK))
    assert ours == theirs


PIECES = st.lists(st.text(max_size=6), max_size=4)
BLOCKS = st.one_of(
    st.builds(lambda pieces: lambda i: [begin_text(i), *(text(piece, i) for piece in pieces), end(i)], PIECES),
    st.builds(
        lambda pieces: (
            lambda i: [
                begin(i, "thinking", thinking="", signature=""),
                *(delta(i, "thinking_delta", thinking=piece) for piece in pieces),
                delta(i, "signature_delta", signature="s"),
                end(i),
            ]
        ),
        PIECES,
    ),
    st.builds(
        lambda value, cut: (
            lambda i: [
                begin_call(i, f"t{i}", "f"),
                arguments("", i),
                arguments(json.dumps(value)[:cut], i),
                arguments(json.dumps(value)[cut:], i),
                end(i),
            ]
        ),
        st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=2),
        st.integers(0, 9),
    ),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(BLOCKS, max_size=5), st.integers(0, 9), st.integers(1, 99))
def test_any_answer_is_what_the_sdk_reads(blocks: list[Any], cached: int, written: int) -> None:
    said = [event for index, block in enumerate(blocks) for event in block(index)]
    usage = {"input_tokens": 1, "cache_read_input_tokens": cached, "output_tokens": 1}
    ours, theirs = both(saying(stream(events(start(**usage), *said, *stop(output_tokens=written)))))
    assert ours == theirs


@pytest.mark.parametrize("name", [*READABLE, "pause_first.sse"])
def test_what_is_sent_back_is_what_the_sdk_would_send_back(name: str) -> None:
    """But for what goes back changed (a call that was cut off) or not at all (citations, who called)."""

    async def main() -> None:
        async with fault_server(saying(stream(body(name)))) as server:
            message = await message_by_the_sdk(server.url)
        decoder = MessageDecoder("anthropic", 1_000_000)
        decoder.feed(body(name))
        ours = msgspec.json.decode(msgspec.json.encode(decoder.content()))
        theirs = [block.to_dict() for block in message.content]
        for block in theirs:
            block.pop("citations", None)
            block.pop("caller", None)
        if name == "max_tokens_in_tool.sse":
            assert ours[0]["input"] == {"INVALID_JSON": '{"lines": ["a", "b'}
        else:
            assert ours == theirs

    run(main())


# --- requests ---

TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
TURN_WITH_CALLS = [
    Message(role="user", content="Weather?"),
    Message(
        role="assistant",
        content="I look.",
        tool_calls=[
            ToolCall(id="t1", name="f", arguments='{"city": "Paris"}'),
            ToolCall(id="t2", name="g", arguments=""),
        ],
        provider_state={"anthropic": [THOUGHT, {"text": 7}, {"call": "t1"}, {"call": "t2"}]},
    ),
    Message(role="tool", tool_call_id="t1", content="rain"),
    Message(role="tool", tool_call_id="t2", content=[ImagePart(media_type="image/png", data="aGk=")]),
    Message(role="user", content="And now?"),
]
SENT_TURN_WITH_CALLS: Any = [
    {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
    {
        "role": "assistant",
        "content": [
            THOUGHT,
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"city": "Paris"}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
            {
                "type": "tool_result",
                "tool_use_id": "t2",
                "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}],
            },
            {"type": "text", "text": "And now?"},
        ],
    },
]

CORPUS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "small": ({"max_tokens": 5}, {}),
    "system": (
        {"max_tokens": 5, "system_prompt": "be brief"},
        {"system": [{"type": "text", "text": "be brief"}]},
    ),
    "sampling": (
        {"max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "stop": ["END"]},
        {"stop_sequences": ["END"], "extra_body": {"temperature": 0.5, "top_p": 0.9}},
    ),
    "images": (
        {
            "max_tokens": 5,
            "messages": [
                Message(
                    role="user",
                    content=[
                        TextPart(text="what?"),
                        ImagePart(url="https://example.com/a.png"),
                        ImagePart(media_type="image/png", data="aGk="),
                    ],
                )
            ],
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what?"},
                        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                    ],
                }
            ]
        },
    ),
    "calls and results": ({"max_tokens": 5, "messages": TURN_WITH_CALLS}, {"messages": SENT_TURN_WITH_CALLS}),
    "tools": (
        {
            "max_tokens": 5,
            "tools": [
                ToolDefinition(name="f", description="d", parameters=TOOL, strict=True),
                ToolDefinition(name="g"),
            ],
            "tool_choice": "required",
        },
        {
            "tools": [
                {"name": "f", "description": "d", "input_schema": TOOL, "strict": True},
                {"name": "g", "input_schema": {"type": "object"}},
            ],
            "tool_choice": {"type": "any"},
        },
    ),
    "a named tool": (
        {"max_tokens": 5, "tools": [ToolDefinition(name="g")], "tool_choice": NamedTool(name="g")},
        {
            "tools": [{"name": "g", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "g"},
        },
    ),
    "no tool": (
        {"max_tokens": 5, "tools": [ToolDefinition(name="g")], "tool_choice": "none"},
        {"tools": [{"name": "g", "input_schema": {"type": "object"}}], "tool_choice": {"type": "none"}},
    ),
    "a schema": (
        {"max_tokens": 5, "response_format": JsonSchemaFormat(name="n", schema=SCHEMA)},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    "a budget": (
        {"model_id": "claude-haiku-4-5", "max_tokens": 4_000, "reasoning": ReasoningOptions(budget_tokens=2_000)},
        {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
    ),
    "an effort": (
        {"model_id": "claude-opus-5-5", "max_tokens": 4_000, "reasoning": ReasoningOptions(effort="low")},
        {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
    ),
}
"""What a host asks for, and what somebody who uses the SDK would have written."""


def both_requests(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[Request, Request]:
    """The request we send and the one that the SDK sends, to the same server."""
    model, limit = ours.get("model_id", "m"), ours["max_tokens"]

    async def main() -> tuple[Request, Request]:
        async with fault_server(saying(stream(body("text.sse")))) as server, adapter() as provider:
            await events_of(provider, request_to(server.url, key=KEY, **ours))
            async with sdk(server.url) as client:
                arguments = {"messages": QUESTION, **theirs}
                async for _ in await client.messages.create(model=model, max_tokens=limit, stream=True, **arguments):
                    pass
            first, second = server.requests
        return first, second

    return run(main())


@pytest.mark.parametrize("name", CORPUS)
def test_a_request_is_the_one_the_sdk_sends(name: str) -> None:
    ours, theirs = both_requests(*CORPUS[name])
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert ours.json == theirs.json


def test_the_key_travels_as_the_documentation_says_and_not_as_the_sdk_sends_it() -> None:
    """Both open the door; gateways that imitate an Anthropic of before October 2026 know the first only."""
    ours, theirs = both_requests(*CORPUS["small"])
    assert ours.headers["x-api-key"] == KEY
    assert theirs.headers["authorization"] == f"Bearer {KEY}"


def test_the_version_is_the_one_that_knows_a_temperature_and_not_the_sdk_s() -> None:
    ours, theirs = both_requests(*CORPUS["sampling"])
    assert (ours.headers["anthropic-version"], theirs.headers["anthropic-version"]) == ("2023-06-01", "2026-10-21")


PARTS: dict[str, Any] = {
    "system": list[types.TextBlockParam],
    "tools": list[types.ToolParam],
    "tool_choice": types.ToolChoiceParam,
    "thinking": types.ThinkingConfigParam,
    "output_config": types.OutputConfigParam,
}
BLOCK_TYPES: dict[str, Any] = {
    "text": types.TextBlockParam,
    "image": types.ImageBlockParam,
    "thinking": types.ThinkingBlockParam,
    "tool_use": types.ToolUseBlockParam,
    "tool_result": types.ToolResultBlockParam,
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_request_is_made_of_the_sdk_s_types(name: str) -> None:
    ours, _ = both_requests(*CORPUS[name])
    known = {*PARTS, "model", "max_tokens", "messages", "stream", "stop_sequences", "temperature", "top_p"}
    assert ours.json.keys() <= known
    for field, kind in PARTS.items():
        if field in ours.json:
            TypeAdapter(kind).validate_python(ours.json[field])
    for turn in ours.json["messages"]:
        for block in turn["content"]:
            TypeAdapter(BLOCK_TYPES[block["type"]]).validate_python(block)


# --- models ---


def test_the_models_are_those_the_sdk_lists() -> None:
    def page(*ids: str, more: bool) -> bytes:
        return answer(
            200, json.dumps({"data": [{"id": i} for i in ids], "has_more": more, "last_id": ids[-1]}).encode()
        )

    async def main() -> None:
        pages = {"": page("a", "b", more=True), "b": page("c", more=False)}

        async def script(exchange: Any) -> None:
            await exchange.send(pages[exchange.request.path.partition("after_id=")[2].partition("&")[0]])

        async with fault_server(script) as server, sdk(server.url) as client, adapter() as provider:
            theirs = [model.id async for model in client.models.list(limit=1_000)]
            asked_by_them = [sorted(asked.path.partition("?")[2].split("&")) for asked in server.requests]
            server.requests.clear()
            ours = [model.id for model in await provider.list_models(Endpoint("anthropic", server.url, KEY))]
            asked_by_us = [sorted(asked.path.partition("?")[2].split("&")) for asked in server.requests]
        assert ours == theirs == ["a", "b", "c"]
        assert asked_by_us == asked_by_them

    run(main())


# --- failures ---


async def failures(script: Script) -> tuple[SidecarError, anthropic.APIError]:
    """What we make of it, and what the SDK raises."""
    async with fault_server(script) as server, adapter() as provider:
        with pytest.raises(anthropic.APIError) as raised:
            await message_by_the_sdk(server.url)
        _, error = await outcome_of(provider, request_to(server.url))
    assert error is not None
    return error, raised.value


@pytest.mark.parametrize(
    ("status", "kind", "raised", "code", "retryable"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError, "INVALID_REQUEST", False),
        (401, "authentication_error", anthropic.AuthenticationError, "AUTH_ERROR", False),
        (402, "billing_error", anthropic.PaymentRequiredError, "INSUFFICIENT_QUOTA", False),
        (403, "permission_error", anthropic.PermissionDeniedError, "AUTH_ERROR", False),
        (404, "not_found_error", anthropic.NotFoundError, "INVALID_REQUEST", False),
        (409, "conflict_error", anthropic.ConflictError, "SERVER_ERROR", True),
        (413, "request_too_large", anthropic.ContentTooLargeError, "CONTEXT_LENGTH_EXCEEDED", False),
        (422, "invalid_request_error", anthropic.UnprocessableEntityError, "INVALID_REQUEST", False),
        (429, "rate_limit_error", anthropic.RateLimitError, "RATE_LIMIT", True),
        (500, "api_error", anthropic.InternalServerError, "SERVER_ERROR", True),
        (503, "api_error", anthropic.ServiceUnavailableError, "PROVIDER_OVERLOADED", True),
        (504, "timeout_error", anthropic.GatewayTimeoutError, "SERVER_ERROR", True),
        (529, "overloaded_error", anthropic.OverloadedError, "PROVIDER_OVERLOADED", True),
    ],
)
def test_a_refusal_is_typed_as_the_sdk_types_it(
    status: int, kind: str, raised: type[Exception], code: str, retryable: bool
) -> None:
    said = json.dumps({"type": "error", "error": {"type": kind, "message": "no"}}).encode()
    ours, theirs = run(failures(saying(answer(status, said))))
    assert type(theirs) is raised
    assert isinstance(theirs, anthropic.APIStatusError)
    assert theirs.type == kind
    assert ours.code == code
    assert ours.retryable == retryable


@pytest.mark.parametrize("name", [name for name in FAILING if name != "error_without_a_name.sse"])
def test_an_error_inside_a_stream_is_typed_by_the_type_the_sdk_reads(name: str) -> None:
    codes = {
        "overloaded_error": "PROVIDER_OVERLOADED",
        "api_error": "SERVER_ERROR",
        "rate_limit_error": "RATE_LIMIT",
        "invalid_request_error": "INVALID_REQUEST",
        "billing_error": "INSUFFICIENT_QUOTA",
        "timeout_error": "SERVER_ERROR",
        "authentication_error": "AUTH_ERROR",
    }
    ours, theirs = run(failures(saying(stream(body(name)))))
    assert isinstance(theirs, anthropic.APIStatusError)
    assert ours.code == codes[str(theirs.type)]


@pytest.mark.parametrize("name", ["text.sse", "error_without_a_name.sse"])
def test_where_the_sdk_takes_a_broken_answer_for_complete_we_do_not(name: str) -> None:
    """Why the decoder is our own: without an end, or at an error that has no name, the SDK just stops."""
    code = {"text.sse": "STREAM_TRUNCATED", "error_without_a_name.sse": "PROVIDER_OVERLOADED"}[name]

    async def main() -> None:
        half = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body(name)[:-60]
        said = saying_then_closing(half) if name == "text.sse" else saying(stream(body(name)))
        async with fault_server(said) as server, adapter() as provider:
            assert (await message_by_the_sdk(server.url)).content
            _, error = await outcome_of(provider, request_to(server.url))
            assert error is not None
            assert error.code == code

    run(main())
