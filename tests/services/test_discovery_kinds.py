"""Who answers on a local port: told apart by what only one of them says, and no stranger does any harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from llm_sidecar.services.profiles.discovery_kinds import Look, ask_port, look_at
from tests.llama_server import LlamaServer, llama_server
from tests.providers.fault_server import LAST_CHUNK, Exchange, Script, answer, chunked, fault_server, saying

__all__ = ["llama_server"]

Run = Callable[..., Any]
Answers = Mapping[str, Any]

LLAMA_CPP: Answers = {
    "/v1/models": {"object": "list", "data": [{"id": "qwen", "owned_by": "llamacpp"}], "models": [{"name": "qwen"}]},
    "/props": {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 4},
    "/api/tags": {"models": [{"name": "qwen"}]},
}
OLLAMA: Answers = {
    "/v1/models": {"object": "list", "data": [{"id": "llama3:latest", "owned_by": "library"}]},
    "/api/version": {"version": "0.12.3"},
    "/api/tags": {"models": [{"name": "llama3:latest", "model": "llama3:latest", "size": 1}]},
}
OLLAMA_WITHOUT_MODELS: Answers = {
    "/v1/models": {"object": "list", "data": None},
    "/api/version": {"version": "0.12.3"},
    "/api/tags": {"models": None},
}
UNEXPECTED = {"error": "Unexpected endpoint or method. (GET /props)"}
LM_STUDIO: Answers = {
    "/v1/models": {"object": "list", "data": [{"id": "gemma", "object": "model", "owned_by": "organization_owner"}]},
    "/api/v1/models": {"models": [{"type": "llm", "key": "google/gemma", "display_name": "Gemma"}]},
    "/api/v0/models": {"object": "list", "data": [{"id": "gemma", "type": "llm", "state": "not-loaded"}]},
    "*": UNEXPECTED,
}
OLDER_LM_STUDIO: Answers = {**LM_STUDIO, "/api/v1/models": UNEXPECTED}
VLLM: Answers = {
    "/v1/models": {"object": "list", "data": [{"id": "mistral", "object": "model", "owned_by": "vllm"}]},
    "/version": {"version": "0.11.0"},
}
OTHER: Answers = {
    "/v1/models": {"object": "list", "data": [{"id": "m", "owned_by": "me"}]},
    "/version": {"version": "1"},
}


def serving(answers: Answers, *headers: tuple[str, str]) -> Script:
    """What the server says by path; `*` to every other path, else 404."""

    async def script(exchange: Exchange) -> None:
        known = answers.get(exchange.request.path, answers.get("*"))
        body = {"error": "not found"} if known is None else known
        await exchange.send(answer(404 if known is None else 200, json.dumps(body).encode(), *headers))

    return script


def look(run: Run, script: Script, seconds: float = 5.0) -> tuple[Look, list[Any]]:
    async def main() -> tuple[Look, list[Any]]:
        async with fault_server(script) as server:
            return await look_at(server.url, seconds, ask_port), server.requests

    found: tuple[Look, list[Any]] = run(main())
    return found


@pytest.mark.parametrize(
    ("answers", "kind", "models"),
    [
        pytest.param(LLAMA_CPP, "llama.cpp", ["qwen"], id="llama.cpp"),
        pytest.param(OLLAMA, "ollama", ["llama3:latest"], id="Ollama"),
        pytest.param(OLLAMA_WITHOUT_MODELS, "ollama", [], id="Ollama without a model"),
        pytest.param(LM_STUDIO, "lmstudio", ["google/gemma"], id="LM Studio"),
        pytest.param(OLDER_LM_STUDIO, "lmstudio", ["gemma"], id="older LM Studio"),
        pytest.param(VLLM, "vllm", ["mistral"], id="vLLM"),
        pytest.param(OTHER, "openai-compatible", ["m"], id="another"),
    ],
)
def test_servers_are_told_apart(run: Run, answers: Answers, kind: str, models: list[str]) -> None:
    found, _ = look(run, serving(answers))
    assert found.outcome == "found"
    assert found.server is not None
    assert (found.server.kind, found.server.models) == (kind, models)


def test_a_llama_cpp_that_is_loading_its_model_is_known_by_its_name(run: Run) -> None:
    async def script(exchange: Exchange) -> None:
        body = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
        await exchange.send(answer(503, body, ("Server", "llama.cpp")))

    found, _ = look(run, script)
    assert found.server is not None
    assert (found.server.kind, found.server.models) == ("llama.cpp", [])


def test_a_real_llama_cpp_server_is_found_with_its_model(run: Run, llama_server: LlamaServer) -> None:
    found = run(look_at(llama_server.url, 5.0, ask_port))
    assert found.server is not None
    assert found.server.kind == "llama.cpp"
    assert len(found.server.models) == 1


def test_nothing_is_sent_but_plain_questions(run: Run) -> None:
    _, requests = look(run, serving(OLLAMA))
    assert len(requests) == 7
    for request in requests:
        assert request.method == "GET"
        assert request.body == b""
        assert not {"authorization", "api-key", "x-api-key", "cookie", "x-goog-api-key"} & request.headers.keys()


async def silent(_: Exchange) -> None:
    pass


async def endless(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not exchange.hung_up.is_set():
        await exchange.send(chunked(b" " * 65_536))


def redirecting(url: str) -> Script:
    return saying(answer(302, b"", ("Location", f"{url}/v1/models")))


HOSTILE: dict[str, Script] = {
    "endless body": endless,
    "garbage": saying(b"\x00\xff" * 5_000),
    "not JSON": saying(answer(200, b"<html>hello</html>", content_type="text/html")),
    "deep JSON": saying(answer(200, b"[" * 100_000)),
    "a list where an object belongs": saying(answer(200, b"[1, 2, 3]")),
    "other types": saying(answer(200, b'{"data": [{"id": 7}], "models": {"a": 1}, "version": []}')),
    "half an answer": saying(answer(200, b'{"data": []}')[:-5]),
    "compressed": saying(answer(200, b"xxx", ("Content-Encoding", "gzip"))),
    "a million headers": saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000),
    "an endless chunk": saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" + LAST_CHUNK),
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_stranger_on_the_port_does_no_harm(run: Run, script: Script) -> None:
    found, _ = look(run, script, seconds=1.0)
    assert found.outcome in ("unknown", "timeout")
    assert found.server is None


def test_a_redirect_is_not_followed(run: Run) -> None:
    async def main() -> None:
        async with AsyncExitStack() as servers:
            other = await servers.enter_async_context(fault_server(serving(OLLAMA)))
            first = await servers.enter_async_context(fault_server(redirecting(other.url)))
            assert (await look_at(first.url, 5.0, ask_port)).outcome == "unknown"
            assert other.requests == []

    run(main())


def test_one_that_says_nothing_is_given_up_in_time(run: Run) -> None:
    found, requests = look(run, silent, seconds=0.3)
    assert found == Look("timeout")
    assert len(requests) == 1


def test_a_port_where_nobody_listens_is_closed(run: Run) -> None:
    async def main() -> Look:
        async with fault_server(silent) as server:
            url = server.url
        return await look_at(url, 5.0, ask_port)

    assert run(main()) == Look("closed")


def test_names_of_models_are_bounded_in_number_and_length(run: Run) -> None:
    tags = [{"name": "x" * 301}, {"name": ""}, *({"name": f"m{n}"} for n in range(500))]
    found, _ = look(run, serving({**OLLAMA, "/api/tags": {"models": tags}}))
    assert found.server is not None
    assert found.server.models == [f"m{n}" for n in range(100)]
