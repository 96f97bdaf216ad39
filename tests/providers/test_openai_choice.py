"""Which of OpenAI's two formats a request is sent in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message, ReasoningOptions, ToolCall, ToolDefinition
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.adapter import OpenAIProvider, needs_responses
from tests.providers import openai_fixtures, openai_responses_fixtures
from tests.providers.contract import events_of, finish_of, outcome_of, run, text_of, tool_calls_of
from tests.providers.fault_server import Exchange, answer, fault_server, saying, stream
from tests.providers.openai_fixtures import request_to

OPENAI = "https://api.openai.com/v1"
TOOLS = [ToolDefinition(name="f")]


def is_for_responses(model: str, url: str = OPENAI, provider_id: str = "openai", **fields: Any) -> bool:
    return needs_responses(request_to(url, provider_id, model_id=model, **fields))


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-4o-mini", "gpt-4o-2024-08-06", "chatgpt-4o-latest", "gpt-4.1-nano", "gpt-4", "gpt-3.5-turbo", "o1"),
        *("o1-2024-12-17", "o3", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-5.2-chat-latest"),
        *("gpt-5.6-sol", "gpt-6-astra", "gpt-35-turbo", "my-deployment", "production", "ft:gpt-4o:acme::x", ""),
    ],
)
def test_a_request_for_nothing_more_is_a_chat_completion(model: str) -> None:
    assert not is_for_responses(model)


@pytest.mark.parametrize(
    "model",
    [
        *("o1-pro", "o1-pro-2025-03-19", "o3-pro", "gpt-5-pro", "gpt-5.2-pro-2025-12-11", "gpt-5.5-pro", "O3-Pro"),
        *("gpt-5-codex", "gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5.3-codex", "codex-mini-latest", "codex-mini"),
        *("o3-deep-research", "o4-mini-deep-research-2025-06-26", "computer-use-preview", "gpt-daybreak-red-latest"),
        *("gpt-5.6-cyber", "gpt-rosalind-research", "gpt-6-rosalind"),
    ],
)
def test_a_model_that_is_offered_nowhere_else_needs_responses(model: str) -> None:
    assert is_for_responses(model)


@pytest.mark.parametrize("model", ["processor", "gpt-5-proto", "o3-probe", "gpt-5-codexter", "prod-pro", "codexes"])
def test_a_name_that_only_looks_like_one_of_them_is_none(model: str) -> None:
    assert not is_for_responses(model)


@pytest.mark.parametrize("model", ["gpt-5.6", "gpt-5.6-luna", "gpt-5.9-x", "gpt-6-astra", "gpt-6.1-sol", "gpt-7"])
def test_tools_of_a_model_from_gpt_5_6_on_need_responses(model: str) -> None:
    assert is_for_responses(model, tools=TOOLS)
    assert not is_for_responses(model)
    assert not is_for_responses(model, tools=[])


@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.4-mini", "gpt-5", "gpt-4o", "gpt-4.1", "gpt-35-turbo", "o3", "x"])
def test_tools_of_an_earlier_model_do_not(model: str) -> None:
    assert not is_for_responses(model, tools=TOOLS)


def test_asking_for_reasoning_needs_responses_whatever_the_model() -> None:
    assert is_for_responses("gpt-5", reasoning=ReasoningOptions())
    assert is_for_responses("my-deployment", "https://res.openai.azure.com", "azure", reasoning=ReasoningOptions())


def test_azure_s_older_api_has_chat_completions_only() -> None:
    older = "https://res.openai.azure.com/openai/deployments/o3-pro"
    assert not is_for_responses("o3-pro", older, "azure", reasoning=ReasoningOptions(effort="low"), tools=TOOLS)


# --- through the adapter ---


async def both_formats(exchange: Exchange) -> None:
    if exchange.request.path.endswith("/responses"):
        await exchange.send(stream(openai_responses_fixtures.body("reasoning_parallel_tools.sse")))
    else:
        await exchange.send(stream(openai_fixtures.body("openai_text.sse")))


async def ask(requests: list[ProviderRequest]) -> list[Any]:
    """The answers to `requests`, one after the other."""
    provider = OpenAIProvider(HttpClient(Limits))
    answers = [await events_of(provider, request) for request in requests]
    await provider.aclose()
    return answers


def paths_of(*requests: dict[str, Any]) -> list[str]:
    async def main() -> list[str]:
        async with fault_server(both_formats) as server:
            await ask([request_to(server.url, "openai", **fields) for fields in requests])
            return [request.path for request in server.requests]

    return run(main())


def test_each_request_goes_where_its_format_is() -> None:
    assert paths_of({}, {"reasoning": ReasoningOptions(effort="low")}, {"model_id": "o1-pro"}) == [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/responses",
    ]


def test_an_answer_with_reasoning_keeps_its_conversation_in_the_format_until_the_model_changes() -> None:
    async def main() -> list[tuple[str, int]]:
        async with fault_server(both_formats) as server:
            question = Message(role="user", content="hi")

            def asking(model: str, messages: list[Message], reasoning: ReasoningOptions | None) -> ProviderRequest:
                return request_to(server.url, "openai", model_id=model, messages=messages, reasoning=reasoning)

            (events,) = await ask([asking("gpt-5", [question], ReasoningOptions(effort="low"))])
            said = Message(
                role="assistant",
                content=text_of(events),
                tool_calls=[ToolCall(id=i, name=name, arguments=args) for i, name, args in tool_calls_of(events)],
                provider_state=next(event.state for event in events if hasattr(event, "state")),
            )
            results = [Message(role="tool", content="1", tool_call_id=i) for i, _, _ in tool_calls_of(events)]
            conversation = [question, said, *results]
            await ask(
                [
                    asking("gpt-5", conversation, None),
                    asking("gpt-4o", conversation, None),
                    asking("gpt-5-mini", conversation, ReasoningOptions()),
                ]
            )
            bodies = [json.dumps(request.json) for request in server.requests]
            return [
                (request.path, sent.count('"encrypted_content": "gAAA'))
                for request, sent in zip(server.requests, bodies, strict=True)
            ]

    assert run(main()) == [
        ("/v1/responses", 0),
        ("/v1/responses", 1),
        ("/v1/chat/completions", 0),
        ("/v1/responses", 1),
    ]


def test_both_formats_answer_through_the_one_adapter() -> None:
    async def main() -> list[Any]:
        async with fault_server(both_formats) as server:
            reasoning = ReasoningOptions(effort="low")
            return await ask([request_to(server.url, "openai"), request_to(server.url, "openai", reasoning=reasoning)])

    chat, responses = run(main())
    assert finish_of(chat).raw == "stop"
    assert finish_of(responses).raw == "completed"


def test_the_models_are_one_list() -> None:
    async def main() -> None:
        listed = b'{"object": "list", "data": [{"id": "gpt-5", "object": "model"}, {"id": "o1-pro"}]}'
        async with fault_server(saying(answer(200, listed))) as server:
            provider = OpenAIProvider(HttpClient(Limits))
            models = await provider.list_models(Endpoint("openai", server.url, "sk-test"))
            await provider.aclose()
            assert [model.id for model in models] == ["gpt-5", "o1-pro"]
            assert [request.path for request in server.requests] == ["/v1/models"]

    run(main())


def test_what_responses_cannot_express_is_refused_before_anything_is_sent() -> None:
    async def main() -> SidecarError | None:
        async with fault_server(both_formats) as server:
            provider = OpenAIProvider(HttpClient(Limits))
            request = request_to(server.url, "openai", reasoning=ReasoningOptions(), stop=["x"])
            _, error = await outcome_of(provider, request)
            await provider.aclose()
            assert server.requests == []
            return error

    error = run(main())
    assert error is not None
    assert error.code == "INVALID_REQUEST"
