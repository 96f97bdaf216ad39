"""OpenAI's batches on the wire, with the official SDK as a second opinion of every step."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message, ReasoningOptions
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.batches import BatchLine
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.batches import OpenAIBatches
from tests.providers.batch_server import KEY, BatchServer, Fault, fault_server
from tests.providers.contract import run, text_of, usage_of

TEXTS = ("one", "ERROR", "two", "EXPIRED")


def request_to(endpoint: Endpoint, text: str, **more: Any) -> ProviderRequest:
    return ProviderRequest(endpoint, "gpt-4o-mini", [Message(role="user", content=text)], max_tokens=10, **more)


def in_conversation(scenario: Any, limits: Limits | None = None, **server_options: Any) -> None:
    async def main() -> None:
        server = BatchServer(looks=1, **server_options)
        http = HttpClient(lambda: limits or Limits())
        async with fault_server(server.script) as listener:
            server.url = listener.url
            try:
                await scenario(server, OpenAIBatches(http), Endpoint("openai", f"{server.url}/v1", KEY))
            finally:
                await http.aclose()

    run(main())


async def lines_of(api: OpenAIBatches, endpoint: Endpoint, batch_id: str) -> dict[str, BatchLine]:
    status = await api.status(endpoint, batch_id)
    found: dict[str, BatchLine] = {}
    for source in status.sources:
        async for lines in api.results(endpoint, batch_id, source, "gpt-4o-mini"):
            found |= {line.custom_id: line for line in lines}
    return found


async def handed_over(api: OpenAIBatches, endpoint: Endpoint, *texts: str, **more: Any) -> str:
    requests = [request_to(endpoint, text, **more) for text in texts]
    api.prepare(requests)
    lines = [api.line(f"r{at}", request) for at, request in enumerate(requests)]
    return await api.create(endpoint, await api.bring(endpoint, lines), "the-token")


@pytest.mark.parametrize("reasoning", [None, ReasoningOptions(effort="low")])
def test_the_sdk_sends_the_same_and_reads_the_same(reasoning: ReasoningOptions | None) -> None:
    async def scenario(server: BatchServer, api: OpenAIBatches, endpoint: Endpoint) -> None:
        batch_id = await handed_over(api, endpoint, *TEXTS, reasoning=reasoning)
        ours = list(server.requests)
        server.requests.clear()
        async with openai.AsyncOpenAI(api_key=KEY, base_url=endpoint.base_url, max_retries=0) as sdk:
            file = await sdk.files.create(file=("batch.jsonl", server.files["file-0"]), purpose="batch")
            url: Any = ours[1].json["endpoint"]
            theirs = await sdk.batches.create(
                input_file_id=file.id,
                endpoint=url,
                completion_window="24h",
                metadata={"llm_sidecar_batch": "the-token"},
            )
            assert [(r.method, r.path) for r in ours] == [(r.method, r.path) for r in server.requests]
            assert server.files["file-0"] == server.files["file-1"]
            assert {**server.requests[1].json, "input_file_id": "file-0"} == ours[1].json
            ended = await sdk.batches.retrieve(theirs.id)
            status = await api.status(endpoint, batch_id)
            assert (ended.status, status.words, status.state) == ("completed", "completed", "ended")
            assert ended.request_counts is not None
            assert (status.total, status.answered) == (ended.request_counts.total, 4)
            found = await lines_of(api, endpoint, batch_id)
            for name in (ended.output_file_id, ended.error_file_id):
                assert name is not None
                content = await sdk.files.content(name)
                for line in content.text.splitlines():
                    _same(json.loads(line), found.pop(json.loads(line)["custom_id"]))
            assert found == {}

    in_conversation(scenario)


def _same(theirs: dict[str, Any], ours: BatchLine) -> None:
    if theirs["response"] is None or theirs["response"]["status_code"] != 200:
        assert ours.events is None
        assert ours.error is not None
        return
    assert ours.events is not None
    body = theirs["response"]["body"]
    usage = usage_of(ours.events)
    if body["object"] == "response":
        response = openai.types.responses.Response.model_validate(body)
        assert text_of(ours.events) == response.output_text
        assert response.usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens) == (10, 5)
        return
    completion = openai.types.chat.ChatCompletion.model_validate(body)
    assert text_of(ours.events) == completion.choices[0].message.content
    assert completion.usage is not None
    assert usage.prompt_tokens == completion.usage.prompt_tokens
    assert usage.completion_tokens == completion.usage.completion_tokens


def test_a_batch_is_found_by_its_token_on_any_page() -> None:
    async def scenario(server: BatchServer, api: OpenAIBatches, endpoint: Endpoint) -> None:
        assert await api.find(endpoint, "the-token") is None
        batch_id = await handed_over(api, endpoint, "one")
        for at in range(5):
            server.batches[f"later-{at}"] = {**server.batches[batch_id], "id": f"later-{at}", "metadata": None}
        assert await api.find(endpoint, "the-token") == batch_id
        assert await api.find(endpoint, "another") is None

    in_conversation(scenario)


def test_a_cancel_is_told_and_what_was_answered_is_kept() -> None:
    async def scenario(server: BatchServer, api: OpenAIBatches, endpoint: Endpoint) -> None:
        batch_id = await handed_over(api, endpoint, "one", "two")
        await api.cancel(endpoint, batch_id)
        status = await api.status(endpoint, batch_id)
        assert (status.state, status.is_cancelled) == ("ended", True)
        found = await lines_of(api, endpoint, batch_id)
        assert found["r0"].events is not None
        assert found["r1"].error is not None
        assert found["r1"].error.code == "CANCELLED"

    in_conversation(scenario)


def test_ids_that_a_provider_made_up_lead_nowhere_else() -> None:
    async def scenario(server: BatchServer, api: OpenAIBatches, endpoint: Endpoint) -> None:
        with pytest.raises(SidecarError):
            await api.status(endpoint, "../../v1/files?x=#y")
        assert server.requests[-1].path == "/v1/batches/..%2F..%2Fv1%2Ffiles%3Fx%3D%23y"

    in_conversation(scenario)


def test_a_line_that_is_too_long_is_an_error_before_it_is_in_memory() -> None:
    async def scenario(server: BatchServer, api: OpenAIBatches, endpoint: Endpoint) -> None:
        batch_id = await handed_over(api, endpoint, "x" * 20_000)
        with pytest.raises(SidecarError) as failure:
            await lines_of(api, endpoint, batch_id)
        assert failure.value.code == "PROVIDER_PROTOCOL_ERROR"

    in_conversation(scenario, Limits(max_provider_event_bytes=10_000))


def test_a_kept_connection_that_breaks_does_not_create_a_batch_twice() -> None:
    async def scenario(server: BatchServer, api: OpenAIBatches, endpoint: Endpoint) -> None:
        server.faults.append(Fault("POST", "/batches", "lost"))
        with pytest.raises(SidecarError) as failure:
            await handed_over(api, endpoint, "one")
        assert failure.value.code == "NETWORK_ERROR"
        assert len(server.batches) == 1

    in_conversation(scenario)


def test_no_error_of_a_request_tells_the_key() -> None:
    async def scenario(server: BatchServer, api: OpenAIBatches, endpoint: Endpoint) -> None:
        server.extra_lines = [
            json.dumps({"custom_id": "a", "response": None, "error": {"code": KEY, "message": KEY}}).encode(),
            json.dumps(
                {"custom_id": "b", "response": {"status_code": 401, "body": {"error": {"message": KEY}}}}
            ).encode(),
        ]
        found = await lines_of(api, endpoint, await handed_over(api, endpoint, "one"))
        for name in "ab":
            error = found[name].error
            assert error is not None
            assert KEY not in repr((error, error.details))

    in_conversation(scenario)
