"""Every adapter that a real llama.cpp server can be spoken to with: what holds for all of them."""

from __future__ import annotations

import asyncio

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.content import Message
from tests.llama_server import CONTEXT_PER_SLOT, LlamaServer
from tests.providers.contract import events_of, outcome_of, run, usage_of
from tests.providers.llama_adapters import CHAT, MESSAGES, RESPONSES, LlamaAdapter, until_busy_slots

every_adapter = pytest.mark.parametrize("adapter", [CHAT, RESPONSES, MESSAGES], ids=["chat", "responses", "messages"])


@every_adapter
def test_cancelling_frees_the_server_s_slot(adapter: LlamaAdapter, llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            started = asyncio.Event()

            async def consume() -> None:
                async with provider.stream(adapter.question(llama_server, max_tokens=15_000)) as batches:
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


@every_adapter
def test_leaving_early_frees_the_server_s_slot(adapter: LlamaAdapter, llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            async with provider.stream(adapter.question(llama_server, max_tokens=15_000)) as batches:
                await anext(batches)
                await until_busy_slots(llama_server, 1)
            await until_busy_slots(llama_server, 0)

    run(main())


@every_adapter
def test_a_prompt_above_the_context_is_typed(adapter: LlamaAdapter, llama_server: LlamaServer) -> None:
    async def main() -> SidecarError | None:
        async with adapter() as provider:
            messages = [Message(role="user", content="x " * CONTEXT_PER_SLOT)]
            return (await outcome_of(provider, adapter.question(llama_server, messages=messages)))[1]

    error = run(main())
    assert error is not None
    assert error.code == "CONTEXT_LENGTH_EXCEEDED"
    assert error.details == {"status": 400, "providerCode": "exceed_context_size_error"}


@every_adapter
def test_two_answers_at_once_are_both_complete(adapter: LlamaAdapter, llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            request = adapter.question(llama_server, max_tokens=300)
            for events in await asyncio.gather(events_of(provider, request), events_of(provider, request)):
                usage = usage_of(events)
                assert usage is not None
                assert usage.completion_tokens == 300

    run(main())


@every_adapter
def test_its_models_are_listed(adapter: LlamaAdapter, llama_server: LlamaServer) -> None:
    async def main() -> None:
        async with adapter() as provider:
            (model,) = await provider.list_models(adapter.endpoint(llama_server))
            assert model.id.endswith("random.gguf")

    run(main())
