"""The Gemini adapter before a real server: where it asks, with what, and what it lists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_sidecar.errors import InvalidParams, ProviderError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.gemini.adapter import GeminiProvider
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.contract import check_rules, events_of, finish_of, outcome_of, run, text_of, tool_calls_of
from tests.providers.fault_server import (
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    Request,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    stream,
)
from tests.providers.gemini_fixtures import COMPLETE, FAILING, WHOLE, WHOLE_FAILING, body, request_to


def asked(script: Script, **fields: Any) -> tuple[list[ProviderEvent], ProviderError | None, list[Request]]:
    async def main() -> tuple[list[ProviderEvent], ProviderError | None, list[Request]]:
        async with fault_server(script) as server:
            provider = GeminiProvider(HttpClient(Limits))
            url = server.url + fields.pop("path", "")
            events, error = await outcome_of(provider, request_to(url, **fields))
            await provider.aclose()
            assert error is None or isinstance(error, ProviderError)
            return events, error, server.requests

    return run(main())


def test_the_key_is_in_a_header_and_the_model_in_the_path() -> None:
    _, _, (request,) = asked(saying(stream(body("text.sse"))), key="key-1", model_id="models/gemini-2.5-flash")
    assert request.method == "POST"
    assert request.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert request.headers["x-goog-api-key"] == "key-1"
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers
    assert request.json["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


def test_without_a_key_none_is_sent() -> None:
    _, _, (request,) = asked(saying(stream(body("text.sse"))))
    assert "x-goog-api-key" not in request.headers


@pytest.mark.parametrize(
    ("path", "asked_at"),
    [
        ("", "/v1beta/models/m"),
        ("/", "/v1beta/models/m"),
        ("/v1", "/v1/models/m"),
        ("/proxy/v1beta/", "/proxy/v1beta/models/m"),
    ],
)
def test_the_version_is_added_where_the_address_has_no_path(path: str, asked_at: str) -> None:
    _, _, (request,) = asked(saying(stream(body("text.sse"))), path=path)
    assert request.path == f"{asked_at}:streamGenerateContent?alt=sse"


@pytest.mark.parametrize("model_id", ["", "../files", "x:embedContent", "x?key=1", "//evil.example/x"])
def test_a_hostile_model_is_refused_before_anything_is_sent(model_id: str) -> None:
    events, error, requests = asked(saying(stream(body("text.sse"))), model_id=model_id)
    assert (events, requests) == ([], [])
    assert error is not None
    assert error.code == "INVALID_MODEL"


@pytest.mark.parametrize("name", COMPLETE)
def test_a_recorded_answer_comes_through_a_socket(name: str) -> None:
    events, error, _ = asked(saying(stream(body(name))))
    assert error is None
    check_rules([events])
    assert isinstance(events[-1], type(finish_of(events)))


@pytest.mark.parametrize("name", FAILING)
def test_a_recorded_failure_comes_through_a_socket_in_pieces(name: str) -> None:
    data = body(name)
    pieces = [chunked(data[at : at + 11]) for at in range(0, len(data), 11)]
    events, error, _ = asked(saying(STREAM_HEAD, *pieces, LAST_CHUNK))
    assert error is not None
    assert error.code not in ("STREAM_TRUNCATED", "PROVIDER_PROTOCOL_ERROR")
    assert text_of(events) == "partial"


def test_an_error_is_told_at_once_though_the_server_keeps_the_connection() -> None:
    _, error, _ = asked(saying(STREAM_HEAD + chunked(body("error_bare.sse"))))
    assert error is not None
    assert error.code == "PROVIDER_OVERLOADED"


@pytest.mark.parametrize("name", WHOLE)
def test_a_server_that_does_not_stream_is_read_whole(name: str) -> None:
    events, error, _ = asked(saying(answer(200, body(name))))
    assert error is None
    assert text_of(events) == "Hello!"
    assert [(call_id, called) for call_id, called, _ in tool_calls_of(events)] == [("fc_1", "f")]


@pytest.mark.parametrize("name", WHOLE_FAILING)
def test_an_error_with_status_200_is_one(name: str) -> None:
    _, error, _ = asked(saying(answer(200, body(name))))
    assert error is not None
    assert error.code in ("PROVIDER_OVERLOADED", "RATE_LIMIT")


def test_a_bad_address_is_refused() -> None:
    async def main() -> None:
        provider = GeminiProvider(HttpClient(Limits))
        with pytest.raises(InvalidParams):
            await events_of(provider, ProviderRequest(Endpoint("google", "http://example.com"), "m", []))
        with pytest.raises(ProviderError) as refused:
            await events_of(provider, ProviderRequest(Endpoint("google", "https://example.com", "a\nb"), "m", []))
        assert refused.value.code == "AUTH_ERROR"
        await provider.aclose()

    run(main())


# --- the list of models ---


def listed(script: Script, key: str | None = None) -> tuple[list[ModelDescription], list[Request]]:
    async def main() -> tuple[list[ModelDescription], list[Request]]:
        async with fault_server(script) as server:
            provider = GeminiProvider(HttpClient(Limits))
            try:
                return await provider.list_models(Endpoint("google", server.url, key)), server.requests
            finally:
                await provider.aclose()

    return run(main())


def entry(name: str, *methods: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "supportedGenerationMethods": list(methods), **more}


def test_models_that_cannot_answer_are_not_listed() -> None:
    page = {
        "models": [
            entry("models/embedding-001", "embedContent"),
            entry(
                "models/gemini-2.5-flash",
                "generateContent",
                "countTokens",
                displayName="Gemini 2.5 Flash",
                inputTokenLimit=1_048_576,
                outputTokenLimit=65_536,
            ),
            entry("tunedModels/mine", "generateContent", inputTokenLimit=None),
            {"name": "models/unknown"},
            entry("", "generateContent"),
        ]
    }
    models, (request,) = listed(saying(answer(200, json.dumps(page).encode())), key="key-1")
    assert models == [
        ModelDescription("gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576, 65_536),
        ModelDescription("tunedModels/mine"),
    ]
    assert (request.method, request.path) == ("GET", "/v1beta/models?pageSize=1000")
    assert request.headers["x-goog-api-key"] == "key-1"


def test_every_page_is_asked_for() -> None:
    pages = [
        {"models": [entry("models/a", "generateContent")], "nextPageToken": "x/+&=y"},
        {"nextPageToken": "2"},
        {"models": [entry("models/b", "generateContent")], "nextPageToken": ""},
    ]

    async def script(exchange: Exchange) -> None:
        await exchange.send(answer(200, json.dumps(pages.pop(0)).encode()))

    models, requests = listed(script)
    assert [model.id for model in models] == ["a", "b"]
    assert [request.path.partition("pageSize=1000")[2] for request in requests] == [
        "",
        "&pageToken=x%2F%2B%26%3Dy",
        "&pageToken=2",
    ]


def test_a_server_that_always_has_a_next_page_is_left() -> None:
    page = {"models": [entry("models/a", "generateContent")], "nextPageToken": "again"}
    models, requests = listed(saying(answer(200, json.dumps(page).encode())))
    assert len(models) == len(requests) == 20


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (answer(200, b"<html>"), "PROVIDER_PROTOCOL_ERROR"),
        (answer(200, b'{"models": 1}'), "PROVIDER_PROTOCOL_ERROR"),
        (answer(401, b'{"error": {"code": 401, "status": "UNAUTHENTICATED"}}'), "AUTH_ERROR"),
    ],
)
def test_a_list_that_cannot_be_had_is_an_error(said: bytes, code: str) -> None:
    with pytest.raises(ProviderError) as refused:
        listed(saying(said))
    assert refused.value.code == code
