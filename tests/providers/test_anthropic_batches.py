"""Anthropic's batches on the wire, with the official SDK as a second opinion of every step."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message
from llm_sidecar.providers.anthropic.batches import AnthropicBatches
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.batches import BatchLine
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.batch_server import KEY, BatchServer, Fault, fault_server
from tests.providers.contract import run, text_of, usage_of

TEXTS = ("one", "ERROR", "two", "EXPIRED")


def request_to(endpoint: Endpoint, text: str) -> ProviderRequest:
    return ProviderRequest(endpoint, "claude-haiku-4-5", [Message(role="user", content=text)], max_tokens=10)


def in_conversation(scenario: Any, **server_options: Any) -> None:
    async def main() -> None:
        server = BatchServer(looks=1, **server_options)
        http = HttpClient(Limits)
        async with fault_server(server.script) as listener:
            server.url = listener.url
            try:
                await scenario(server, AnthropicBatches(http), Endpoint("anthropic", f"{server.url}/v1", KEY))
            finally:
                await http.aclose()

    run(main())


async def handed_over(api: AnthropicBatches, endpoint: Endpoint, *texts: str) -> str:
    lines = [api.line(f"r{at}", request_to(endpoint, text)) for at, text in enumerate(texts)]
    return await api.create(endpoint, await api.bring(endpoint, lines), "the-token")


async def lines_of(api: AnthropicBatches, endpoint: Endpoint, batch_id: str) -> dict[str, BatchLine]:
    status = await api.status(endpoint, batch_id)
    assert status.state == "ended"
    found: dict[str, BatchLine] = {}
    for source in status.sources:
        async for lines in api.results(endpoint, batch_id, source, "claude-haiku-4-5"):
            found |= {line.custom_id: line for line in lines}
    return found


def test_the_sdk_sends_the_same_and_reads_the_same() -> None:
    async def scenario(server: BatchServer, api: AnthropicBatches, endpoint: Endpoint) -> None:
        batch_id = await handed_over(api, endpoint, *TEXTS)
        ours = server.asked("POST", "/messages/batches")[0]
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=server.url, max_retries=0) as sdk:
            theirs = await sdk.messages.batches.create(requests=ours.json["requests"])
            sent = server.asked("POST", "/messages/batches")[1]
            assert (sent.path, sent.json) == (ours.path, ours.json)
            ended = await sdk.messages.batches.retrieve(theirs.id)
            assert ended.processing_status == "ended"
            found = await lines_of(api, endpoint, batch_id)
            async for line in await sdk.messages.batches.results(theirs.id):
                _same(line, found.pop(line.custom_id))
            assert found == {}

    in_conversation(scenario)


def _same(theirs: Any, ours: BatchLine) -> None:
    if theirs.result.type != "succeeded":
        code = {"errored": "CONTEXT_LENGTH_EXCEEDED", "expired": "TIMEOUT", "canceled": "CANCELLED"}[theirs.result.type]
        assert ours.error is not None
        assert ours.error.code == code
        return
    assert ours.events is not None
    message = theirs.result.message
    assert text_of(ours.events) == message.content[0].text
    usage = usage_of(ours.events)
    assert (usage.prompt_tokens, usage.completion_tokens) == (message.usage.input_tokens, message.usage.output_tokens)


def test_the_address_of_the_results_is_not_the_providers_to_choose() -> None:
    async def scenario(server: BatchServer, api: AnthropicBatches, endpoint: Endpoint) -> None:
        batch_id = await handed_over(api, endpoint, "one")
        await api.status(endpoint, batch_id)
        server.messages[batch_id]["results_url"] = "https://elsewhere.example/steal"
        assert (await lines_of(api, endpoint, batch_id))["r0"].events is not None
        assert server.asked("GET", "/results")

    in_conversation(scenario)


def test_a_cancel_is_told() -> None:
    async def scenario(server: BatchServer, api: AnthropicBatches, endpoint: Endpoint) -> None:
        batch_id = await handed_over(api, endpoint, "one", "two")
        await api.cancel(endpoint, batch_id)
        found = await lines_of(api, endpoint, batch_id)
        assert found["r1"].error is not None
        assert found["r1"].error.code == "CANCELLED"

    in_conversation(scenario)


def test_a_kept_connection_that_breaks_does_not_create_a_batch_twice() -> None:
    async def scenario(server: BatchServer, api: AnthropicBatches, endpoint: Endpoint) -> None:
        server.faults.append(Fault("POST", "/messages/batches", "lost"))
        with pytest.raises(SidecarError) as failure:
            await handed_over(api, endpoint, "one")
        assert failure.value.code == "NETWORK_ERROR"
        assert len(server.messages) == 1

    in_conversation(scenario)


def test_no_error_of_a_request_tells_the_key() -> None:
    async def scenario(server: BatchServer, api: AnthropicBatches, endpoint: Endpoint) -> None:
        error = {"type": "error", "error": {"type": KEY, "message": KEY}}
        server.extra_lines = [json.dumps({"custom_id": "a", "result": {"type": "errored", "error": error}}).encode()]
        found = await lines_of(api, endpoint, await handed_over(api, endpoint, "one"))
        assert found["a"].error is not None
        assert KEY not in repr((found["a"].error, found["a"].error.details))

    in_conversation(scenario)
