"""The Responses adapter against a real llama.cpp server.

It leaves out much of the format, and says `completed` where the token limit ended the answer: so does the adapter here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import ImagePart, Message, ReasoningOptions, TextPart, ToolCall, ToolDefinition
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.events import Finish, ModelNamed, TextDelta
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai_responses.adapter import OpenAIResponsesProvider
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
async def adapter() -> AsyncIterator[OpenAIResponsesProvider]:
    provider = OpenAIResponsesProvider(HttpClient(Limits))
    try:
        yield provider
    finally:
        await provider.aclose()


def question(server: LlamaServer, **fields: object) -> ProviderRequest:
    return request_to(server.url, "llama.cpp", **{"model_id": "", "max_tokens": 50, **fields})


def test_an_answer_streams_with_its_model_and_usage(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            batches = await batches_of(provider, question(llama_server))
        check_rules(batches)
        events = [event for batch in batches for event in batch]
        assert finish_of(events) == Finish("stop", "completed")
        assert text_of(events)
        assert 1 <= sum(event.count for event in events if isinstance(event, TextDelta)) <= 50
        assert any(isinstance(event, ModelNamed) and event.model_id.endswith("random.gguf") for event in events)
        usage = usage_of(events)
        assert usage is not None
        assert usage.completion_tokens == 50
        assert usage.prompt_tokens is not None
        assert usage.prompt_tokens > 10

    run(main())


def test_every_kind_of_message_and_option_is_understood(llama_server: LlamaServer) -> None:
    messages = [
        Message(role="system", content="s"),
        Message(role="user", content=[TextPart(text="a"), TextPart(text="b")]),
        Message(role="assistant", content="so"),
        Message(role="assistant", content=[TextPart(text="and"), TextPart(text="so")]),
        Message(role="assistant", content="", tool_calls=[ToolCall(id="c1", name="f", arguments="{}")]),
        Message(role="tool", content="42", tool_call_id="c1"),
        Message(role="assistant", content="on", tool_calls=[ToolCall(id="c2", name="f", arguments="{}")]),
        Message(role="tool", content=[TextPart(text="43")], tool_call_id="c2"),
        Message(role="user", content="hi"),
    ]
    options = {
        "system_prompt": "be brief",
        "temperature": 0.5,
        "top_p": 0.9,
        "tools": [ToolDefinition(name="f", description="d"), ToolDefinition(name="g")],
        "tool_choice": "auto",
        "reasoning": ReasoningOptions(effort="low"),
    }

    async def main() -> None:
        async with adapter() as provider:
            events = await events_of(provider, question(llama_server, messages=messages, **options))
        assert text_of(events)
        usage = usage_of(events)
        assert usage is not None
        assert usage.prompt_tokens is not None
        assert usage.prompt_tokens > 60, "all of the conversation was read"

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


def failure(request: ProviderRequest) -> SidecarError:
    async def main() -> SidecarError | None:
        async with adapter() as provider:
            return (await outcome_of(provider, request))[1]

    error = run(main())
    assert error is not None
    return error


def test_a_prompt_above_the_context_is_typed(llama_server: LlamaServer) -> None:
    error = failure(question(llama_server, messages=[Message(role="user", content="x " * CONTEXT_PER_SLOT)]))
    assert error.code == "CONTEXT_LENGTH_EXCEEDED"
    assert error.details == {"status": 400, "providerCode": "exceed_context_size_error"}


def test_an_image_for_a_model_without_eyes_is_an_invalid_request(llama_server: LlamaServer) -> None:
    image = Message(role="user", content=[ImagePart(media_type="image/png", data="aGk=")])
    assert failure(question(llama_server, messages=[image])).code == "INVALID_REQUEST"


def test_two_answers_at_once_are_both_complete(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            request = question(llama_server, max_tokens=300)
            for events in await asyncio.gather(events_of(provider, request), events_of(provider, request)):
                usage = usage_of(events)
                assert usage is not None
                assert usage.completion_tokens == 300

    run(main())


def test_the_model_is_found_where_none_was_named(llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            (model,) = await provider.list_models(Endpoint("llama.cpp", llama_server.url))
            assert model.id.endswith("random.gguf")

    run(main())
