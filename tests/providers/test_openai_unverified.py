"""An organisation that OpenAI has not verified may reason, and is shown no summary of it: it gets its answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import ReasoningOptions
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.adapter import OpenAIProvider
from tests.providers.contract import finish_of, outcome_of, run, text_of
from tests.providers.fault_server import Exchange, FaultServer, answer, fault_server, stream
from tests.providers.openai_fixtures import request_to
from tests.providers.openai_responses_fixtures import body

REFUSAL: Final = {
    "message": "Your organization must be verified to generate reasoning summaries. Please go to: … and click on "
    "Verify Organization. If you just verified, it can take up to 15 minutes for access to propagate.",
    "type": "invalid_request_error",
    "param": "reasoning.summary",
    "code": "unsupported_value",
}

Scenario = Callable[[OpenAIProvider, FaultServer], Awaitable[None]]


def play(scenario: Scenario, **refusal: Any) -> None:
    """A server that refuses every request for a summary of a key `unverified`, as OpenAI does, or as `refusal` says."""

    async def script(exchange: Exchange) -> None:
        asked = exchange.request.json
        is_refused = exchange.request.headers["authorization"].endswith("unverified")
        if is_refused and ("summary" in asked.get("reasoning", {}) or refusal):
            await exchange.send(answer(400, json.dumps({"error": {**REFUSAL, **refusal}}).encode()))
        else:
            await exchange.send(stream(body("text.sse")))

    async def main() -> None:
        async with fault_server(script) as server:
            provider = OpenAIProvider(HttpClient(Limits))
            try:
                await scenario(provider, server)
            finally:
                await provider.aclose()

    run(main())


def reasoning(server: FaultServer, effort: Any = "low", key: str = "unverified") -> ProviderRequest:
    return request_to(server.url, "openai", key, model_id="gpt-5", reasoning=ReasoningOptions(effort=effort))


def asked_for(server: FaultServer) -> list[Any]:
    """The reasoning of each request, and nothing else may differ between them."""
    bodies = [request.json for request in server.requests]
    asked = [each.pop("reasoning", None) for each in bodies]
    assert all(each == bodies[0] for each in bodies)
    return asked


def test_the_same_is_asked_once_more_without_the_summary() -> None:
    async def scenario(provider: OpenAIProvider, server: FaultServer) -> None:
        events, failure = await outcome_of(provider, reasoning(server))
        assert failure is None
        assert text_of(events)
        assert finish_of(events).reason == "stop"
        assert asked_for(server) == [{"effort": "low", "summary": "auto"}, {"effort": "low"}]

    play(scenario)


def test_the_endpoint_is_not_asked_for_a_summary_again() -> None:
    async def scenario(provider: OpenAIProvider, server: FaultServer) -> None:
        await outcome_of(provider, reasoning(server))
        for effort in ("high", None):
            _, failure = await outcome_of(provider, reasoning(server, effort))
            assert failure is None
        assert asked_for(server)[2:] == [{"effort": "high"}, None]

    play(scenario)


def test_another_organisation_is_another_matter() -> None:
    async def scenario(provider: OpenAIProvider, server: FaultServer) -> None:
        await outcome_of(provider, reasoning(server))
        await outcome_of(provider, reasoning(server, key="verified"))
        assert asked_for(server)[2:] == [{"effort": "low", "summary": "auto"}]

    play(scenario)


@pytest.mark.parametrize(("param", "requests"), [("reasoning.effort", 1), (None, 1), ("reasoning.summary", 2)])
def test_any_other_refusal_stands_and_so_does_a_second_one(param: str | None, requests: int) -> None:
    async def scenario(provider: OpenAIProvider, server: FaultServer) -> None:
        events, failure = await outcome_of(provider, reasoning(server))
        assert events == []
        assert isinstance(failure, SidecarError)
        assert (failure.code, failure.details) == (
            "INVALID_REQUEST",
            {"status": 400, "providerCode": "unsupported_value"},
        )
        assert len(server.requests) == requests

    play(scenario, param=param)
