"""Ollama's adapter against a server: what is asked for, and what is taken for an answer."""

from __future__ import annotations

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import ImagePart, Message
from llm_sidecar.providers.events import Finish, ProviderEvent
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.ollama.adapter import OllamaProvider
from tests.providers.contract import outcome_of, run, text_of, tool_calls_of
from tests.providers.fault_server import Request, answer, fault_server, saying
from tests.providers.ollama_format import body, line, request_to

HELLO = line("Hel") + line("lo") + line(done=True, done_reason="stop")


def exchanged(
    said: bytes, *, path: str = "", key: str | None = None, **fields: object
) -> tuple[list[ProviderEvent], SidecarError | None, list[Request]]:
    async def main() -> tuple[list[ProviderEvent], SidecarError | None, list[Request]]:
        async with fault_server(saying(said)) as server:
            provider = OllamaProvider(HttpClient(Limits))
            try:
                events, error = await outcome_of(provider, request_to(server.url + path, key, **fields))
            finally:
                await provider.aclose()
            return events, error, server.requests

    return run(main())


@pytest.mark.parametrize("path", ["", "/", "/v1", "/api"])
def test_a_chat_is_asked_for_at_ollama_s_own_api(path: str) -> None:
    events, error, (request,) = exchanged(answer(200, HELLO, content_type="application/x-ndjson"), path=path)
    assert error is None
    assert text_of(events) == "Hello"
    assert (request.method, request.path) == ("POST", "/api/chat")
    assert request.json["stream"] is True
    assert request.headers["accept"] == "application/x-ndjson, application/json"
    assert "authorization" not in request.headers


def test_a_key_opens_the_door() -> None:
    *_, (request,) = exchanged(answer(200, HELLO, content_type="application/x-ndjson"), key="ollama-key")
    assert request.headers["authorization"] == "Bearer ollama-key"


@pytest.mark.parametrize(
    "content_type",
    ["application/x-ndjson", "application/x-ndjson; charset=utf-8", "text/plain", "Application/X-NDJSON"],
)
def test_lines_are_a_stream_whatever_a_proxy_calls_them(content_type: str) -> None:
    events, error, _ = exchanged(answer(200, HELLO, content_type=content_type))
    assert error is None
    assert text_of(events) == "Hello"


def test_a_server_that_does_not_stream_is_read_whole() -> None:
    events, error, _ = exchanged(answer(200, body("whole.json"), content_type="application/json; charset=utf-8"))
    assert error is None
    assert text_of(events) == "Hello!"
    assert tool_calls_of(events) == [("call_a1", "f", '{"a":1}')]
    assert events[-1] == Finish("tool_calls", "stop")


@pytest.mark.parametrize("content_type", ["text/html", "text/event-stream", "image/png"])
def test_anything_else_is_no_answer(content_type: str) -> None:
    _, error, _ = exchanged(answer(200, HELLO, content_type=content_type))
    assert error is not None
    assert error.code == "PROVIDER_PROTOCOL_ERROR"


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (400, b'{"error": "\\"llama3.2\\" does not support thinking"}', "INVALID_REQUEST"),
        (400, b'{"error": "registry.ollama.ai/library/gemma3:1b does not support tools"}', "INVALID_REQUEST"),
        (401, b'{"error": "unauthorized", "signin_url": "https://ollama.com/connect?key=abc"}', "AUTH_ERROR"),
        (404, b'{"error": "model \'llama9\' not found"}', "INVALID_MODEL"),
        (404, b'{"error": "model \\"llama9\\" not found, try pulling it first"}', "INVALID_MODEL"),
        (500, b'{"error": "llama runner process has terminated: signal: killed"}', "SERVER_ERROR"),
        (502, b'{"error": "Post \\"https://ollama.com/api/chat\\": dial tcp"}', "SERVER_ERROR"),
        (503, b'{"error": "server busy, please try again.  maximum pending requests exceeded"}', "PROVIDER_OVERLOADED"),
    ],
)
def test_errors_before_the_stream_are_typed_and_not_quoted(status: int, said: bytes, code: str) -> None:
    events, error, _ = exchanged(answer(status, said))
    assert events == []
    assert error is not None
    assert error.code == code
    assert not any(word in str(error) for word in ("llama9", "ollama.com", "runner", "pulling"))


def test_what_ollama_cannot_do_is_refused_before_anything_is_sent() -> None:
    image = Message(role="user", content=[ImagePart(url="https://example.com/a.png")])
    _, error, requests = exchanged(b"", messages=[image])
    assert error is not None
    assert error.code == "INVALID_REQUEST"
    assert requests == []
