"""Every provider, failing in every way, seen from the host's end of the pipe: one correct terminal each, and no key."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable

import pytest

from tests.end_to_end.providers_at_the_pipe import BRANDS, KEY, environment_for, serving
from tests.hosts import Answer, Host, is_event_of
from tests.providers.fault_server import (
    LAST_CHUNK,
    Exchange,
    Script,
    answer,
    chunked,
    saying,
    saying_then_closing,
    saying_then_resetting,
)
from tests.providers.wire_format import WireFormat, stream_head

ECHO = b'{"error": {"message": "key %s", "type": "%s", "code": "%s"}}' % ((KEY.encode(),) * 3)


def begun(fmt: WireFormat) -> bytes:
    return stream_head(fmt) + chunked(fmt.begun)


def keeping_alive(fmt: WireFormat) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.send(stream_head(fmt))
        while not exchange.hung_up.is_set():
            await exchange.send(chunked(b"\n\n" if "ndjson" in fmt.content_type else b": keep-alive\n\n"))
            await asyncio.sleep(0.01)

    return script


def dripping(fmt: WireFormat) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.send(begun(fmt))
        for byte in fmt.overlong_event(1_000):
            await exchange.send(chunked(bytes([byte])))
            await asyncio.sleep(0.01)

    return script


def whole(fmt: WireFormat) -> Script:
    return saying(stream_head(fmt) + chunked(next(iter(fmt.complete.values()))) + LAST_CHUNK)


MANY_HEADERS = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\n"
BOMB = gzip.compress(b"\0" * 50_000_000)

FAULTS: dict[str, tuple[Callable[[WireFormat], Script], str]] = {
    "none": (whole, "done"),
    "latency": (lambda _: saying(), "FIRST_TOKEN_TIMEOUT"),
    "keep-alives": (keeping_alive, "FIRST_TOKEN_TIMEOUT"),
    "stall": (lambda fmt: saying(begun(fmt)), "STREAM_TIMEOUT"),
    "drip": (dripping, "STREAM_TIMEOUT"),
    "hang-up": (lambda _: saying_then_closing(), "NETWORK_ERROR"),
    "reset": (lambda fmt: saying_then_resetting(begun(fmt)), "STREAM_TRUNCATED"),
    "truncation": (lambda fmt: saying(begun(fmt) + LAST_CHUNK), "STREAM_TRUNCATED"),
    "garbage": (lambda fmt: saying(begun(fmt) + chunked(fmt.broken_event)), "PROVIDER_PROTOCOL_ERROR"),
    "bomb": (lambda _: saying(answer(200, BOMB, ("Content-Encoding", "gzip"))), "PROVIDER_PROTOCOL_ERROR"),
    "endless": (lambda fmt: saying(begun(fmt), chunked(fmt.overlong_event(300_000))), "PROVIDER_PROTOCOL_ERROR"),
    "redirect": (lambda _: saying(answer(307, b"", ("Location", f"http://x/{KEY}"))), "PROVIDER_PROTOCOL_ERROR"),
    "headers": (lambda _: saying(MANY_HEADERS), "PROVIDER_PROTOCOL_ERROR"),
    "refused": (lambda _: saying(answer(401, ECHO, ("WWW-Authenticate", KEY))), "AUTH_ERROR"),
    "unwell": (lambda _: saying(answer(500, ECHO)), "SERVER_ERROR"),
}


@pytest.mark.parametrize(("name", "threads"), [*((name, False) for name in BRANDS), ("openai", True)])
def test_every_fault_has_one_correct_terminal(spawn: Callable[..., Host], name: str, threads: bool) -> None:
    brand = BRANDS[name]
    limits = {"LLM_SIDECAR_MAX_PROVIDER_EVENT_BYTES": "200000", "LLM_SIDECAR_CIRCUIT_FAILURES": "0"}
    with serving({fault: script for fault, (script, _) in FAULTS.items()}) as server:
        options = ("--log-level", "debug", *(["--force-threads"] if threads else []))
        host = spawn(*options, environment={**environment_for(server), **limits})
        host.call("initialize", {"protocolVersion": 1, "limits": {"maxConcurrentInferences": 100}})
        for fault in FAULTS:
            request = {
                **brand.request,
                "inferenceId": fault,
                "modelId": fault,
                "messages": [{"role": "user", "content": "hi"}],
                "retry": {"maxRetries": 0},
                "firstTokenTimeoutMs": 1_500,
                "chunkTimeoutMs": 1_000,
                "timeoutMs": 20_000,
            }
            if fault == "none":  # the first: whatever has to be loaded is loaded while nothing is short of time
                request |= {"firstTokenTimeoutMs": 20_000}
            assert host.call("llm:inference", request) == {"inferenceId": fault}
            if fault == "none":
                answers = {fault: host.answer(fault)}
        answers |= {fault: host.answer(fault) for fault in FAULTS if fault != "none"}
        outcomes = {fault: told.outcome for fault, told in answers.items()}
        said = [repr(told.events) for told in answers.values()]
        assert outcomes == {fault: code for fault, (_, code) in FAULTS.items()}
        assert not any(is_event_of(message, fault) for message in host.inbox for fault in FAULTS), "nothing follows"
        assert {request.headers.get("authorization", request.headers.get("x-api-key")) for request in server.requests}
        host.call("shutdown")
        host.close_stdin()
        assert host.wait() == 0
    assert KEY not in "".join(said)
    assert KEY not in host.stderr()
    assert any(KEY in str(request.headers.values()) for request in server.requests), "the key did go to the provider"


def test_the_terminals_hold_what_had_come(spawn: Callable[..., Host]) -> None:
    with serving({"truncation": FAULTS["truncation"][0]}) as server:
        host = spawn(environment={**environment_for(server), "LLM_SIDECAR_CIRCUIT_FAILURES": "0"})
        for name, brand in BRANDS.items():
            request = {**brand.request, "inferenceId": name, "modelId": "truncation"}
            host.call("llm:inference", {**request, "messages": [{"role": "user", "content": "hi"}]})
            told: Answer = host.answer(name)
            assert told.outcome == "STREAM_TRUNCATED"
            assert told.terminal["partialText"] == told.text == "a"
            assert told.terminal["usage"]["source"] in ("partial", "estimated")
            assert told.terminal["usage"]["promptTokens"] > 0
