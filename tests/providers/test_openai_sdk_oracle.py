"""The official `openai` SDK as a second opinion: the same bytes, from the same server, must be the same answer."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_sidecar.limits import Limits
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.chat import OpenAIChatProvider
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
    STREAM_HEAD,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    saying_then_closing,
    sse,
    stream,
)
from tests.providers.openai_fixtures import COMPLETE, body, request_to

BEYOND_THE_SDK = {"gemini_tools_without_index.sse", "crlf_and_comments.sse"}
"""It cannot tell tool calls without an index apart, and takes an event of comments and an id for one with data."""


class Answer(NamedTuple):
    text: str
    reasoning: str
    calls: list[tuple[str, str, str]]
    usage: tuple[int | None, ...] | None
    finish_reason: str | None
    model: str | None


async def by_the_sdk(url: str) -> Answer:
    text, reasoning, finish_reason, model = "", "", None, None
    calls: dict[int, list[str]] = {}
    usage: tuple[int | None, ...] | None = None
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        chunks = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True, stream_options={"include_usage": True}
        )
        async for chunk in chunks:
            model = model or chunk.model or None
            if chunk.usage is not None:
                usage = sdk_usage(chunk.usage)
            for choice in chunk.choices[:1]:
                finish_reason = choice.finish_reason or finish_reason
                if choice.delta is None:  # against its own types: Azure's notes on what was filtered have none
                    continue
                extra = choice.delta.model_extra or {}
                text += choice.delta.content or choice.delta.refusal or ""
                reasoning += extra.get("reasoning_content") or extra.get("reasoning") or ""
                for part in choice.delta.tool_calls or ():
                    call = calls.setdefault(part.index, ["", "", ""])
                    assert part.function is not None
                    for field, piece in enumerate((part.id, part.function.name, part.function.arguments)):
                        call[field] += piece or ""
    return Answer(text, reasoning, [(a, b, c) for a, b, c in calls.values()], usage, finish_reason, model)


def sdk_usage(usage: Any) -> tuple[int | None, ...]:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = (usage.model_extra or {}).get("prompt_cache_hit_tokens") if prompt is None else prompt.cached_tokens
    return (
        usage.prompt_tokens,
        usage.completion_tokens,
        cached,
        None if completion is None else completion.reasoning_tokens,
    )


async def by_us(url: str) -> Answer:
    provider = OpenAIChatProvider(HttpClient(Limits))
    try:
        events = await events_of(provider, request_to(url))
    finally:
        await provider.aclose()
    usage = usage_of(events)
    return Answer(
        text_of(events),
        reasoning_of(events),
        tool_calls_of(events),
        None
        if usage is None
        else (usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens, usage.reasoning_tokens),
        finish_of(events).raw,
        next((event.model_id for event in events if hasattr(event, "model_id")), None),
    )


def both(script: Script) -> tuple[Answer, Answer]:
    async def main() -> tuple[Answer, Answer]:
        async with fault_server(script) as server:
            return await by_us(server.url), await by_the_sdk(server.url)

    return run(main())


@pytest.mark.parametrize("name", [name for name in COMPLETE if name not in BEYOND_THE_SDK])
def test_a_recorded_answer_is_what_the_sdk_reads(name: str) -> None:
    ours, theirs = both(saying(stream(body(name))))
    assert ours == theirs
    assert ours.text or ours.calls


@pytest.mark.parametrize("name", [name for name in COMPLETE if name not in BEYOND_THE_SDK])
def test_a_recorded_answer_in_small_pieces_is_what_the_sdk_reads(name: str) -> None:
    data = body(name)
    pieces = [chunked(data[at : at + 7]) for at in range(0, len(data), 7)]
    ours, theirs = both(saying(STREAM_HEAD, *pieces, b"0\r\n\r\n"))
    assert ours == theirs


DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["assistant", None]),
        "content": st.text(max_size=20) | st.none(),
        "reasoning_content": st.text(max_size=5) | st.none(),
        "refusal": st.none(),
    },
)
CHUNKS = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "choices": st.lists(st.fixed_dictionaries({"index": st.just(0), "delta": DELTAS}), max_size=1),
    }
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CHUNKS, min_size=1, max_size=12), st.booleans())
def test_any_answer_is_what_the_sdk_reads(chunks: list[dict[str, Any]], ascii_only: bool) -> None:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "model": "m"}
    lines = [f"data: {json.dumps(chunk, ensure_ascii=ascii_only)}\n\n".encode() for chunk in [*chunks, end]]
    ours, theirs = both(saying(stream(b"".join(lines) + sse("[DONE]"))))
    assert ours == theirs


@pytest.mark.parametrize("name", ["error_openai.sse", "error_event.sse"])
def test_where_the_sdk_raises_we_do(name: str) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body(name)))) as server:
            with pytest.raises(openai.APIError):
                await by_the_sdk(server.url)
            provider = OpenAIChatProvider(HttpClient(Limits))
            _, error = await outcome_of(provider, request_to(server.url))
            await provider.aclose()
            assert error is not None

    run(main())


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, openai.BadRequestError, "INVALID_REQUEST"),
        (401, openai.AuthenticationError, "AUTH_ERROR"),
        (403, openai.PermissionDeniedError, "AUTH_ERROR"),
        (422, openai.UnprocessableEntityError, "INVALID_REQUEST"),
        (429, openai.RateLimitError, "RATE_LIMIT"),
        (500, openai.InternalServerError, "SERVER_ERROR"),
    ],
)
def test_a_status_is_typed_as_the_sdk_types_it(status: int, kind: type[Exception], code: str) -> None:
    async def main() -> None:
        async with fault_server(saying(answer(status, b'{"error": {"message": "no"}}'))) as server:
            with pytest.raises(kind):
                await by_the_sdk(server.url)
            provider = OpenAIChatProvider(HttpClient(Limits))
            _, error = await outcome_of(provider, request_to(server.url))
            await provider.aclose()
            assert error is not None
            assert error.code == code

    run(main())


def test_where_the_sdk_takes_a_truncated_answer_for_complete_we_do_not() -> None:
    """Why the decoder is our own: without a finish reason or an end marker, the SDK just stops."""

    async def main() -> None:
        half = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body("openai_text.sse")[:900]
        async with fault_server(saying_then_closing(half)) as server:
            assert (await by_the_sdk(server.url)).finish_reason is None
            provider = OpenAIChatProvider(HttpClient(Limits))
            _, error = await outcome_of(provider, request_to(server.url))
            await provider.aclose()
            assert error is not None
            assert error.code == "STREAM_TRUNCATED"

    run(main())
