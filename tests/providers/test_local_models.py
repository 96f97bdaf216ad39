"""The lists of models of servers on this machine: each brand's better source, and what stands in for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Endpoint, ModelDescription, Provider
from llm_sidecar.providers.decoding.json_object import JsonObject
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.ollama.adapter import OllamaProvider
from llm_sidecar.providers.openai.chat import OpenAIChatProvider
from tests.llama_server import CONTEXT_PER_SLOT, LlamaServer
from tests.providers.contract import events_of, run, text_of
from tests.providers.fault_server import Exchange, Request, answer, fault_server, stream
from tests.providers.fault_server import sse as sse_events
from tests.providers.ollama_format import line, request_to
from tests.providers.openai_fixtures import chunk
from tests.providers.openai_fixtures import request_to as openai_request_to
from tests.providers.wire_format import FIXTURES

Pages = dict[str, bytes | tuple[int, bytes]]
"""Path → the body of a 200, or a status and a body. What is not here is 404."""
NOWHERE = answer(404, b'{"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}')


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def page_of(pages: Pages, request: Request) -> bytes:
    page = pages.get(request.path)
    if page is None:
        return NOWHERE
    status, body = (200, page) if isinstance(page, bytes) else page
    return answer(status, body)


def listed(
    provider_id: str, pages: Pages, *, path: str = "", key: str | None = None
) -> tuple[list[ModelDescription], list[str]]:
    """The models found on a server of these pages, and what was asked for."""

    async def main() -> tuple[list[ModelDescription], list[str]]:
        async def script(exchange: Exchange) -> None:
            await exchange.send(page_of(pages, exchange.request))

        async with fault_server(script) as server:
            provider = provider_for(provider_id)
            try:
                models = await provider.list_models(Endpoint(provider_id, server.url + path, key))
            finally:
                await provider.aclose()
            assert all(request.headers.get("authorization") == (key and f"Bearer {key}") for request in server.requests)
            return models, [request.path for request in server.requests]

    return run(main())


def refused(provider_id: str, pages: Pages) -> SidecarError:
    with pytest.raises(SidecarError) as failed:
        listed(provider_id, pages)
    return failed.value


def provider_for(provider_id: str) -> Provider:
    return (OllamaProvider if provider_id == "ollama" else OpenAIChatProvider)(HttpClient(Limits))


# --- LM Studio ---

V1, V0, V = "/api/v1/models", "/api/v0/models", "/v1/models"
UNKNOWN = fixture("lmstudio/unknown_path.json")


@pytest.mark.parametrize("path", ["", "/v1", "/v1/"])
def test_lm_studio_tells_names_and_contexts_and_what_is_loaded_comes_first(path: str) -> None:
    models, asked = listed("lmstudio", {V1: fixture("lmstudio/v1_models.json")}, path=path, key="lm-key")
    assert models == [
        ModelDescription("google/gemma-4-26b-a4b", "Gemma 4 26B A4B", 4096),
        ModelDescription("deepseek-r1", "DeepSeek R1", 131072),
    ]
    assert asked == [V1]


@pytest.mark.parametrize("missing", [UNKNOWN, (404, b""), b'{"models": []}', b"{}"])
def test_an_older_lm_studio_is_asked_in_its_older_way(missing: Any) -> None:
    models, asked = listed("lmstudio", {V1: missing, V0: fixture("lmstudio/v0_models.json")})
    assert models == [
        ModelDescription("meta-llama-3.1-8b-instruct", context_window=8192),
        ModelDescription("qwen2-vl-7b-instruct", context_window=32768),
    ]
    assert asked == [V1, V0]


@pytest.mark.parametrize("missing", [UNKNOWN, (404, b"")])
def test_the_oldest_lm_studio_has_openai_s_list(missing: Any) -> None:
    models, asked = listed("lmstudio", {V1: missing, V0: missing, V: fixture("lmstudio/openai_models.json")})
    assert models[0] == ModelDescription("meta-llama-3.1-8b-instruct")
    assert asked == [V1, V0, V]


@pytest.mark.parametrize(
    ("pages", "code"),
    [
        ({V1: (401, b'{"error": "x"}')}, "AUTH_ERROR"),
        ({V1: (500, b"")}, "SERVER_ERROR"),
        ({V1: b'{"models": 7}'}, "PROVIDER_PROTOCOL_ERROR"),
        ({V1: b"<html>"}, "PROVIDER_PROTOCOL_ERROR"),
        ({V1: UNKNOWN, V0: b'{"data": {}}'}, "PROVIDER_PROTOCOL_ERROR"),
    ],
)
def test_a_failure_that_is_no_missing_path_is_not_taken_for_one(pages: Pages, code: str) -> None:
    assert refused("lmstudio", pages).code == code


def test_a_server_that_knows_no_path_at_all_is_an_error_and_not_an_empty_list() -> None:
    assert refused("lmstudio", {V1: UNKNOWN, V0: UNKNOWN, V: UNKNOWN}).message
    assert refused("lmstudio", {}).code == "INVALID_REQUEST"


def test_fields_of_a_wrong_type_cost_only_themselves() -> None:
    odd: list[Any] = [
        {"key": "a", "type": 7, "display_name": [], "loaded_instances": {}, "max_context_length": "many"},
        {"key": "b", "type": "llm", "loaded_instances": [{"config": None}], "max_context_length": 10.0},
        {"key": "c", "type": "vlm", "loaded_instances": [{"config": {"context_length": -1}}]},
        {"key": "d", "type": None, "loaded_instances": [1], "max_context_length": True},
        {"key": "e", "type": "future"},
        {"key": 7},
        {"key": "x" * 301},
        {"type": "llm"},
        None,
        "f",
    ]
    models, _ = listed("lmstudio", {V1: json.dumps({"models": odd}).encode()})
    assert models == [
        ModelDescription("b", context_window=10),
        ModelDescription("c"),
        ModelDescription("a"),
        ModelDescription("d"),
    ]


def test_without_a_named_model_the_loaded_one_answers() -> None:
    async def main() -> tuple[str, str]:
        async def script(exchange: Exchange) -> None:
            pages: Pages = {V1: fixture("lmstudio/v1_models.json")}
            is_chat = exchange.request.path == "/v1/chat/completions"
            said = stream(sse_events(chunk("hi", "stop"), "[DONE]"))
            await exchange.send(said if is_chat else page_of(pages, exchange.request))

        async with fault_server(script) as server:
            provider = provider_for("lmstudio")
            try:
                events = await events_of(provider, openai_request_to(server.url, "lmstudio", model_id=""))
            finally:
                await provider.aclose()
            return text_of(events), server.requests[-1].json["model"]

    assert run(main()) == ("hi", "google/gemma-4-26b-a4b")


# --- llama.cpp ---


def test_llama_cpp_tells_its_context_in_the_list() -> None:
    models, asked = listed("llama.cpp", {V: fixture("llamacpp/models.json")})
    assert models == [ModelDescription("random.gguf", context_window=16384)]
    assert asked == [V]


@pytest.mark.parametrize("name", ["models_2025", "models_no_meta"])
def test_an_older_llama_cpp_tells_its_context_in_its_properties(name: str) -> None:
    pages: Pages = {V: fixture(f"llamacpp/{name}.json"), "/props": fixture("llamacpp/props.json")}
    (model,), asked = listed("llama.cpp", pages, key="k")
    assert model.context_window == 8192
    assert asked == [V, "/props"]


@pytest.mark.parametrize(
    "props",
    [
        (404, b""),
        (501, b'{"error": {"code": 501, "message": "x", "type": "not_supported_error"}}'),
        (503, fixture("llamacpp/loading.json")),
        b"not json",
        b"[]",
        b"{}",
        b'{"default_generation_settings": 7}',
        b'{"default_generation_settings": {"n_ctx": "8192"}}',
        fixture("llamacpp/props_router.json"),
    ],
)
def test_properties_that_tell_nothing_cost_only_the_context(props: Any) -> None:
    models, _ = listed("llama.cpp", {V: fixture("llamacpp/models_no_meta.json"), "/props": props})
    assert models == [ModelDescription("m")]


def test_in_front_of_several_models_the_loaded_one_comes_first_and_none_is_loaded_by_asking() -> None:
    models, asked = listed("llama.cpp", {V: fixture("llamacpp/models_router.json")})
    assert models == [
        ModelDescription("ggml-org/gemma-3-4b-it-GGUF:Q4_K_M", context_window=4096),
        ModelDescription("Qwen3-8B-Q4_K_M"),
    ]
    assert asked == [V]


def test_a_llama_cpp_that_is_loading_is_overloaded() -> None:
    error = refused("llama.cpp", {V: (503, fixture("llamacpp/loading.json"))})
    assert error.code == "PROVIDER_OVERLOADED"
    assert error.retryable


def test_a_real_llama_cpp_tells_the_same_context_in_its_list_and_in_its_properties(llama_server: LlamaServer) -> None:
    """As a newer build says it, and as if it were an older one that has it only in `/props`."""

    async def main() -> list[ModelDescription]:
        async def without_meta(exchange: Exchange) -> None:
            body = await asyncio.to_thread(llama_server.get, exchange.request.path)
            if exchange.request.path == V:
                del body["data"][0]["meta"]
            await exchange.send(answer(200, json.dumps(body).encode()))

        provider = provider_for("llama.cpp")
        try:
            async with fault_server(without_meta) as older:
                return [
                    model
                    for url in (llama_server.url, older.url)
                    for model in await provider.list_models(Endpoint("llama.cpp", url))
                ]
        finally:
            await provider.aclose()

    newer, older = run(main())
    assert newer == older
    assert newer.context_window == CONTEXT_PER_SLOT


# --- any other server that speaks OpenAI's format ---


def test_an_error_with_status_200_is_not_an_empty_list() -> None:
    assert refused("openai-compatible", {V: b'{"error": {"message": "no", "code": 401}}'}).code == "AUTH_ERROR"


def test_a_list_without_an_object_around_it_is_one_too() -> None:
    """Together's, with more fields."""
    models, _ = listed("openai-compatible", {V: b'[{"id": "a", "context_length": 4096}, 7, {"id": "b"}]'})
    assert models == [ModelDescription("a", context_window=4_096), ModelDescription("b")]


def test_of_an_endless_list_only_so_much_is_kept() -> None:
    many = json.dumps({"data": [{"id": str(n)} for n in range(20_000)]}).encode()
    models, _ = listed("openai-compatible", {V: many})
    assert len(models) == 5_000


# --- Ollama ---

TAGS, PS, SHOW = "/api/tags", "/api/ps", "/api/show"


def ollama_listed(
    pages: Pages, shown: Callable[[str], bytes | tuple[int, bytes]] | None = None
) -> tuple[list[ModelDescription], list[str]]:
    """As `listed`; `shown` says what `POST /api/show` answers about a model."""

    async def main() -> tuple[list[ModelDescription], list[str]]:
        async def script(exchange: Exchange) -> None:
            request = exchange.request
            shows: Pages = {SHOW: shown(request.json["model"])} if shown and request.path == SHOW else {}
            await exchange.send(page_of({**pages, **shows}, request))

        async with fault_server(script) as server:
            provider = OllamaProvider(HttpClient(Limits))
            try:
                models = await provider.list_models(Endpoint("ollama", server.url))
            finally:
                await provider.aclose()
            return models, [request.path for request in server.requests]

    return run(main())


def test_ollama_tells_everything_in_its_list_and_what_is_in_memory_comes_first_with_its_real_context() -> None:
    models, asked = ollama_listed({TAGS: fixture("ollama/tags.json"), PS: fixture("ollama/ps.json")})
    assert models == [
        ModelDescription("llama3.2:latest", context_window=4096),
        ModelDescription("qwen3:8b", context_window=40960),
        ModelDescription("gpt-oss:120b-cloud", context_window=131072),
    ]
    assert asked == [TAGS, PS]


def show(model: str) -> bytes:
    return fixture(f"ollama/show_{model.partition(':')[0]}.json")


def test_an_older_ollama_is_asked_about_each_model() -> None:
    models, asked = ollama_listed({TAGS: fixture("ollama/tags_2025.json")}, show)
    assert models == [
        ModelDescription("deepseek-r1:latest", context_window=131072),
        ModelDescription("llama3.2:latest", context_window=131072),
    ]
    assert asked == [TAGS, PS, SHOW, SHOW, SHOW]


@pytest.mark.parametrize(
    "failed",
    [
        (404, b'{"error": "model not found"}'),
        (500, b""),
        b"not json",
        b"[]",
        b"{}",
        b'{"model_info": [], "capabilities": "completion"}',
        b'{"model_info": {"general.architecture": 7, "7.context_length": 1}}',
        b'{"model_info": {"general.architecture": "llama", "llama.context_length": "8192"}}',
    ],
)
def test_what_cannot_be_told_about_one_model_costs_only_that(failed: Any) -> None:
    models, _ = ollama_listed(
        {TAGS: fixture("ollama/tags_2025.json")}, lambda model: failed if "llama" in model else show(model)
    )
    assert models == [
        ModelDescription("deepseek-r1:latest", context_window=131072),
        ModelDescription("llama3.2:latest"),
    ]


@pytest.mark.parametrize("running", [(404, b""), (500, b""), b"[]", b'{"models": 7}', b'{"models": [{"name": 7}]}'])
def test_not_knowing_what_is_in_memory_costs_only_the_order(running: Any) -> None:
    models, _ = ollama_listed({TAGS: fixture("ollama/tags.json"), PS: running})
    assert [model.id for model in models] == ["qwen3:8b", "llama3.2:latest", "gpt-oss:120b-cloud"]


@pytest.mark.parametrize("tags", [b'{"models": []}', b'{"models": null}', b"{}"])
def test_an_ollama_without_models_lists_none(tags: bytes) -> None:
    assert ollama_listed({TAGS: tags}) == ([], [TAGS])


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ((401, b'{"error": "unauthorized"}'), "AUTH_ERROR"),
        ((503, b'{"error": "server busy"}'), "PROVIDER_OVERLOADED"),
        (b'{"models": 7}', "PROVIDER_PROTOCOL_ERROR"),
        (b"[]", "PROVIDER_PROTOCOL_ERROR"),
        (b"<html>", "PROVIDER_PROTOCOL_ERROR"),
    ],
)
def test_a_list_that_cannot_be_had_is_a_typed_error(tags: Any, code: str) -> None:
    assert refused("ollama", {TAGS: tags}).code == code


def test_a_server_of_many_models_is_not_asked_about_all_of_them() -> None:
    many = json.dumps({"models": [{"name": f"m{n}"} for n in range(200)]}).encode()
    models, asked = ollama_listed({TAGS: many}, lambda _: fixture("ollama/show_llama3.2.json"))
    assert len(models) == 200
    assert [model.context_window for model in models] == [131072] * 64 + [None] * 136
    assert asked.count(SHOW) == 64


def test_models_are_asked_about_a_few_at_a_time() -> None:
    async def main() -> None:
        waiting = 0
        four, released = asyncio.Event(), asyncio.Event()
        tags: Pages = {TAGS: json.dumps({"models": [{"name": f"m{n}"} for n in range(12)]}).encode()}

        async def script(exchange: Exchange) -> None:
            nonlocal waiting
            if exchange.request.path == SHOW:
                waiting += 1
                if waiting == 4:
                    four.set()
                await released.wait()
            await exchange.send(page_of(tags, exchange.request))

        async with fault_server(script) as server:
            asking, bystander = OllamaProvider(HttpClient(Limits)), HttpClient(Limits)
            listing = asyncio.create_task(asking.list_models(Endpoint("ollama", server.url)))
            await four.wait()
            for _ in range(10):  # a fifth request would have had the time of ten others
                (await bystander.send("GET", f"{server.url}/bystander", {})).close()
            assert waiting == 4
            released.set()
            assert len(await listing) == 12
            assert waiting == 12
            await asking.aclose()
            await bystander.aclose()

    run(main())


def test_listing_can_be_cancelled_while_models_are_asked_about() -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            if exchange.request.path == SHOW:
                asked.set()
            else:
                await exchange.send(page_of({TAGS: fixture("ollama/tags_2025.json")}, exchange.request))

        async with fault_server(script) as server:
            provider = OllamaProvider(HttpClient(Limits))
            task = asyncio.create_task(provider.list_models(Endpoint("ollama", server.url)))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await provider.aclose()
            await server.all_hung_up()

    run(main())


def test_without_a_named_model_the_one_in_memory_answers_and_is_remembered() -> None:
    async def main() -> list[str]:
        async def script(exchange: Exchange) -> None:
            pages: Pages = {TAGS: fixture("ollama/tags.json"), PS: fixture("ollama/ps.json")}
            if exchange.request.path == "/api/chat":
                said = answer(200, line("hi") + line(done=True), content_type="application/x-ndjson")
            else:
                said = page_of(pages, exchange.request)
            await exchange.send(said)

        async with fault_server(script) as server:
            provider = OllamaProvider(HttpClient(Limits))
            for _ in range(2):
                assert text_of(await events_of(provider, request_to(f"{server.url}/v1", model_id=""))) == "hi"
            await provider.aclose()
            return [r.json["model"] if r.path == "/api/chat" else r.path for r in server.requests]

    assert run(main()) == [TAGS, PS, "llama3.2:latest", "llama3.2:latest"]


# --- what an answer is read with ---


def test_a_field_of_a_wrong_type_is_none() -> None:
    odd = JsonObject.decode(
        b'{"text": "a", "number": 7, "float": 7.9, "zero": 0, "negative": -1, "huge": 1e300, "bool": true,'
        b' "null": null,'
        b' "texts": ["a", 1, null, "b"], "children": [{"text": "b"}, 1], "child": {"text": "c"}}'
    )
    assert [odd.text(name) for name in ("text", "number", "null", "child", "nowhere")] == ["a", "", "", "", ""]
    numbers = ("number", "float", "zero", "negative", "huge", "bool", "text", "nowhere")
    assert [odd.number(name) for name in numbers] == [7, 7, None, None, None, None, None, None]
    assert (odd.texts("texts"), odd.texts("text"), odd.texts("nowhere")) == (["a", "b"], [], [])
    assert [child.text("text") for child in odd.children("children")] == ["b"]
    assert (odd.children("child"), odd.children("nowhere"), odd.listed("null")) == ([], [], [])
    assert (odd.child("child").text("text"), odd.child("text").text("text")) == ("c", "")
    assert ("text" in odd, "zero" in odd, "null" in odd, "nowhere" in odd) == (True, False, False, False)
    with pytest.raises(ValueError, match="list"):
        odd.listed("text")
