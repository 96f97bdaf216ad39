"""Azure OpenAI: its addresses, its door, and what its answers have that OpenAI's have not."""

from __future__ import annotations

from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import ReasoningOptions
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.adapter import OpenAIProvider
from llm_sidecar.providers.openai.endpoint import azure_deployment, is_older_azure, openai_headers, openai_url
from llm_sidecar.providers.openai.stream import ChatDecoder
from tests.providers import openai_responses_fixtures
from tests.providers.contract import events_of, finish_of, outcome_of, run, text_of, tool_calls_of, usage_of
from tests.providers.fault_server import Exchange, Request, answer, fault_server, saying, stream
from tests.providers.openai_fixtures import body, request_to

RESOURCE = "https://res.openai.azure.com"
ENTRA_TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"


def url_of(base_url: str, path: str = "/chat/completions", model: str = "gpt-4o") -> str:
    return openai_url(Endpoint("azure", base_url), path, model)


# --- where it is ---


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        (RESOURCE, f"{RESOURCE}/openai/v1"),
        (f"{RESOURCE}/", f"{RESOURCE}/openai/v1"),
        (f"{RESOURCE}/openai", f"{RESOURCE}/openai/v1"),
        (f"{RESOURCE}/openai/v1/", f"{RESOURCE}/openai/v1"),
        ("https://res.services.ai.azure.com", "https://res.services.ai.azure.com/openai/v1"),
        ("https://res.cognitiveservices.azure.com/openai/v1", "https://res.cognitiveservices.azure.com/openai/v1"),
        (
            "https://res.services.ai.azure.com/api/projects/p/openai/v1",
            "https://res.services.ai.azure.com/api/projects/p/openai/v1",
        ),
        ("https://gateway.example/team/openai", "https://gateway.example/team/openai/v1"),
    ],
)
def test_the_v1_api_is_like_openai_s_and_has_no_version(typed: str, base: str) -> None:
    for path in ("/chat/completions", "/responses", "/models"):
        assert url_of(typed, path) == base + path
    assert not is_older_azure(Endpoint("azure", typed))
    assert azure_deployment(Endpoint("azure", typed)) is None


@pytest.mark.parametrize(
    ("typed", "model", "place"),
    [
        ("/openai/deployments", "gpt-4o", "gpt-4o"),
        ("/openai/deployments/", "gpt-4o", "gpt-4o"),
        ("/openai/deployments/prod", "gpt-4o", "prod"),
        ("/openai/deployments/prod/", "", "prod"),
        ("/team/openai/deployments/prod", "", "prod"),
    ],
)
def test_the_older_api_is_below_a_deployment_and_dated(typed: str, model: str, place: str) -> None:
    endpoint = Endpoint("azure", RESOURCE + typed)
    root = RESOURCE + typed.partition("/deployments")[0]
    assert is_older_azure(endpoint)
    assert url_of(RESOURCE + typed, model=model) == (
        f"{root}/deployments/{place}/chat/completions?api-version=2024-10-21"
    )
    assert url_of(RESOURCE + typed, "/models") == f"{root}/models?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("model", "quoted"),
    [
        ("../../secrets", "..%2F..%2Fsecrets"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("a b", "a%20b"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("gpt-4o_1.0~x", "gpt-4o_1.0~x"),
    ],
)
def test_a_deployment_s_name_leads_nowhere_else(model: str, quoted: str) -> None:
    assert url_of(f"{RESOURCE}/openai/deployments", model=model) == (
        f"{RESOURCE}/openai/deployments/{quoted}/chat/completions?api-version=2024-10-21"
    )


@pytest.mark.parametrize("provider_id", ["openai", "openai-compatible"])
def test_such_an_address_of_another_brand_is_taken_as_it_is(provider_id: str) -> None:
    endpoint = Endpoint(provider_id, f"{RESOURCE}/openai/deployments/x")
    assert openai_url(endpoint, "/models") == f"{RESOURCE}/openai/deployments/x/models"
    assert not is_older_azure(endpoint)


# --- how its door opens ---


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        ("0a1b2c3d4e5f", "api-key", "0a1b2c3d4e5f"),
        ("eyJ-but-no-token", "api-key", "eyJ-but-no-token"),
        (ENTRA_TOKEN, "Authorization", f"Bearer {ENTRA_TOKEN}"),
    ],
)
def test_a_key_goes_into_azure_s_own_header_and_a_token_is_borne(key: str, name: str, value: str) -> None:
    headers = openai_headers(Endpoint("azure", RESOURCE, key))
    assert headers[name] == value
    assert len({"api-key", "Authorization"} & headers.keys()) == 1


def test_without_a_key_nothing_is_sent() -> None:
    assert not {"api-key", "Authorization"} & openai_headers(Endpoint("azure", RESOURCE)).keys()


def test_a_key_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(SidecarError) as refused:
        openai_headers(Endpoint("azure", RESOURCE, "0a1b\n2c3d"))
    assert refused.value.code == "AUTH_ERROR"


# --- what is asked ---


async def azure(exchange: Exchange) -> None:
    if exchange.request.path.startswith("/openai/v1/responses"):
        await exchange.send(stream(openai_responses_fixtures.body("azure_tool.sse")))
    else:
        await exchange.send(stream(body("azure_asynchronous_filter.sse")))


def asked(path: str = "", key: str | None = "0a1b", **fields: Any) -> tuple[list[Request], SidecarError | None]:
    """What the server was asked, and the failure."""

    async def main() -> tuple[list[Request], SidecarError | None]:
        async with fault_server(azure) as server:
            provider = OpenAIProvider(HttpClient(Limits))
            _, error = await outcome_of(provider, request_to(server.url + path, "azure", key, **fields))
            await provider.aclose()
            return server.requests, error

    return run(main())


def test_a_chat_and_a_response_of_the_v1_api() -> None:
    ((chat,), _), ((response,), _) = asked(), asked(reasoning=ReasoningOptions(effort="low"))
    assert (chat.path, response.path) == ("/openai/v1/chat/completions", "/openai/v1/responses")
    assert chat.json["model"] == response.json["model"] == "m"
    assert chat.headers["api-key"] == response.headers["api-key"] == "0a1b"
    assert response.json["store"] is False


def test_the_older_api_is_asked_for_a_chat_completion_even_with_reasoning() -> None:
    (request,), error = asked("/openai/deployments/prod", reasoning=ReasoningOptions(effort="low"), max_tokens=7)
    assert error is None
    assert request.path == "/openai/deployments/prod/chat/completions?api-version=2024-10-21"
    assert request.json["reasoning_effort"] == "low"
    assert request.json["max_completion_tokens"] == 7


def test_a_deployment_in_the_address_is_the_model_where_none_is_named() -> None:
    (request,), error = asked("/openai/deployments/prod", model_id="")
    assert error is None
    assert request.json["model"] == "prod"


@pytest.mark.parametrize("path", ["", "/openai/v1", "/openai/deployments"])
def test_without_a_deployment_nothing_is_asked(path: str) -> None:
    """Its list of models names what could be deployed: the first of it would hardly be what was meant."""
    requests, error = asked(path, model_id="")
    assert requests == []
    assert error is not None
    assert error.code == "INVALID_MODEL"


def test_its_models_are_listed() -> None:
    async def main() -> None:
        listed = b'{"data": [{"id": "gpt-4o-2024-11-20", "capabilities": {"inference": true}, "object": "model"}]}'
        async with fault_server(saying(answer(200, listed))) as server:
            provider = OpenAIProvider(HttpClient(Limits))
            for path in ("", "/openai/deployments/prod"):
                (model,) = await provider.list_models(Endpoint("azure", server.url + path, "0a1b"))
                assert model.id == "gpt-4o-2024-11-20"
            await provider.aclose()
            assert [request.path for request in server.requests] == [
                "/openai/v1/models",
                "/openai/models?api-version=2024-10-21",
            ]

    run(main())


# --- what it answers ---


def test_notes_on_what_was_filtered_are_nothing_wherever_they_come() -> None:
    decoder = ChatDecoder("azure", 1_000_000)
    events = decoder.feed(body("azure_asynchronous_filter.sse"))
    assert text_of(events) == "Color is a"
    assert (finish_of(events).reason, finish_of(events).raw) == ("stop", "stop")
    usage = usage_of(events)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (11, 3)


def test_an_answer_that_was_filtered_midway_says_so_and_keeps_what_came() -> None:
    decoder = ChatDecoder("azure", 1_000_000)
    events = decoder.feed(body("azure_filtered_midway.sse"))
    assert text_of(events) == "Hey you"
    assert finish_of(events).reason == "content_filter"


def test_a_response_with_content_filters_is_one() -> None:
    async def main() -> None:
        async with fault_server(azure) as server:
            provider = OpenAIProvider(HttpClient(Limits))
            request = request_to(server.url, "azure", "0a1b", reasoning=ReasoningOptions(effort="low"))
            events = await events_of(provider, request)
            await provider.aclose()
        assert tool_calls_of(events) == [("call_H5DxLSFnsGhiROnUiDHmgyc8", "weather", '{"location":"San Francisco"}')]
        assert finish_of(events).reason == "tool_calls"

    run(main())


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (
            404,
            b'{"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}',
            "INVALID_MODEL",
        ),
        (401, b'{"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}', "AUTH_ERROR"),
        (429, b'{"error": {"code": "429", "message": "Requests have exceeded the call rate limit."}}', "RATE_LIMIT"),
        (
            400,
            b'{"error": {"code": "content_filter", "status": 400, "message": "The response was filtered.",'
            b' "innererror": {"code": "ResponsibleAIPolicyViolation"}}}',
            "INVALID_REQUEST",
        ),
        (
            400,
            b'{"error": {"code": "invalid_encrypted_content", "type": "invalid_request_error",'
            b' "message": "The encrypted content could not be verified."}}',
            "INVALID_REQUEST",
        ),
    ],
)
def test_its_errors_are_typed_in_either_format(status: int, said: bytes, code: str) -> None:
    async def main() -> None:
        async with fault_server(saying(answer(status, said))) as server:
            provider = OpenAIProvider(HttpClient(Limits))
            for reasoning in (None, ReasoningOptions()):
                _, error = await outcome_of(provider, request_to(server.url, "azure", "0a1b", reasoning=reasoning))
                assert error is not None
                assert error.code == code
            await provider.aclose()

    run(main())
