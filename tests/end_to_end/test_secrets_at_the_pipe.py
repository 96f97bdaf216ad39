"""A key that a provider says back, wherever it can, leaves the process nowhere: no line of stdout, no line of stderr.

What a provider sends is passed on to the host in many fields (text, the names of models and tools, ids, reasons, opaque
state, lists of models), so that here every string of whole answers is the key, one name after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.end_to_end.providers_at_the_pipe import BRANDS, Brand, environment_for, listening, serving
from tests.hosts import TERMINALS, Host
from tests.providers.canary import KEY
from tests.providers.fault_server import LAST_CHUNK, Exchange, FaultServer, Script, answer, chunked, saying
from tests.providers.test_fixture_corpus import FORMAT_OF, STREAMS
from tests.providers.test_secrets_every_adapter import SCENARIOS, with_key_as
from tests.providers.wire_format import WireFormat, stream_head

every_brand = pytest.mark.parametrize("brand", BRANDS.values(), ids=BRANDS)
QUESTION = [{"role": "user", "content": "hi"}]


def echoes(fmt: WireFormat) -> Iterator[bytes]:
    """Recorded answers of a format, with the key for all their strings of one name."""
    for path in STREAMS:
        if FORMAT_OF[path.parent.name] != fmt.name:
            continue
        try:
            _, names = with_key_as(path.read_bytes(), None)
        except ValueError:
            continue  # JSON over several lines
        for name in sorted(names):
            yield with_key_as(path.read_bytes(), name)[0]


def said_about(host: Host, brand: Brand, name: str) -> bytes:
    """All the lines that come when the model `name` is asked."""
    request = {**brand.request, "inferenceId": name, "modelId": name, "messages": QUESTION, "retry": {"maxRetries": 0}}
    host.ask("llm:inference", request)
    lines = [host.read_line()]
    while json.loads(lines[-1]).get("method") not in TERMINALS:
        lines.append(host.read_line())
    return b"\n".join(lines)


def environment(server: FaultServer, key: str = KEY) -> dict[str, str]:
    """Every provider is at `server`, and has this key."""
    given = {**environment_for(server), "LLM_SIDECAR_CIRCUIT_FAILURES": "0"}
    return {name: key if name.endswith("_API_KEY") else value for name, value in given.items()}


@every_brand
def test_a_key_in_any_string_of_an_answer_is_masked(spawn: Callable[..., Host], brand: Brand) -> None:
    bodies = list(echoes(brand.wire_format))
    assert len(bodies) > 20
    assert all(KEY.encode() in body for body in bodies)
    scripts: dict[str, Callable[[WireFormat], Script]] = {
        f"m{n}": lambda fmt, body=body: saying(stream_head(fmt) + chunked(body) + LAST_CHUNK)  # type: ignore[misc]
        for n, body in enumerate(bodies)
    }
    with serving(scripts) as server:
        host = spawn("--log-level", "debug", environment=environment(server))
        said = []
        for name in scripts:
            said.append(said_about(host, brand, name))
            host.ask("llm:inference:attach", {"inferenceId": name, "fromSeq": 0})
            said.append(host.read_line())
        host.ask("llm:get-status")
        said.append(host.read_line())
        assert any(KEY in str(request.headers.values()) for request in server.requests), "it was sent"
    assert b"***" in b"".join(said), "an echo came through, but for the key"
    assert KEY.encode() not in b"".join(said)
    assert KEY not in host.stderr()


@every_brand
def test_a_key_in_any_failure_is_told_nowhere(spawn: Callable[..., Host], brand: Brand) -> None:
    scripts: dict[str, Callable[[WireFormat], Script]] = {
        f"m{n}": lambda fmt, echo=echo: echo(fmt, KEY)  # type: ignore[misc]
        for n, echo in enumerate(SCENARIOS.values())
    }
    with serving(scripts) as server:
        host = spawn("--log-level", "debug", environment=environment(server))
        said = b"".join(said_about(host, brand, name) for name in scripts)
    assert KEY.encode() not in said
    assert KEY not in host.stderr()


NAMED = dict.fromkeys(("id", "name", "model", "key", "display_name", "displayName", "object", "type", "root"), KEY)
LISTED = {**NAMED, "supportedGenerationMethods": ["generateContent"], "capabilities": ["completion"], "aliases": [KEY]}
MODELS = {"object": "list", "data": [{**LISTED, "type": "llm"}], "models": [{**LISTED, "type": "llm"}]}


@every_brand
def test_a_key_as_the_name_of_a_model_is_masked_in_the_list(spawn: Callable[..., Host], brand: Brand) -> None:
    async def list_models(exchange: Exchange) -> None:
        await exchange.send(answer(200, json.dumps(MODELS).encode(), ("X-Echo", KEY)))

    with listening(list_models) as server:
        host = spawn("--log-level", "debug", environment=environment(server))
        host.ask("llm:models:list", {"providerId": brand.request["providerId"]})
        line = host.read_line()
    (model,) = json.loads(line)["result"]["data"]
    assert model["id"].endswith("***")
    assert KEY.encode() not in line
    assert KEY not in host.stderr()


def test_a_key_in_a_completion_is_masked_in_its_chunks_and_in_its_result(spawn: Callable[..., Host]) -> None:
    fmt = BRANDS["openai-compatible"].wire_format
    body = fmt.complete["openai_parallel_tools.sse"].replace(b"get_weather", KEY.encode())
    assert KEY.encode() in body
    scripts: dict[str, Callable[[WireFormat], Script]] = {
        KEY: lambda fmt: saying(stream_head(fmt) + chunked(body) + LAST_CHUNK)
    }
    with serving(scripts) as server:
        host = spawn("--log-level", "debug", environment=environment(server))
        request = {"model": KEY, "messages": QUESTION, "stream": True}
        host.ask("llm:chat:completions", {"service": "openai-compatible", "request": request})
        said = [host.read_line()]
        while "result" not in json.loads(said[-1]):
            said.append(host.read_line())
    assert len(said) > 2
    assert sum(b"***" in line for line in said) > 1
    assert KEY.encode() not in b"".join(said)


@pytest.mark.parametrize("placeholder", ["EMPTY", "ollama", "anything", "llama.cpp", "openai-compatible", "12345678"])
def test_what_people_write_where_no_key_is_needed_is_left_as_it_is(
    spawn: Callable[..., Host], placeholder: str
) -> None:
    brand = BRANDS["openai-compatible"]
    body = brand.wire_format.begun.replace(b'"a"', json.dumps(placeholder).encode())
    with serving({"m": lambda fmt: saying(stream_head(fmt) + chunked(body) + LAST_CHUNK)}) as server:
        host = spawn(environment=environment(server, placeholder))
        told = host.answer(
            host.call("llm:inference", {**brand.request, "modelId": "m", "messages": QUESTION})["inferenceId"]
        )
        assert placeholder in server.requests[0].headers["authorization"]
    assert told.text == placeholder
    assert told.terminal["providerId"] == "openai-compatible"
