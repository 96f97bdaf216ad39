"""Fallback, circuit and cache where it is real: a sidecar, two HTTP servers, the OpenAI-compatible adapter between."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import pytest

from llm_sidecar.settings import Settings
from llm_sidecar.sidecar import Exit, Sidecar
from tests.hosts import Answer
from tests.peers import SidecarPeer, limits_of, transport
from tests.providers.fault_server import (
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    FaultServer,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    saying_then_closing,
    saying_then_resetting,
    sse,
    stream,
)
from tests.providers.openai_fixtures import chunk

CHAIN: Final = {
    "providerId": "lmstudio",
    "modelId": "mine",
    "fallbackProfileIds": ["llama.cpp"],
    "retry": {"maxRetries": 0},
}
IMPATIENT: Final = {"firstTokenTimeoutMs": 1_000}
"""For servers that never answer; the others answer long before."""
MODELS: Final = answer(200, b'{"object": "list", "data": [{"id": "theirs", "object": "model"}]}')
USAGE: Final = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
UNWELL: Final = answer(500, b"{}")

FAULTS: dict[str, tuple[Script, str]] = {
    "500": (saying(UNWELL), "SERVER_ERROR"),
    "401": (saying(answer(401, b"{}")), "AUTH_ERROR"),
    "429": (saying(answer(429, b"{}", ("Retry-After", "60"))), "RATE_LIMIT"),
    "redirect": (saying(answer(307, b"", ("Location", "http://127.0.0.1:1/"))), "PROVIDER_PROTOCOL_ERROR"),
    "garbage": (saying(b"\x00\x01 no HTTP\r\n\r\n"), "PROVIDER_PROTOCOL_ERROR"),
    "hang-up": (saying_then_closing(), "NETWORK_ERROR"),
    "reset": (saying_then_resetting(STREAM_HEAD), "STREAM_TRUNCATED"),
    "no headers": (saying(), "FIRST_TOKEN_TIMEOUT"),
    "no content": (saying(STREAM_HEAD, chunked(b": keep-alive\n\n")), "FIRST_TOKEN_TIMEOUT"),
    "no end": (saying(STREAM_HEAD + chunked(sse({"choices": []})) + LAST_CHUNK), "STREAM_TRUNCATED"),
}

COMPLETE: Final = ("500", "401", "429", "redirect", "no end")
"""Whose HTTP is whole: their connections may be used again. The others are closed, at once."""


async def well(exchange: Exchange) -> None:
    """Answers everything, in the name of the model that was asked for."""
    if exchange.request.method == "GET":
        await exchange.send(MODELS if exchange.request.path == "/v1/models" else answer(404, b"{}"))
    else:
        end = {"choices": [], "usage": USAGE, "model": exchange.request.json["model"]}
        await exchange.send(stream(sse(chunk("all "), chunk("well", finish="stop"), end, "[DONE]")))


class Scene(NamedTuple):
    peer: SidecarPeer
    first: FaultServer
    second: FaultServer


@asynccontextmanager
async def sidecar(first: str, second: str, **limits: int) -> AsyncIterator[SidecarPeer]:
    """A sidecar whose LM Studio is at `first` and whose llama.cpp is at `second`."""
    environment = {"LMSTUDIO_BASE_URL": first, "LLAMA_CPP_BASE_URL": second}
    settings = Settings(data_dir=":memory:", limits=limits_of(limits))
    async with transport("memory") as (source, sink, end):
        peer = SidecarPeer(end, Sidecar(source, sink, settings, environment))
        try:
            yield peer
        finally:
            peer.sidecar.stop(Exit.END_OF_INPUT)
            await peer.running


@asynccontextmanager
async def scene(first: Script, second: Script = well, **limits: int) -> AsyncIterator[Scene]:
    """Two servers, and a sidecar that knows both. Afterwards no connection to either is left."""
    async with fault_server(first) as one, fault_server(second) as other:
        async with sidecar(one.url, other.url, **limits) as peer:
            yield Scene(peer, one, other)
        await one.all_hung_up()
        await other.all_hung_up()


async def ask(peer: SidecarPeer, **params: Any) -> Answer:
    return await peer.answer(await peer.infer("hello", **{**CHAIN, **params}))


def retrying(answer: Answer) -> list[tuple[Any, ...]]:
    told = [params for method, params in answer.events if params.get("status") == "retrying"]
    return [(event["attempt"], event["code"], event.get("providerId")) for event in told]


def chats(server: FaultServer) -> list[Any]:
    """The bodies of the chat completions that were asked for."""
    return [json.loads(request.body) for request in server.requests if request.path == "/v1/chat/completions"]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_second_server_answers_for_the_first(run: Callable[..., Any], fault: str) -> None:
    script, code = FAULTS[fault]

    async def main() -> None:
        async with scene(script) as (peer, first, second):
            given = await ask(peer, **(IMPATIENT if code == "FIRST_TOKEN_TIMEOUT" else {}))
            assert (given.outcome, given.text) == ("done", "all well")
            terminal = given.terminal
            assert (terminal["providerId"], terminal["modelId"], terminal["attempts"]) == ("llama.cpp", "theirs", 2)
            assert (terminal["totalTokens"], terminal["usage"]["source"]) == (9, "reported")
            assert retrying(given) == [(2, code, "llama.cpp")]
            assert [body["model"] for body in chats(first)] == ["mine"]
            assert [body["model"] for body in chats(second)] == ["theirs"]
            assert chats(first)[0]["messages"] == chats(second)[0]["messages"]
            if fault not in COMPLETE:
                await first.all_hung_up()
            figures = (await peer.call("llm:get-status"))["providers"]
            assert (figures["lmstudio"]["failures"], figures["lmstudio"]["lastError"]) == (1, code)
            assert (figures["llama.cpp"]["failures"], figures["llama.cpp"]["tokens"]) == (0, 9)

    run(main())


def test_nobody_need_listen_at_the_first_address(run: Callable[..., Any]) -> None:
    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
            async with fault_server(well) as second, sidecar(nowhere, second.url) as peer:
                given = await ask(peer)
                assert (given.outcome, given.text, given.terminal["attempts"]) == ("done", "all well", 2)
                assert retrying(given) == [(2, "NETWORK_ERROR", "llama.cpp")]

    run(main())


def test_after_its_first_content_a_broken_answer_is_reported_and_the_second_server_is_not_asked(
    run: Callable[..., Any],
) -> None:
    async def main() -> None:
        begun = saying_then_resetting(STREAM_HEAD, chunked(sse(chunk("half"))))
        async with scene(begun) as (peer, _, second):
            given = await ask(peer)
            assert (given.outcome, given.terminal["providerId"]) == ("STREAM_TRUNCATED", "lmstudio")
            assert given.terminal["partialText"] == given.text == "half"
            assert second.connections == []

    run(main())


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (stream(sse(chunk("well", finish="stop"), "[DONE]")), "done"),
        (answer(500, b"{}"), "SERVER_ERROR"),
        (stream(sse(chunk("half"), {"error": {"code": "server_error"}})), "SERVER_ERROR"),
    ],
    ids=["done", "refused", "broken off"],
)
def test_the_terminal_names_the_model_that_was_asked_where_the_server_names_none(
    run: Callable[..., Any], reply: bytes, outcome: str
) -> None:
    async def nameless(exchange: Exchange) -> None:
        await exchange.send(MODELS if exchange.request.method == "GET" else reply)

    async def main() -> None:
        async with scene(saying(UNWELL), nameless) as (peer, _, _):
            given = await ask(peer)
            assert given.outcome == outcome
            assert (given.terminal["providerId"], given.terminal["modelId"]) == ("llama.cpp", "theirs")

    run(main())


def test_both_failing_is_the_second_ones_failure(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with scene(saying(UNWELL), saying(answer(401, b"{}"))) as (peer, _, _):
            given = await ask(peer)
            assert (given.outcome, given.terminal["providerId"]) == ("AUTH_ERROR", "llama.cpp")
            assert given.terminal["details"] == {"status": 401}

    run(main())


@pytest.mark.parametrize("script", [saying(), saying(STREAM_HEAD)], ids=["connecting", "accepted"])
def test_a_cancel_while_the_second_server_is_asked_closes_its_socket(run: Callable[..., Any], script: Script) -> None:
    async def main() -> None:
        async with scene(saying(UNWELL), script) as (peer, _, second):
            inference_id = await peer.infer("hello", **CHAIN)
            await second.asked.wait()
            assert await peer.call("llm:cancel", {"inferenceId": inference_id}) == {"success": True}
            given = await peer.answer(inference_id)
            assert (given.outcome, given.terminal["providerId"]) == ("cancelled", "llama.cpp")
            await second.all_hung_up()

    run(main())


def test_a_server_that_fails_again_and_again_is_not_asked_any_more(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with scene(saying(UNWELL), circuitFailures=3) as (peer, first, second):
            for _ in range(6):
                assert (await ask(peer)).text == "all well"
            assert (len(chats(first)), len(chats(second))) == (3, 6)
            alone = await ask(peer, fallbackProfileIds=[])
            assert (alone.outcome, alone.terminal["attempts"]) == ("PROVIDER_OVERLOADED", 0)
            assert alone.terminal["details"] == {"scope": "sidecar", "circuit": "open", "lastCode": "SERVER_ERROR"}
            circuits = (await peer.call("llm:get-status"))["circuits"]
            states = [(circuit["origin"], circuit["state"], circuit["failures"]) for circuit in circuits]
            assert states == [(first.url, "open", 3), (second.url, "closed", 0)]

    run(main())


def test_a_server_that_is_well_again_is_asked_again(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with scene(saying(UNWELL), circuitFailures=1, circuitCooldownMs=0) as (peer, first, _):
            assert (await ask(peer)).terminal["providerId"] == "llama.cpp"
            first.script = well
            given = await ask(peer)
            assert (given.terminal["providerId"], given.terminal["attempts"]) == ("lmstudio", 1)
            (circuit, _) = (await peer.call("llm:get-status"))["circuits"]
            assert circuit == {"origin": first.url, "state": "closed", "failures": 0}

    run(main())


def test_an_answer_from_the_cache_sends_nothing_to_anybody(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with scene(well) as (peer, first, second):
            asked = await ask(peer, cache=True)
            hit = await ask(peer, cache=True, stream=False)
            assert (hit.outcome, hit.terminal["text"], hit.terminal["attempts"]) == ("done", asked.text, 0)
            assert hit.terminal["cached"] is True
            assert (hit.terminal["usage"], hit.terminal["modelId"]) == (asked.terminal["usage"], "mine")
            assert (len(first.requests), len(second.connections)) == (1, 0)

    run(main())
