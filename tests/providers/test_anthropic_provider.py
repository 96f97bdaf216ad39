"""The Anthropic adapter over HTTP: what it asks for, where, and how a turn goes on after a pause."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message
from llm_sidecar.providers.anthropic.adapter import AnthropicProvider
from llm_sidecar.providers.anthropic.stream import MessageDecoder
from llm_sidecar.providers.base import Endpoint, ModelDescription
from llm_sidecar.providers.events import Finish, ModelNamed, ProviderEvent, ProviderState
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.anthropic_fixtures import (
    COMPLETE,
    begin_call,
    begin_text,
    body,
    end,
    events,
    request_to,
    start,
    stop,
    text,
)
from tests.providers.contract import (
    batches_of,
    check_rules,
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
    Exchange,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    stream,
)
from tests.virtual_time import run_virtual

KEY = "sk-ant-api03-canary"


@asynccontextmanager
async def adapter() -> AsyncIterator[AnthropicProvider]:
    provider = AnthropicProvider(HttpClient(Limits))
    try:
        yield provider
    finally:
        await provider.aclose()


def in_turn(*answers: bytes) -> Script:
    """A script that gives one answer after the other; the last one again and again."""
    given = 0

    async def script(exchange: Exchange) -> None:
        nonlocal given
        given += 1
        await exchange.send(answers[min(given, len(answers)) - 1])

    return script


# --- requests ---


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_the_request_goes_to_messages_below_the_base_url(path: str) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body("text.sse")))) as server, adapter() as provider:
            await events_of(provider, request_to(server.url + path, key=KEY))
            (asked,) = server.requests
            assert (asked.method, asked.path) == ("POST", "/v1/messages")
            assert asked.headers["x-api-key"] == KEY
            assert asked.headers["anthropic-version"] == "2023-06-01"
            assert asked.headers["content-type"] == "application/json"
            assert "authorization" not in asked.headers
            assert asked.json["stream"] is True

    run(main())


def test_without_a_key_none_is_sent() -> None:
    async def main() -> None:
        async with fault_server(saying(stream(body("text.sse")))) as server, adapter() as provider:
            await events_of(provider, request_to(server.url))
            assert "x-api-key" not in server.requests[0].headers

    run(main())


def test_a_key_that_is_none_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        async with fault_server(saying()) as server, adapter() as provider:
            _, error = await outcome_of(provider, request_to(server.url, key="sk\nkey"))
            assert error is not None
            assert error.code == "AUTH_ERROR"
            assert server.requests == []

    run(main())


def test_a_request_that_cannot_be_said_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        async with fault_server(saying()) as server, adapter() as provider:
            messages = [Message(role="tool", content="x")]
            _, error = await outcome_of(provider, request_to(server.url, messages=messages))
            assert error is not None
            assert error.code == "INVALID_REQUEST"
            assert server.requests == []

    run(main())


# --- answers ---


def comparable(got: list[ProviderEvent]) -> tuple[Any, ...]:
    """An answer, regardless of how its pieces were merged."""
    whole = [event for event in got if isinstance(event, Finish | ModelNamed | ProviderState)]
    return text_of(got), reasoning_of(got), tool_calls_of(got), usage_of(got), whole


@pytest.mark.parametrize("name", COMPLETE)
def test_a_recorded_answer_in_small_pieces_is_what_the_decoder_alone_makes_of_it(name: str) -> None:
    async def main() -> None:
        data = body(name)
        pieces = [chunked(data[at : at + 7]) for at in range(0, len(data), 7)]
        async with fault_server(saying(STREAM_HEAD, *pieces, LAST_CHUNK)) as server, adapter() as provider:
            batches = await batches_of(provider, request_to(server.url))
        check_rules(batches)
        got = [event for batch in batches for event in batch]
        assert comparable(got) == comparable(MessageDecoder("anthropic", 1_000_000).feed(data))

    run(main())


def test_a_whole_message_is_an_answer_too() -> None:
    async def main() -> None:
        async with fault_server(saying(answer(200, body("message.json")))) as server, adapter() as provider:
            (batch,) = await batches_of(provider, request_to(server.url))
        assert text_of(batch) == "Hello!"
        assert finish_of(batch).reason == "tool_calls"

    run(main())


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", "INVALID_REQUEST"),
        (400, KEY, "INVALID_REQUEST"),
        (401, "authentication_error", "AUTH_ERROR"),
        (402, "billing_error", "INSUFFICIENT_QUOTA"),
        (403, "permission_error", "AUTH_ERROR"),
        (413, "request_too_large", "CONTEXT_LENGTH_EXCEEDED"),
        (429, "rate_limit_error", "RATE_LIMIT"),
        (500, "api_error", "SERVER_ERROR"),
        (529, "overloaded_error", "PROVIDER_OVERLOADED"),
    ],
)
def test_a_refusal_is_typed_and_does_not_hold_the_key(status: int, kind: str, code: str) -> None:
    async def main() -> SidecarError | None:
        said = {"type": "error", "error": {"type": kind, "message": f"no, {KEY}"}, "request_id": KEY}
        async with fault_server(saying(answer(status, json.dumps(said).encode()))) as server, adapter() as provider:
            return (await outcome_of(provider, request_to(server.url, key=KEY)))[1]

    error = run(main())
    assert error is not None
    assert error.code == code
    assert error.details is not None
    assert error.details["status"] == status
    assert KEY not in repr(error) + str(error.details)


def test_an_error_event_does_not_hold_the_key() -> None:
    said = events(start(), {"type": "error", "error": {"type": KEY, "message": KEY}})

    async def main() -> SidecarError | None:
        async with fault_server(saying(stream(said))) as server, adapter() as provider:
            return (await outcome_of(provider, request_to(server.url, key=KEY)))[1]

    error = run(main())
    assert error is not None
    assert error.code == "SERVER_ERROR"
    assert KEY not in repr(error) + str(error.details)


# --- pauses ---


def test_a_paused_turn_is_asked_on_with_in_the_same_stream() -> None:
    async def main() -> None:
        script = in_turn(stream(body("pause_first.sse")), stream(body("pause_second.sse")))
        async with fault_server(script) as server, adapter() as provider:
            asked = request_to(server.url, key=KEY, max_tokens=500)
            batches = await batches_of(provider, asked)
            first, second = server.requests
            assert len(server.connections) == 1
        check_rules(batches)
        got = [event for batch in batches for event in batch]
        assert text_of(got) == "Let me look. It is sunny."
        assert finish_of(got) == Finish("tool_calls", "tool_use")
        usage = usage_of(got)
        assert usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens) == (370, 81)

        assert second.headers["x-api-key"] == KEY
        *before, last = second.json["messages"]
        assert {**second.json, "messages": before} == first.json
        assert last["role"] == "assistant"
        thought, said, searched, found = last["content"]
        assert thought["signature"]
        assert said == {"type": "text", "text": "Let me look. "}
        assert (searched["type"], searched["input"]) == ("server_tool_use", {"query": "weather NYC"})
        assert found["content"][0]["encrypted_content"]

    run(main())


def test_a_turn_that_is_always_paused_ends_after_some_requests() -> None:
    async def main() -> None:
        async with fault_server(in_turn(stream(body("pause_first.sse")))) as server, adapter() as provider:
            got = await events_of(provider, request_to(server.url))
            assert finish_of(got) == Finish("length", "pause_turn")
            assert len(server.requests) == 11
            assert len(server.requests[-1].json["messages"][-1]["content"]) == 40

    run(main())


@pytest.mark.parametrize(
    ("then", "code"),
    [
        (answer(529, b'{"type": "error", "error": {"type": "overloaded_error"}}'), "PROVIDER_OVERLOADED"),
        (STREAM_HEAD + chunked(body("pause_second.sse")[:-40]) + LAST_CHUNK, "STREAM_TRUNCATED"),
    ],
)
def test_a_failure_after_a_pause_is_typed_and_what_came_before_is_delivered(then: bytes, code: str) -> None:
    async def main() -> None:
        async with fault_server(in_turn(stream(body("pause_first.sse")), then)) as server, adapter() as provider:
            got, error = await outcome_of(provider, request_to(server.url))
            assert error is not None
            assert error.code == code
            assert text_of(got).startswith("Let me look.")
            assert not any(isinstance(event, Finish) for event in got)
            await provider.aclose()
            await server.all_hung_up()

    run(main())


def test_cancelling_after_a_pause_closes_the_connection() -> None:
    paused = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if paused.is_set():
            return
        paused.set()
        await exchange.send(stream(body("pause_first.sse")))

    async def main() -> None:
        async with fault_server(script) as server, adapter() as provider:
            task = asyncio.create_task(batches_of(provider, request_to(server.url)))
            while len(server.requests) < 2:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.all_hung_up()

    run(main())


def test_the_answer_before_a_pause_is_not_held_open() -> None:
    """Its server forgot to end the body: the connection is closed while the turn goes on."""

    async def script(exchange: Exchange) -> None:
        if len(server_requests) == 1:
            await exchange.send(STREAM_HEAD + chunked(body("pause_first.sse")))

    server_requests: list[object] = []

    async def main() -> None:
        nonlocal server_requests
        async with fault_server(script) as server, adapter() as provider:
            server_requests = server.requests
            task = asyncio.create_task(batches_of(provider, request_to(server.url)))
            await server.asked.wait()
            await server.connections[0].hung_up.wait()
            assert len(server.requests) == 2
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run_virtual(main())


# --- models ---


def page(*ids: str, **fields: Any) -> bytes:
    return answer(200, json.dumps({"data": [{"type": "model", "id": model} for model in ids], **fields}).encode())


def test_models_are_described_as_far_as_the_provider_says() -> None:
    said = {
        "data": [
            {
                "type": "model",
                "id": "claude-opus-5-5",
                "display_name": "Claude Opus 5.5",
                "created_at": "2026-09-01T00:00:00Z",
                "max_input_tokens": 1_000_000,
                "max_tokens": 128_000,
                "capabilities": {"batch": {"supported": True}},
            },
            {"id": "local", "meta": {"n_ctx": 5}, "max_tokens": None},
            {"id": ""},
        ],
        "has_more": False,
        "last_id": "local",
    }

    async def main() -> None:
        async with fault_server(saying(answer(200, json.dumps(said).encode()))) as server, adapter() as provider:
            assert await provider.list_models(Endpoint("anthropic", server.url, KEY)) == [
                ModelDescription("claude-opus-5-5", "Claude Opus 5.5", 1_000_000, 128_000),
                ModelDescription("local"),
            ]
            (asked,) = server.requests
            assert (asked.method, asked.path) == ("GET", "/v1/models?limit=1000")
            assert asked.headers["x-api-key"] == KEY

    run(main())


def test_models_come_from_every_page() -> None:
    async def main() -> None:
        pages = in_turn(page("a", "b", has_more=True, last_id="b/&"), page("c", has_more=False, last_id="c"))
        async with fault_server(pages) as server, adapter() as provider:
            models = await provider.list_models(Endpoint("anthropic", server.url))
            assert [model.id for model in models] == ["a", "b", "c"]
            assert [asked.path.partition("?")[2] for asked in server.requests] == [
                "limit=1000",
                "limit=1000&after_id=b%2F%26",
            ]

    run(main())


def test_pages_without_end_are_not_followed_for_ever() -> None:
    async def main() -> None:
        async with fault_server(saying(page("a", has_more=True, last_id="a"))) as server, adapter() as provider:
            assert len(await provider.list_models(Endpoint("anthropic", server.url))) == 10

    run(main())


@pytest.mark.parametrize("said", [page(has_more=True), answer(200, b"{}"), answer(200, b'{"data": null}')])
def test_a_list_without_models_is_empty(said: bytes) -> None:
    async def main() -> None:
        async with fault_server(saying(said)) as server, adapter() as provider:
            assert await provider.list_models(Endpoint("anthropic", server.url)) == []

    run(main())


def test_where_no_model_is_named_it_is_the_first_of_the_list() -> None:
    async def script(exchange: Exchange) -> None:
        is_list = exchange.request.method == "GET"
        await exchange.send(page("first", "second") if is_list else stream(body("text.sse")))

    async def main() -> None:
        async with fault_server(script) as server, adapter() as provider:
            for _ in range(2):
                await events_of(provider, request_to(server.url, model_id=""))
            assert [asked.method for asked in server.requests] == ["GET", "POST", "POST"]
            assert server.requests[-1].json["model"] == "first"

    run(main())


def test_where_no_model_is_named_and_none_is_offered_the_request_is_refused() -> None:
    async def main() -> None:
        async with fault_server(saying(answer(200, b'{"data": []}'))) as server, adapter() as provider:
            _, error = await outcome_of(provider, request_to(server.url, model_id=""))
            assert error is not None
            assert error.code == "INVALID_MODEL"

    run(main())


# --- batches ---


def test_the_first_text_is_delivered_as_soon_as_it_came() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(STREAM_HEAD + chunked(events(start(), begin_text(), text("a"))))

    async def main() -> None:
        async with (
            fault_server(script) as server,
            adapter() as provider,
            provider.stream(request_to(server.url)) as got,
        ):
            first = await anext(got)
            assert text_of(first) == "a"

    run(main())


def test_what_arrives_together_is_one_batch() -> None:
    said = events(start(), begin_text(), text("a"), text("b"), end(), begin_call(1, "t", "f"), end(1), *stop())

    async def main() -> None:
        async with fault_server(saying(stream(said))) as server, adapter() as provider:
            (batch,) = await batches_of(provider, request_to(server.url))
        assert text_of(batch) == "ab"
        assert tool_calls_of(batch) == [("t", "f", "{}")]

    run(main())
