"""The adapter against a real llama.cpp server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.events import Finish, ModelNamed, PromptProgress, TextDelta
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.chat import OpenAIChatProvider
from tests.llama_server import CONTEXT_PER_SLOT, LlamaServer
from tests.providers.contract import (
    batches_of,
    check_rules,
    events_of,
    finish_of,
    outcome_of,
    run,
    text_of,
    usage_of,
)
from tests.providers.openai_fixtures import request_to


@asynccontextmanager
async def adapter() -> AsyncIterator[OpenAIChatProvider]:
    provider = OpenAIChatProvider(HttpClient(Limits))
    try:
        yield provider
    finally:
        await provider.aclose()


def question(server: LlamaServer, **fields: object) -> ProviderRequest:
    return request_to(server.url, "llama.cpp", **{"model_id": "", "max_tokens": 50, **fields})


def test_an_answer_streams_and_ends_at_the_token_limit(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            batches = await batches_of(provider, question(llama_server))
        check_rules(batches)
        events = [event for batch in batches for event in batch]
        assert finish_of(events) == Finish("length", "length")
        assert text_of(events)
        assert any(isinstance(event, ModelNamed) for event in events)
        usage = usage_of(events)
        assert usage is not None
        assert usage.completion_tokens == 50
        assert usage.prompt_tokens is not None
        assert usage.prompt_tokens > 10
        progress = [event for event in events if isinstance(event, PromptProgress)]
        assert progress[-1].current == progress[-1].total == usage.prompt_tokens

    run(main())


@asynccontextmanager
async def recorder(server: LlamaServer) -> AsyncIterator[tuple[str, bytearray]]:
    """A relay to the server: its address, and what the server said through it."""
    said = bytearray()
    host, port = server.url.removeprefix("http://").split(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_upstream = await asyncio.open_connection(host, int(port))

        async def listen() -> None:
            while data := await upstream.read(65_536):
                said.extend(data)
                writer.write(data)

        listening = asyncio.create_task(listen())
        while data := await reader.read(65_536):
            to_upstream.write(data)
        listening.cancel()
        to_upstream.close()
        writer.close()

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", said


def test_text_and_usage_are_exactly_what_the_server_said(llama_server: LlamaServer) -> None:
    """500 tokens of noise: control characters, quotes, replacement characters and whole emoji among them."""

    async def main() -> None:
        async with recorder(llama_server) as (url, said), adapter() as provider:
            request = request_to(url, "llama.cpp", model_id="x", max_tokens=500, temperature=2.0, seed=1)
            events = await events_of(provider, request)
        chunks = [
            json.loads(line.removeprefix(b"data: ")) for line in bytes(said).split(b"\n") if line.startswith(b"data: {")
        ]
        text = [c["choices"][0]["delta"].get("content") for c in chunks if c["choices"]]
        assert text_of(events) == "".join(piece for piece in text if piece)
        assert sum(event.count for event in events if isinstance(event, TextDelta)) == sum(map(bool, text))
        assert "\ufffd" in text_of(events)
        (told,) = [c["usage"] for c in chunks if "usage" in c]
        usage = usage_of(events)
        assert usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens) == (told["prompt_tokens"], told["completion_tokens"])
        assert usage.cached_prompt_tokens == told["prompt_tokens_details"]["cached_tokens"]

    run(main())


async def until_busy_slots(server: LlamaServer, wanted: int) -> None:
    async with asyncio.timeout(10):
        while await asyncio.to_thread(server.busy_slots) != wanted:
            pass


def test_cancelling_frees_the_server_s_slot(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            started = asyncio.Event()

            async def consume() -> None:
                async with provider.stream(question(llama_server, max_tokens=15_000)) as batches:
                    async for _ in batches:
                        started.set()

            task = asyncio.create_task(consume())
            await started.wait()
            await until_busy_slots(llama_server, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until_busy_slots(llama_server, 0)

    run(main())


def test_leaving_early_frees_the_server_s_slot(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            async with provider.stream(question(llama_server, max_tokens=15_000)) as batches:
                await anext(batches)
                await until_busy_slots(llama_server, 1)
            await until_busy_slots(llama_server, 0)

    run(main())


def test_a_prompt_above_the_context_is_typed(llama_server: LlamaServer) -> None:
    async def main() -> SidecarError | None:
        async with adapter() as provider:
            messages = [Message(role="user", content="x " * CONTEXT_PER_SLOT)]
            return (await outcome_of(provider, question(llama_server, messages=messages)))[1]

    error = run(main())
    assert error is not None
    assert error.code == "CONTEXT_LENGTH_EXCEEDED"
    assert error.details == {"status": 400, "providerCode": "exceed_context_size_error"}


def test_two_answers_at_once_are_both_complete(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            request = question(llama_server, max_tokens=300)
            for events in await asyncio.gather(events_of(provider, request), events_of(provider, request)):
                usage = usage_of(events)
                assert usage is not None
                assert usage.completion_tokens == 300
                assert finish_of(events).reason == "length"

    run(main())


def test_models_are_listed_with_their_context(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            (model,) = await provider.list_models(Endpoint("llama.cpp", llama_server.url))
            assert model.id.endswith("random.gguf")
            assert model.context_window == CONTEXT_PER_SLOT

    run(main())


def test_an_address_that_is_no_api_is_an_invalid_request(llama_server: LlamaServer) -> None:
    async def main() -> SidecarError | None:
        async with adapter() as provider:
            return (await outcome_of(provider, request_to(f"{llama_server.url}/nowhere", model_id="x")))[1]

    error = run(main())
    assert error is not None
    assert error.code == "INVALID_REQUEST"
    assert error.details == {"status": 404, "providerCode": "not_found_error"}
