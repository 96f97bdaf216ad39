"""`initialize`, `ping`, `shutdown`, `exit`, `$/cancelRequest` and the end of input, on every transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from llm_sidecar import __version__
from llm_sidecar.limits import BOUNDS, Limits, camel
from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.sidecar import Exit
from tests.hosts import inference, notification, request
from tests.peers import TRANSPORTS, open_sidecar

on_every_transport = pytest.mark.parametrize("kind", TRANSPORTS)

ENDLESS = "[[demo: connect=0 firstToken=0 tokens=1 stall=1]]"
FAST = "[[demo: connect=0 firstToken=0 rate=max]]"


def hello(**params: Any) -> dict[str, Any]:
    return {"protocolVersion": 1, **params}


# --- initialize ---


@on_every_transport
def test_the_handshake_tells_versions_limits_and_everything_that_exists(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind, maxBatchItems=7) as peer:
            params = hello(client={"name": "test", "version": "1"}, limits={"journalFinished": 3}, capabilities={})
            result = await peer.call("initialize", params)
            assert result["protocolVersion"] == 1
            assert result["server"] == {"name": "llm-sidecar", "version": __version__}
            assert set(result["capabilities"]["methods"]) == set(METHODS)
            assert set(result["capabilities"]["notifications"]) == set(NOTIFICATIONS)
            assert "demo" in result["providers"]
            assert result["encryption"].keys() == {"available", "source"}
            assert result["limits"] == {**Limits().to_wire(), "maxBatchItems": 7, "journalFinished": 3}

    run(main())


@on_every_transport
def test_a_second_handshake_is_refused(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await peer.call("initialize", hello())
            error = await peer.refusal("initialize", hello())
            assert (error["code"], error["data"]["code"]) == (-32000, "ALREADY_INITIALIZED")

    run(main())


@pytest.mark.parametrize("first", ["llm:get-status", "llm:cancel", "llm:window:closed"])
def test_a_handshake_after_other_work_is_refused_and_changes_nothing(run: Callable, first: str) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            params: dict[str, Any] = {"llm:cancel": {"inferenceId": "x"}, "llm:window:closed": {"windowId": "x"}}
            await peer.call(first, params.get(first))
            error = await peer.refusal("initialize", hello(limits={"maxBatchItems": 1}))
            assert error["data"]["code"] == "ALREADY_INITIALIZED"
            await peer.send([request(1, "ping"), request(2, "ping")])
            assert len(await peer.read()) == 2

    run(main())


def test_a_ping_or_a_message_nobody_understands_does_not_use_up_the_handshake(run: Callable) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            await peer.call("ping")
            await peer.refusal("nowhere")
            await peer.send_bytes(b"garbage\n")
            await peer.read()
            await peer.send(notification("$/cancelRequest", {"id": 1}))
            await peer.call("initialize", hello())

    run(main())


def test_a_host_that_sends_no_handshake_gets_the_defaults(run: Callable) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            inference_id = await peer.infer("[[demo: connect=0 firstToken=0 rate=max text=hello]]")
            assert (await peer.answer(inference_id)).text == "hello"

    run(main())


@pytest.mark.parametrize(
    ("params", "paths"),
    [
        ({}, {"protocolVersion"}),
        ({"protocolVersion": "1"}, {"protocolVersion"}),
        (hello(limits={"maxBatchItem": 5}), {"limits.maxBatchItem"}),
        (hello(limits={"max_batch_items": 5}), {"limits.max_batch_items"}),
        (hello(limits={"maxBatchItems": 0, "journalBytes": -1}), {"limits.maxBatchItems", "limits.journalBytes"}),
        (hello(limits={"maxBatchItems": "5"}), {"limits.maxBatchItems"}),
        (hello(limits={"maxBatchItems": True}), {"limits.maxBatchItems"}),
        (hello(limits={"maxBatchItems": 1.5}), {"limits.maxBatchItems"}),
        (hello(limits={"maxBatchItems": None}), {"limits.maxBatchItems"}),
        (hello(limits={"maxBatchItems": 10**30}), {"limits.maxBatchItems"}),
        (hello(limits=[1]), {"limits"}),
        (hello(tokenBatching={"maxDelayMs": 1_001}), {"tokenBatching.maxDelayMs"}),
        (hello(tokenBatching={"maxTokens": -1}), {"tokenBatching.maxTokens"}),
        (
            hello(tokenBatching={"maxDelayMs": -1, "maxTokens": -1}),
            {"tokenBatching.maxDelayMs", "tokenBatching.maxTokens"},
        ),
        (hello(processId=0), {"processId"}),
        (hello(processId="1"), {"processId"}),
        (hello(client={"name": 1}), {"client.name"}),
        (hello(prewarm="demo"), {"prewarm"}),
    ],
)
def test_what_is_wrong_with_a_handshake_is_named_and_another_may_follow(
    run: Callable, params: Any, paths: set[str]
) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            error = await peer.refusal("initialize", params)
            assert (error["code"], error["data"]["code"]) == (-32602, "VALIDATION_ERROR")
            assert {field["path"] for field in error["data"]["details"]["fields"]} == paths
            result = await peer.call("initialize", hello())
            assert result["limits"] == Limits().to_wire()

    run(main())


@pytest.mark.parametrize("name", BOUNDS)
def test_every_limit_is_accepted_at_its_bounds_and_refused_beyond_them(run: Callable, name: str) -> None:
    async def main() -> None:
        low, high = BOUNDS[name]
        assert low <= getattr(Limits(), name) <= high
        for value in (low, high):
            async with open_sidecar() as peer:
                limits = {camel(name): value, **({} if name == "max_message_bytes" else {"maxMessageBytes": 65_536})}
                assert (await peer.call("initialize", hello(limits=limits)))["limits"][camel(name)] == value
        async with open_sidecar() as peer:
            for value in (low - 1, high + 1):
                error = await peer.refusal("initialize", hello(limits={camel(name): value}))
                (field,) = error["data"]["details"]["fields"]
                assert (field["path"], str(low) in field["reason"]) == (f"limits.{camel(name)}", True)

    run(main())


@pytest.mark.parametrize("protocol_version", [0, 1, 2, 10**9])
def test_the_sidecar_answers_with_the_version_it_speaks(run: Callable, protocol_version: int) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            result = await peer.call("initialize", {"protocolVersion": protocol_version})
            assert result["protocolVersion"] == 1

    run(main())


def test_what_a_newer_host_adds_to_the_handshake_is_ignored(run: Callable) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            params = hello(locale="en", client={"name": "host", "build": 7}, tokenBatching={"maxBytes": 9})
            assert (await peer.call("initialize", params))["protocolVersion"] == 1

    run(main())


@on_every_transport
def test_limits_of_the_handshake_hold_for_what_follows(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            limits = {"maxBatchItems": 2, "maxMessageBytes": 65_536, "maxConcurrentInferences": 1}
            await peer.call("initialize", hello(limits=limits))
            await peer.send([request(number, "ping") for number in range(3)])
            assert (await peer.read())["error"]["data"]["code"] == "MESSAGE_TOO_LARGE"
            await peer.send_bytes(b" " * 65_537 + b"\n")
            assert (await peer.read())["error"]["data"]["code"] == "MESSAGE_TOO_LARGE"
            await peer.infer(ENDLESS)
            error = await peer.refusal("llm:inference", inference(ENDLESS))
            assert error["data"]["code"] == "RATE_LIMIT"
            assert error["data"]["details"] == {"scope": "sidecar", "limit": 1}
            assert error["data"]["retryAfterMs"] > 0

    run(main())


def test_the_pace_of_errors_of_the_handshake_holds_for_what_follows(run: Callable) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            await peer.call("initialize", hello(limits={"invalidMessagesPerSecond": 1}))
            await peer.send_bytes(b"garbage\n" * 10)
            await peer.read()
            await peer.read()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.read(), 0.3)

    run(main())


@pytest.mark.parametrize("limit", [BOUNDS["max_message_bytes"][0], 65_536, 100_000])
@pytest.mark.parametrize(
    "message",
    [
        FAST + "[[demo: tokens=20000]]",
        FAST + "[[demo: reasoning=20000]]",
        FAST + '[[demo: toolCall=f{"a":"' + "x" * 700 + '"}]]',
        FAST + "[[demo: tokens=60000 truncate=60000]]",
    ],
    ids=["text", "reasoning", "a tool call", "an error with what had come"],
)
def test_no_line_the_sidecar_sends_is_above_the_limit_of_the_handshake(run: Callable, limit: int, message: str) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            await peer.send(request("hello", "initialize", hello(limits={"maxMessageBytes": limit})))
            longest = len(await peer.end.read_line() or b"")
            await peer.send(request("i", "llm:inference", inference(message, inferenceId="i")))
            line = b""
            while b'"llm:done"' not in line and b'"llm:error"' not in line:
                line = await peer.end.read_line() or b""
                longest = max(longest, len(line))
            assert longest <= limit

    run(main())


# --- shutdown, exit, the end of input ---


@on_every_transport
def test_after_shutdown_what_would_start_work_is_refused_and_the_rest_is_served(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            assert await peer.call("shutdown") == {}
            for method, params in (("llm:inference", inference("x")), ("initialize", hello())):
                error = await peer.refusal(method, params)
                assert (error["data"]["code"], error["data"]["retryable"]) == ("SHUTTING_DOWN", True)
            await peer.call("ping")
            assert await peer.call("llm:cancel", {"inferenceId": "x"}) == {"success": False}
            await peer.send(notification("exit"))
            assert await peer.exit_code() is Exit.END_OF_INPUT

    run(main())


@on_every_transport
def test_work_asked_for_in_the_same_chunk_as_the_shutdown_before_it_is_refused(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await peer.send(request(1, "shutdown"), request(2, "llm:inference", inference(ENDLESS)))
            assert (await peer.response(2))["error"]["data"]["code"] == "SHUTTING_DOWN"
            assert (await peer.response(1))["result"] == {}

    run(main())


@on_every_transport
def test_an_inference_can_be_cancelled_while_a_shutdown_waits_for_it(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            inference_id = await peer.infer(ENDLESS)
            shutdown = await peer.ask("shutdown", {"deadlineMs": 600_000})
            assert await peer.call("llm:cancel", {"inferenceId": inference_id}) == {"success": True}
            assert (await peer.response(shutdown))["result"] == {}
            assert (await peer.answer(inference_id)).outcome == "cancelled"

    run(main())


@on_every_transport
def test_shutdown_waits_for_what_runs(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            inference_id = await peer.infer("[[demo: connect=0 firstToken=20 rate=max text=finished]]")
            shutdown = await peer.ask("shutdown", {"deadlineMs": 60_000})
            answer = await peer.answer(inference_id)
            assert (answer.outcome, answer.text) == ("done", "finished")
            assert (await peer.response(shutdown))["result"] == {}

    run(main())


@on_every_transport
def test_shutdown_ends_what_runs_too_long_before_it_answers(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            inference_id = await peer.infer(ENDLESS)
            shutdown = await peer.ask("shutdown", {"deadlineMs": 0})
            assert (await peer.response(shutdown))["result"] == {}
            before = peer.inbox[-1]
            assert (before["method"], before["params"]["code"]) == ("llm:error", "SHUTTING_DOWN")
            assert before["params"]["inferenceId"] == inference_id

    run(main())


@on_every_transport
def test_a_shutdown_that_waits_can_be_cancelled_and_is_answered_once(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await peer.infer(ENDLESS)
            await peer.send(request("down", "shutdown", {"deadlineMs": 600_000}))
            await peer.send(notification("$/cancelRequest", {"id": "down"}))
            error = (await peer.response("down"))["error"]
            assert (error["code"], error["data"]["code"]) == (-32800, "CANCELLED")

    run(main())


@on_every_transport
def test_a_shutdown_cancelled_in_the_same_chunk_is_answered_once(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await peer.infer(ENDLESS)
            cancel = notification("$/cancelRequest", {"id": "down"})
            await peer.send(request("down", "shutdown", {"deadlineMs": 600_000}), cancel, cancel)
            assert (await peer.response("down"))["error"]["code"] == -32800
            await peer.send(notification("exit"))
            assert await peer.exit_code() is Exit.END_OF_INPUT
            with pytest.raises(EOFError):
                await peer.response("down")

    run(main())


@on_every_transport
@pytest.mark.parametrize("how", ["exit", "end of input", "signal"])
def test_whatever_stops_it_ends_every_stream_with_shutting_down(run: Callable, kind: str, how: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            streaming = await peer.infer(ENDLESS)
            hanging = await peer.infer("[[demo: hang]]")
            if how == "exit":
                await peer.send(notification("exit"))
            elif how == "signal":
                peer.sidecar.stop(Exit.TERMINATED)
            else:
                peer.end.end()
            for inference_id in (streaming, hanging):
                answer = await peer.answer(inference_id)
                assert answer.outcome == "SHUTTING_DOWN"
                assert answer.terminal["retryable"] is True
                assert answer.terminal["usage"]["totalTokens"] > 0
            assert await peer.exit_code() is (Exit.TERMINATED if how == "signal" else Exit.END_OF_INPUT)

    run(main())


@on_every_transport
def test_a_waiting_shutdown_is_answered_when_the_input_ends(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await peer.infer(ENDLESS)
            await peer.send(request("down", "shutdown", {"deadlineMs": 600_000}))
            peer.end.end()
            assert "jsonrpc" in await peer.response("down")
            await peer.exit_code()

    run(main())


@on_every_transport
@pytest.mark.parametrize("line", [b'{"jsonrpc":"2.0","id":1,"method":"ping"}', b"{"])
def test_half_a_line_at_the_end_of_input_is_discarded(run: Callable, kind: str, line: bytes) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await peer.send_bytes(line)
            peer.end.end()
            assert await peer.exit_code() is Exit.END_OF_INPUT
            with pytest.raises(EOFError):
                await peer.read()

    run(main())


@on_every_transport
def test_draining_takes_a_last_line_without_its_ending_and_finishes_everything(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind, drain=True) as peer:
            asked = inference("[[demo: connect=0 firstToken=10 rate=max text=finished]]", inferenceId="i")
            await peer.send(request("a", "llm:inference", asked))
            await peer.send_bytes(b'{"jsonrpc":"2.0","id":"last","method":"ping"}')
            peer.end.end()
            assert (await peer.response("last"))["result"] == {}
            answer = await peer.answer("i")
            assert (answer.outcome, answer.text) == ("done", "finished")
            assert await peer.exit_code() is Exit.END_OF_INPUT

    run(main())


@on_every_transport
@pytest.mark.parametrize("how", ["exit", "signal"])
def test_only_the_end_of_input_drains(run: Callable, kind: str, how: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind, drain=True) as peer:
            inference_id = await peer.infer(ENDLESS)
            if how == "exit":
                await peer.send(notification("exit"))
            else:
                peer.sidecar.stop(Exit.TERMINATED)
            assert (await peer.answer(inference_id)).outcome == "SHUTTING_DOWN"
            await peer.exit_code()

    run(main())


@on_every_transport
def test_draining_gives_way_to_a_signal(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind, drain=True) as peer:
            inference_id = await peer.infer("[[demo: connect=0 firstToken=100 tokens=1 stall=1]]")
            peer.end.end()
            await peer.read_until(lambda m: m.get("method") == "llm:token")
            peer.sidecar.stop(Exit.TERMINATED)
            terminal = await peer.read_until(lambda m: m.get("method") == "llm:error")
            assert (terminal["params"]["inferenceId"], terminal["params"]["code"]) == (inference_id, "SHUTTING_DOWN")
            assert await peer.exit_code() is Exit.TERMINATED

    run(main())


def test_a_signal_in_the_same_turn_as_the_end_of_input_is_not_lost(run: Callable) -> None:
    async def main() -> None:
        async with open_sidecar(drain=True) as peer:
            await peer.infer(ENDLESS)
            peer.end.end()
            await asyncio.sleep(0)  # the end is noticed in this turn, and nothing has come of it yet
            peer.sidecar.stop(Exit.TERMINATED)
            assert await asyncio.wait_for(peer.exit_code(), 5) is Exit.TERMINATED

    run(main())


@on_every_transport
def test_a_host_that_reads_nothing_cannot_keep_the_sidecar_from_ending(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind, exitFlushMs=1) as peer:
            inference_id = await peer.infer("[[demo: connect=0 firstToken=0 rate=max tokens=1000000]]")
            await peer.read_until(lambda m: m.get("method") == "llm:token")
            peer.end.stall()
            assert inference_id
            peer.end.end()
            assert await peer.exit_code() is Exit.END_OF_INPUT

    run(main())
