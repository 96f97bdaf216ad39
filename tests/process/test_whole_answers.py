"""Requests that are answered with a whole answer, and a real process: its end, and a host that does not read."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from conformance.completion import Completion
from tests.hosts import Host, request
from tests.process.test_slow_host import MIB, wait_until_it_rests

STREAMS = 8
TOKENS = 50_000


def generate(text: str, **params: Any) -> dict[str, Any]:
    return {"providerId": "demo", "prompt": text, **params}


def complete(text: str, **params: Any) -> dict[str, Any]:
    return {"service": "demo", "request": {"messages": [{"role": "user", "content": text}], **params}}


@pytest.mark.parametrize("how", ["end of input", "SIGTERM", "exit"])
def test_the_end_of_the_process_answers_who_waits(spawn: Callable[..., Host], how: str) -> None:
    host = spawn()
    waiting = [
        host.ask("llm:generate-text", generate("[[demo: hang]]")),
        host.ask("llm:chat:completions", complete("[[demo: text=so stall=1 connect=0 firstToken=0]]", stream=True)),
    ]
    host.read_until(lambda m: m.get("method") == "llm:chat:chunk")
    if how == "exit":
        host.send({"jsonrpc": "2.0", "method": "exit"})
    elif how == "SIGTERM":
        host.signal(signal.SIGTERM)
    else:
        host.close_stdin()
    for request_id in waiting:
        assert host.response(request_id)["error"]["data"]["code"] == "SHUTTING_DOWN"
    assert host.wait_for_the_promised_two_seconds() == (143 if how == "SIGTERM" else 0)


def test_a_shutdown_waits_for_whole_answers_as_long_as_it_may(spawn: Callable[..., Host]) -> None:
    host = spawn()
    quick = host.ask("llm:generate-text", generate("[[demo: text=done connect=50 firstToken=50]]"))
    slow = host.ask("llm:chat:completions", complete("[[demo: hang]]"))
    stopping = host.ask("shutdown", {"deadlineMs": 1_000})
    assert host.response(quick)["result"]["text"] == "done"
    assert host.response(slow)["error"]["data"]["code"] == "SHUTTING_DOWN"
    assert host.response(stopping)["result"] == {}


def test_chunks_at_full_speed_cost_a_host_that_does_not_read_bounded_memory_and_are_all_there(
    spawn: Callable[..., Host],
) -> None:
    host = spawn()
    limits = {"maxConcurrentInferences": STREAMS, "maxEventBytes": MIB // 2}
    host.call("initialize", {"protocolVersion": 1, "limits": limits, "prewarm": ["demo"]})
    prompt = f"[[demo: connect=0 firstToken=0 rate=max tokens={TOKENS} seed=1]]"
    reference = host.call("llm:chat:completions", complete(prompt))["choices"][0]["message"]["content"]
    before = host.peak_bytes()

    ids = [f"stream-{number}" for number in range(STREAMS)]
    host.send(*(request(i, "llm:chat:completions", complete(prompt, stream=True)) for i in ids))
    wait_until_it_rests(host)
    assert host.peak_bytes() - before <= 16 * MIB
    host.send(
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "stream-3"}},
        request("ping", "ping"),
    )

    completions = {request_id: Completion() for request_id in ids}
    responses: dict[str, Any] = {}
    while len(responses) < STREAMS + 1:
        message = host.read()
        if "method" in message:
            assert message["params"]["requestId"] not in responses
            completions[message["params"]["requestId"]].add(message["params"]["chunk"])
        else:
            responses[message["id"]] = message
    assert responses.pop("ping")["result"] == {}
    assert responses.pop("stream-3")["error"]["data"]["code"] == "CANCELLED"
    for request_id, response in responses.items():
        completions[request_id].end(response["result"])
        assert response["result"]["choices"][0]["message"]["content"] == reference
    host.close_stdin()
    assert host.wait() == 0
