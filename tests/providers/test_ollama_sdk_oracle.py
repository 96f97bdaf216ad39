"""The official `ollama` package as a second opinion: the same bytes must be the same answer, the same wish the same
request."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import (
    ImagePart,
    JsonSchemaFormat,
    Message,
    ReasoningOptions,
    TextPart,
    ToolCall,
    ToolDefinition,
)
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.ollama.adapter import OllamaProvider
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
from tests.providers.fault_server import LAST_CHUNK, Request, Script, answer, chunked, fault_server, saying
from tests.providers.ollama_format import COMPLETE, FORMAT, body, line, request_to
from tests.providers.wire_format import stream_head

ollama = pytest.importorskip("ollama")

HEAD = stream_head(FORMAT)


class Answer(NamedTuple):
    text: str
    reasoning: str
    calls: list[tuple[str, dict[str, Any]]]
    """The package drops the ids."""
    usage: tuple[int | None, int | None]
    done_reason: str | None
    model: str | None


def whole(data: bytes) -> bytes:
    return HEAD + chunked(data) + LAST_CHUNK


async def by_the_sdk(url: str, **wish: Any) -> Answer:
    wish = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **wish}
    text, reasoning, done_reason, model = "", "", None, None
    calls: list[tuple[str, dict[str, Any]]] = []
    usage: tuple[int | None, int | None] = (None, None)
    client = ollama.AsyncClient(host=url)
    try:
        async for part in await client.chat(**wish, stream=True):
            model = model or part.model
            text += part.message.content or ""
            reasoning += part.message.thinking or ""
            calls += [(call.function.name, dict(call.function.arguments)) for call in part.message.tool_calls or ()]
            if part.done:
                usage, done_reason = (part.prompt_eval_count, part.eval_count), part.done_reason
    finally:
        await client._client.aclose()
    return Answer(text, reasoning, calls, usage, done_reason, model)


async def by_us(request: ProviderRequest) -> Answer:
    provider = OllamaProvider(HttpClient(Limits))
    try:
        events = await events_of(provider, request)
    finally:
        await provider.aclose()
    usage = usage_of(events)
    return Answer(
        text_of(events),
        reasoning_of(events),
        [(name, json.loads(arguments)) for _, name, arguments in tool_calls_of(events)],
        (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens),
        finish_of(events).raw,
        next((event.model_id for event in events if hasattr(event, "model_id")), None),
    )


def both(script: Script) -> tuple[Answer, Answer]:
    async def main() -> tuple[Answer, Answer]:
        async with fault_server(script) as server:
            return await by_us(request_to(server.url)), await by_the_sdk(server.url)

    return run(main())


BEYOND_THE_SDK = {"crlf_and_no_last_newline.ndjson"}
"""It takes an empty line for JSON."""


@pytest.mark.parametrize("name", [name for name in COMPLETE if name not in BEYOND_THE_SDK])
def test_a_recorded_answer_is_what_the_sdk_reads(name: str) -> None:
    ours, theirs = both(saying(whole(body(name))))
    assert ours == theirs
    assert ours.usage != (None, None)


@pytest.mark.parametrize("name", [name for name in COMPLETE if name not in BEYOND_THE_SDK])
def test_a_recorded_answer_in_small_pieces_is_what_the_sdk_reads(name: str) -> None:
    data = body(name)
    pieces = [chunked(data[at : at + 7]) for at in range(0, len(data), 7)]
    ours, theirs = both(saying(HEAD, *pieces, LAST_CHUNK))
    assert ours == theirs


MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={
        "content": st.text(max_size=20) | st.none(),
        "thinking": st.text(max_size=5) | st.none(),
        "images": st.none(),
        "tool_calls": st.none()
        | st.lists(
            st.fixed_dictionaries(
                {
                    "function": st.fixed_dictionaries(
                        {
                            "name": st.text(min_size=1, max_size=3),
                            "arguments": st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)),
                        }
                    )
                },
                optional={"id": st.text(min_size=1, max_size=4)},
            ),
            max_size=2,
        ),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGES, max_size=12), st.sampled_from(["stop", "length"]), st.booleans())
def test_any_answer_is_what_the_sdk_reads(messages: list[dict[str, Any]], reason: str, ascii_only: bool) -> None:
    pieces = [{"model": "m", "message": message, "done": False} for message in messages]
    end = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason}
    # As Go writes it: the package splits lines at U+2028 and others, too, where they are not escaped.
    text = "".join(json.dumps(piece, ensure_ascii=ascii_only) + "\n" for piece in [*pieces, end])
    escaped = "".join(f"\\u{ord(char):04x}" if char in "\x85\u2028\u2029" else char for char in text)
    ours, theirs = both(saying(whole(escaped.encode())))
    assert ours == theirs


def test_a_whole_request_is_what_the_sdk_sends() -> None:
    """All but the ids of tool calls, which the package does not know yet."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    wish: dict[str, Any] = {
        "messages": [
            Message(role="user", content=[TextPart(text="look"), ImagePart(media_type="image/png", data="aGk=")]),
            Message(
                role="assistant",
                content="f knows.",
                tool_calls=[ToolCall(id="c1", name="f", arguments='{"a": 1}')],
                provider_state={"thinking": "hm"},
            ),
            Message(role="tool", content="42", tool_call_id="c1"),
        ],
        "system_prompt": "be brief",
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["x"],
        "seed": 7,
        "max_tokens": 100,
        "tools": [ToolDefinition(name="f", description="d", parameters=schema)],
        "response_format": JsonSchemaFormat(name="n", schema=schema),
        "reasoning": ReasoningOptions(effort="high"),
    }
    same_wish: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "look", "images": ["aGk="]},
            {
                "role": "assistant",
                "content": "f knows.",
                "thinking": "hm",
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
            },
            {"role": "tool", "content": "42", "tool_name": "f"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}}],
        "format": schema,
        "options": {"temperature": 0.5, "top_p": 0.9, "stop": ["x"], "seed": 7, "num_predict": 100},
        "think": "high",
    }

    async def main() -> tuple[Request, Request]:
        async with fault_server(saying(whole(line("a") + line(done=True)))) as server:
            await by_us(request_to(server.url, **wish))
            await by_the_sdk(server.url, **same_wish)
            ours, theirs = server.requests
            return ours, theirs

    ours, theirs = run(main())
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    body_of_ours = ours.json
    for message in body_of_ours["messages"]:
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", ()):
            call.pop("id")
    assert body_of_ours == theirs.json


@pytest.mark.parametrize(
    "said",
    [
        whole(body("error_midstream.ndjson")),
        whole(body("error_context.ndjson")),
        whole(body("error_of_the_cloud.ndjson")),
        answer(404, b'{"error": "model \'m\' not found"}'),
        answer(503, b'{"error": "server busy, please try again.  maximum pending requests exceeded"}'),
    ],
)
def test_where_the_sdk_raises_we_do(said: bytes) -> None:
    async def main() -> None:
        async with fault_server(saying(said)) as server:
            with pytest.raises(ollama.ResponseError) as raised:
                await by_the_sdk(server.url)
            provider = OllamaProvider(HttpClient(Limits))
            _, error = await outcome_of(provider, request_to(server.url))
            await provider.aclose()
            assert error is not None
            assert raised.value.status_code in (-1, error.details and error.details.get("status"))

    run(main())


def test_where_the_sdk_takes_a_truncated_answer_for_complete_we_do_not() -> None:
    async def main() -> None:
        async with fault_server(saying(whole(line("half an ans")))) as server:
            assert (await by_the_sdk(server.url)).text == "half an ans"
            provider = OllamaProvider(HttpClient(Limits))
            _, error = await outcome_of(provider, request_to(server.url))
            await provider.aclose()
            assert error is not None
            assert error.code == "STREAM_TRUNCATED"

    run(main())
