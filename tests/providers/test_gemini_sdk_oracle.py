"""Google's own SDK, `google-genai`, as a second opinion: the same bytes must be the same answer, the same error and the
same next turn, and the same call must be the same request.

What is made alike before it is compared (`alike_body`): the SDK writes some names in snake_case (the API takes either)
and bytes in URL-safe base64, gives a system instruction the role `user`, and may leave an empty `generationConfig`. A
history of its chunks holds each as a turn of its own, and thoughts that nobody signed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_sidecar.limits import Limits, camel
from llm_sidecar.messages.content import (
    ImagePart,
    JsonFormat,
    JsonSchemaFormat,
    Message,
    NamedTool,
    ReasoningOptions,
    TextPart,
    ToolCall,
    ToolDefinition,
)
from llm_sidecar.providers.base import Endpoint, ModelDescription
from llm_sidecar.providers.events import Finish, ModelNamed, ProviderState
from llm_sidecar.providers.gemini.adapter import GeminiProvider
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.contract import (
    events_of,
    outcome_of,
    reasoning_of,
    run,
    text_of,
    tool_calls_of,
    usage_of,
)
from tests.providers.fault_server import (
    STREAM_HEAD,
    Exchange,
    Request,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    saying_then_closing,
    sse,
    stream,
)
from tests.providers.gemini_fixtures import COMPLETE, FAILING, body, call, chunk, request_to, text

BEYOND_THE_SDK = {"lf_and_multi_line_data.sse"}
"""It takes a comment for an answer."""
MODEL = "gemini-3-flash-preview"


class Answer(NamedTuple):
    text: str
    reasoning: str
    calls: list[tuple[str | None, str, dict[str, Any]]]
    usage: tuple[int | None, ...] | None
    finish_reason: str | None
    model: str | None


@asynccontextmanager
async def sdk(url: str) -> AsyncIterator[genai.client.AsyncClient]:
    # On httpx2: its way over aiohttp warns of itself.
    async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
        with httpx2.Client(trust_env=False, verify=False) as unused:
            options = types.HttpOptions(
                base_url=url, api_version="v1beta", httpx_async_client=http, httpx_client=unused
            )
            yield genai.Client(api_key="key-1", http_options=options).aio


@asynccontextmanager
async def ours() -> AsyncIterator[GeminiProvider]:
    provider = GeminiProvider(HttpClient(Limits))
    try:
        yield provider
    finally:
        await provider.aclose()


async def by_the_sdk(url: str) -> Answer:
    said, thought, finish_reason, model = "", "", None, None
    calls: list[tuple[str | None, str, dict[str, Any]]] = []
    usage: tuple[int | None, ...] | None = None
    async with sdk(url) as client:
        async for response in await client.models.generate_content_stream(model="m", contents="hi"):
            model = model or response.model_version
            if response.usage_metadata is not None:
                usage = sdk_usage(response.usage_metadata) or usage
            if response.prompt_feedback is not None and response.prompt_feedback.block_reason:
                finish_reason = response.prompt_feedback.block_reason.value
            for candidate in (response.candidates or ())[:1]:
                if candidate.finish_reason is not None:
                    finish_reason = candidate.finish_reason.value
                for part in (candidate.content.parts if candidate.content else None) or ():
                    if part.function_call is not None:
                        called = part.function_call
                        calls.append((called.id, called.name or "", called.args or {}))
                    elif part.thought:
                        thought += part.text or ""
                    else:
                        said += part.text or ""
    return Answer(said, thought, calls, usage, finish_reason, model)


def sdk_usage(usage: types.GenerateContentResponseUsageMetadata) -> tuple[int | None, ...] | None:
    if usage.prompt_token_count is None:
        return None
    return (
        usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0),
        (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        usage.cached_content_token_count,
        usage.thoughts_token_count,
    )


async def by_us(url: str, known_ids: list[str | None]) -> Answer:
    """`known_ids`: the ids as the SDK saw them. Where there was none, ours was made here."""
    async with ours() as provider:
        events = await events_of(provider, request_to(url))
    usage = usage_of(events)
    calls = tool_calls_of(events)
    assert len(calls) == len(known_ids)
    return Answer(
        text_of(events),
        reasoning_of(events),
        [
            (call_id if known is not None else None, name, json.loads(arguments))
            for known, (call_id, name, arguments) in zip(known_ids, calls, strict=True)
        ],
        None
        if usage is None
        else (usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens, usage.reasoning_tokens),
        next(event.raw for event in events if isinstance(event, Finish)),
        next((event.model_id for event in events if isinstance(event, ModelNamed)), None),
    )


def both(script: Script) -> tuple[Answer, Answer]:
    async def main() -> tuple[Answer, Answer]:
        async with fault_server(script) as server:
            theirs = await by_the_sdk(server.url)
            return await by_us(server.url, [call_id for call_id, _, _ in theirs.calls]), theirs

    return run(main())


# --- the same bytes, the same answer ---


@pytest.mark.parametrize("name", [name for name in COMPLETE if name not in BEYOND_THE_SDK])
def test_a_recorded_answer_is_what_the_sdk_reads(name: str) -> None:
    our_answer, theirs = both(saying(stream(body(name))))
    assert our_answer == theirs
    assert our_answer.finish_reason


@pytest.mark.parametrize("name", [name for name in COMPLETE if name not in BEYOND_THE_SDK and "finish" not in name])
def test_a_recorded_answer_in_small_pieces_is_what_the_sdk_reads(name: str) -> None:
    data = body(name)
    pieces = [chunked(data[at : at + 7]) for at in range(0, len(data), 7)]
    our_answer, theirs = both(saying(STREAM_HEAD, *pieces, b"0\r\n\r\n"))
    assert our_answer == theirs


COUNTS = st.fixed_dictionaries(
    {"promptTokenCount": st.integers(1, 99)},
    optional={
        name: st.integers(0, 99)
        for name in (
            "candidatesTokenCount",
            "thoughtsTokenCount",
            "cachedContentTokenCount",
            "toolUsePromptTokenCount",
            "totalTokenCount",
        )
    },
)
PARTS = st.one_of(
    st.builds(text, st.text(max_size=20)),
    st.builds(lambda said: text(said, thought=True), st.text(max_size=9)),
    st.builds(
        lambda arguments, more: call("f", arguments, **more),
        st.none() | st.dictionaries(st.text(max_size=3), st.integers(-9, 9) | st.text(max_size=3), max_size=2),
        st.sampled_from([{}, {"id": "x"}]),
    ),
)
CHUNKS = st.builds(
    lambda parts, usage: chunk(*parts, **({} if usage is None else {"usageMetadata": usage})),
    st.lists(PARTS, max_size=3),
    st.none() | COUNTS,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CHUNKS, max_size=8), st.booleans())
def test_any_answer_is_what_the_sdk_reads(chunks: list[dict[str, Any]], ascii_only: bool) -> None:
    everything = [*chunks, chunk(finish="STOP", modelVersion="m")]
    lines = [f"data: {json.dumps(one, ensure_ascii=ascii_only)}\r\n\r\n".encode() for one in everything]
    our_answer, theirs = both(saying(stream(b"".join(lines))))
    assert our_answer == theirs


def test_every_finish_reason_the_sdk_knows_is_recorded() -> None:
    words = {reason.value for reason in types.FinishReason} - {"STOP", "FINISH_REASON_UNSPECIFIED"}
    recorded = {name.removeprefix("error_") for name in COMPLETE + FAILING if "finish_" in name}
    assert {f"finish_{word.lower()}.sse" for word in words} == recorded


# --- errors ---


@pytest.mark.parametrize("name", [name for name in FAILING if "finish_" not in name and name != "error_bare_array.sse"])
def test_where_the_sdk_raises_we_do_with_the_same_status(name: str) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body(name)))) as server, ours() as provider:
            with pytest.raises(errors.APIError) as raised:
                await by_the_sdk(server.url)
            _, error = await outcome_of(provider, request_to(server.url))
            assert error is not None
            assert (error.details or {})["status"] == raised.value.code

    run(main())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 499, 500, 502, 503, 504])
def test_a_status_is_an_error_of_the_same_kind(status: int) -> None:
    said = {"error": {"code": status, "message": "no", "status": "WHATEVER"}}

    async def main() -> None:
        async with fault_server(saying(answer(status, json.dumps(said).encode()))) as server, ours() as provider:
            with pytest.raises(errors.ClientError if status < 500 else errors.ServerError) as raised:
                await by_the_sdk(server.url)
            assert raised.value.code == status
            _, error = await outcome_of(provider, request_to(server.url))
            assert error is not None
            assert (error.details or {})["status"] == status

    run(main())


def test_where_the_sdk_takes_a_truncated_answer_for_complete_we_do_not() -> None:
    """Why the decoder is our own: without a finish reason, the SDK just stops."""

    async def main() -> None:
        half = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + sse(chunk(text("half")))
        async with fault_server(saying_then_closing(half)) as server, ours() as provider:
            assert (await by_the_sdk(server.url)).finish_reason is None
            _, error = await outcome_of(provider, request_to(server.url))
            assert error is not None
            assert error.code == "STREAM_TRUNCATED"

    run(main())


# --- the same call, the same request ---


THEIR_OWN = ("args", "response", "parametersJsonSchema", "responseJsonSchema")
"""Fields whose insides are not Google's."""


def alike(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        inside = {camel(name): inner for name, inner in value.items()}
        return {name: inner if name in THEIR_OWN else alike(inner, name) for name, inner in inside.items()}
    if isinstance(value, list):
        return [alike(inner) for inner in value]
    return value.replace("-", "+").replace("_", "/") if name in ("data", "thoughtSignature") else value


def alike_body(request: Request) -> dict[str, Any]:
    sent: dict[str, Any] = alike(request.json)
    if "systemInstruction" in sent:
        assert sent["systemInstruction"].pop("role", "user") == "user"
    turns: list[dict[str, Any]] = []
    for turn in sent["contents"]:
        if turns and turn["role"] == turns[-1]["role"] == "model":
            turns[-1]["parts"] += turn.get("parts", ())
        else:
            turns.append({**turn, "parts": list(turn.get("parts", ()))})
    for turn in turns:
        if turn["role"] == "model":
            turn["parts"] = _merged(turn["parts"])
    if sent.get("generationConfig") == {}:
        del sent["generationConfig"]
    return {**sent, "contents": turns}


def _merged(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    merged: list[dict[str, Any]] = []
    for part in parts:
        if part.get("thought") and "thoughtSignature" not in part:
            continue
        if part.keys() == {"text"} and merged and merged[-1].keys() == {"text"}:
            merged[-1] = {"text": merged[-1]["text"] + part["text"]}
        elif part != {"text": ""} and part:
            merged.append(part)
    return merged


def requests_of(*callers: Callable[[str], Awaitable[Any]], said: bytes = b"") -> list[Request]:
    """What each of them sends."""

    async def main() -> list[Request]:
        async with fault_server(saying(said or stream(body("text.sse")))) as server:
            for caller in callers:
                await caller(server.url)
            return server.requests

    return run(main())


PNG = b"\x89PNG\xff\xfe\xfb"
SCHEMA = {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}, "additionalProperties": False}
TOOLS = [ToolDefinition(name="f", description="does f", parameters=SCHEMA), ToolDefinition(name="g", description="d")]
SDK_TOOLS: Any = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name="f", description="does f", parameters_json_schema=SCHEMA),
            types.FunctionDeclaration(name="g", description="d"),
        ]
    )
]


def turn(role: str, *parts: types.Part) -> types.Content:
    return types.Content(role=role, parts=list(parts))


def choosing(mode: types.FunctionCallingConfigMode, *names: str) -> types.ToolConfig:
    config = types.FunctionCallingConfig(mode=mode, allowed_function_names=list(names) or None)
    return types.ToolConfig(function_calling_config=config)


def thinking(**config: Any) -> dict[str, Any]:
    return {
        "config": types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True, **config))
    }


CALLED = types.FunctionCall(id="c1", name="f", args={"a": 1, "b": [None, 0.5]})
REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a text": ({}, {}),
    "a model in its folder": ({"model_id": "models/gemini-2.5-pro"}, {"model": "models/gemini-2.5-pro"}),
    "a tuned model": ({"model_id": "tunedModels/x-1"}, {"model": "tunedModels/x-1"}),
    "options": (
        {"temperature": 0.0, "top_p": 0.5, "max_tokens": 9, "stop": ["a", "b"], "seed": 7, "system_prompt": "be brief"},
        {
            "config": types.GenerateContentConfig(
                temperature=0.0,
                top_p=0.5,
                max_output_tokens=9,
                stop_sequences=["a", "b"],
                seed=7,
                system_instruction="be brief",
            )
        },
    ),
    "a conversation": (
        {
            "messages": [
                Message(role="user", content="a"),
                Message(role="assistant", content="b"),
                Message(role="user", content="c"),
            ]
        },
        {
            "contents": [
                turn(*said)
                for said in (
                    ("user", types.Part(text="a")),
                    ("model", types.Part(text="b")),
                    ("user", types.Part(text="c")),
                )
            ]
        },
    ),
    "images": (
        {
            "messages": [
                Message(
                    role="user",
                    content=[
                        TextPart(text="see"),
                        ImagePart(media_type="image/png", data=base64.b64encode(PNG).decode()),
                        ImagePart(url="https://example.com/a.webp"),
                    ],
                )
            ]
        },
        {
            "contents": [
                "see",
                types.Part.from_bytes(data=PNG, mime_type="image/png"),
                types.Part.from_uri(file_uri="https://example.com/a.webp"),
            ]
        },
    ),
    "tools": ({"tools": TOOLS}, {"config": types.GenerateContentConfig(tools=SDK_TOOLS)}),
    "a tool that must be called": (
        {"tools": TOOLS, "tool_choice": NamedTool(name="f")},
        {
            "config": types.GenerateContentConfig(
                tools=SDK_TOOLS, tool_config=choosing(types.FunctionCallingConfigMode.ANY, "f")
            )
        },
    ),
    "no tool": (
        {"tools": TOOLS, "tool_choice": "none"},
        {
            "config": types.GenerateContentConfig(
                tools=SDK_TOOLS, tool_config=choosing(types.FunctionCallingConfigMode.NONE)
            )
        },
    ),
    "a call and its result": (
        {
            "messages": [
                Message(role="user", content="a"),
                Message(
                    role="assistant",
                    content="wait",
                    tool_calls=[ToolCall(id="c1", name="f", arguments='{"a": 1, "b": [null, 0.5]}')],
                ),
                Message(role="tool", content='{"n": 1}', tool_call_id="c1"),
            ]
        },
        {
            "contents": [
                turn("user", types.Part(text="a")),
                turn("model", types.Part(text="wait"), types.Part(function_call=CALLED)),
                turn(
                    "user",
                    types.Part(function_response=types.FunctionResponse(id="c1", name="f", response={"n": 1})),
                ),
            ]
        },
    ),
    "an image as a result": (
        {
            "messages": [
                Message(role="assistant", content="", tool_calls=[ToolCall(id="c1", name="f", arguments="{}")]),
                Message(
                    role="tool",
                    content=[
                        TextPart(text="seen"),
                        ImagePart(media_type="image/png", data=base64.b64encode(PNG).decode()),
                    ],
                    tool_call_id="c1",
                ),
            ]
        },
        {
            "contents": [
                turn("model", types.Part(function_call=types.FunctionCall(id="c1", name="f", args={}))),
                turn(
                    "user",
                    types.Part(
                        function_response=types.FunctionResponse(
                            id="c1",
                            name="f",
                            response={"result": "seen"},
                            parts=[types.FunctionResponsePart.from_bytes(data=PNG, mime_type="image/png")],
                        )
                    ),
                ),
            ]
        },
    ),
    "json": (
        {"response_format": JsonFormat()},
        {"config": types.GenerateContentConfig(response_mime_type="application/json")},
    ),
    "a schema": (
        {"response_format": JsonSchemaFormat(name="n", schema=SCHEMA)},
        {"config": types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)},
    ),
    "thoughts": ({"reasoning": ReasoningOptions()}, thinking()),
    "a thinking budget": ({"reasoning": ReasoningOptions(budget_tokens=512)}, thinking(thinking_budget=512)),
    "a thinking level": (
        {"reasoning": ReasoningOptions(effort="low"), "model_id": MODEL},
        {**thinking(thinking_level=types.ThinkingLevel.LOW), "model": MODEL},
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_call_is_the_same_request(name: str) -> None:
    our_fields, their_fields = REQUESTS[name]
    our_fields = {"model_id": "gemini-2.5-flash", **our_fields}
    their_fields = {"model": "gemini-2.5-flash", "contents": "hi", **their_fields}

    async def we(url: str) -> None:
        async with ours() as provider:
            await events_of(provider, request_to(url, key="key-1", **our_fields))

    async def they(url: str) -> None:
        async with sdk(url) as client:
            async for _ in await client.models.generate_content_stream(**their_fields):
                pass

    our_request, their_request = requests_of(we, they)
    assert alike_body(our_request) == alike_body(their_request)
    assert (our_request.method, our_request.path) == (their_request.method, their_request.path)
    for header in ("x-goog-api-key", "content-type"):
        assert our_request.headers[header] == their_request.headers[header]


@pytest.mark.parametrize(
    "name", [name for name in COMPLETE if b'"thought' in body(name) or b"functionCall" in body(name)]
)
def test_the_next_turn_shows_the_model_its_own_answer_as_the_sdk_does(name: str) -> None:
    """Both are given the recorded answer by the server, and asked to go on: with results, or with a question."""

    async def they(url: str) -> None:
        async with sdk(url) as client:
            said: list[types.Content] = []
            async for response in await client.models.generate_content_stream(model=MODEL, contents="hi"):
                said += [each.content for each in response.candidates or () if each.content is not None]
            parts = [part for each in said for part in each.parts or ()]
            responses = [
                types.Part(
                    function_response=types.FunctionResponse(
                        id=part.function_call.id, name=part.function_call.name, response={"result": "ok"}
                    )
                )
                for part in parts
                if part.function_call
            ]
            question = turn("user", *(responses or [types.Part(text="go on")]))
            history: Any = [turn("user", types.Part(text="hi")), *said, question]
            async for _ in await client.models.generate_content_stream(model=MODEL, contents=history):
                pass

    async def we(url: str) -> None:
        first = Message(role="user", content="hi")
        async with ours() as provider:
            events = await events_of(provider, request_to(url, model_id=MODEL))
            state = next((event.state for event in events if isinstance(event, ProviderState)), None)
            calls = [ToolCall(id=i, name=n, arguments=a) for i, n, a in tool_calls_of(events)]
            said = Message(
                role="assistant",
                content=text_of(events),
                tool_calls=calls or None,
                provider_state=json.loads(json.dumps(state)),
            )
            results = [Message(role="tool", content="ok", tool_call_id=made.id) for made in calls]
            messages = [first, said, *(results or [Message(role="user", content="go on")])]
            await events_of(provider, request_to(url, model_id=MODEL, messages=messages))

    requests = requests_of(we, they, said=stream(body(name)))
    our_turns, their_turns = (alike_body(request)["contents"] for request in requests[1::2])
    if b"thoughtSignature" not in body(name):
        our_turns, their_turns = _without_what_we_add(our_turns), _without_what_we_add(their_turns)
    assert our_turns == their_turns


def _without_what_we_add(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """To calls that came without them: ids, empty arguments, the signature that stands for a missing one."""
    for said in turns:
        for part in said["parts"]:
            part.pop("thoughtSignature", None)
            for called in (part.get("functionCall", {}), part.get("functionResponse", {})):
                called.pop("id", None)
                called["args"] = called.get("args", {})
    return turns


def test_the_same_models_are_listed() -> None:
    entries = [
        {
            "name": f"models/m{n}",
            "displayName": f"M {n}",
            "inputTokenLimit": n,
            "outputTokenLimit": 2 * n,
            "supportedGenerationMethods": ["generateContent"],
        }
        for n in range(1, 4)
    ]
    pages = {"": {"models": entries[:2], "nextPageToken": "a b"}, "a": {"models": entries[2:]}}

    async def script(exchange: Exchange) -> None:
        await exchange.send(
            answer(200, json.dumps(pages["a" if "pageToken" in exchange.request.path else ""]).encode())
        )

    async def main() -> None:
        async with fault_server(script) as server, ours() as provider, sdk(server.url) as client:
            theirs = [
                ModelDescription(
                    (model.name or "").removeprefix("models/"),
                    model.display_name,
                    model.input_token_limit,
                    model.output_token_limit,
                )
                async for model in await client.models.list(config={"page_size": 1000})
            ]
            assert await provider.list_models(Endpoint("google", server.url, "key-1")) == theirs
            assert len(theirs) == 3

    run(main())
