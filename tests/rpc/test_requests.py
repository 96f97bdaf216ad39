"""Every request gets exactly one response: the rules of the contract's §1, on every transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.hosts import line_of, notification, request
from tests.peers import TRANSPORTS, BenchPeer
from tests.rpc.bench import SECRET, serve_bench

on_every_transport = pytest.mark.parametrize("kind", TRANSPORTS)


def cancel(request_id: Any) -> dict[str, Any]:
    return notification("$/cancelRequest", {"id": request_id})


async def error_of(peer: BenchPeer, request_id: Any) -> dict[str, Any]:
    response = await peer.response(request_id)
    assert "result" not in response
    return dict(response["error"])


# --- what cannot be attributed ---


@on_every_transport
@pytest.mark.parametrize(
    ("line", "number", "code"),
    [
        (b"\xff\xfe\n", -32700, "PARSE_ERROR"),
        (b'{"jsonrpc":"2.0","id":1,"method":"p\xc3"}\n', -32700, "PARSE_ERROR"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"\n', -32700, "PARSE_ERROR"),
        (b"5\n", -32600, "INVALID_MESSAGE"),
        (b"{}\n", -32600, "INVALID_MESSAGE"),
        (b" " * 5_000 + b"{}\n", -32600, "MESSAGE_TOO_LARGE"),
        (b"[" + b"1," * 4_999 + b"1]\n", -32600, "MESSAGE_TOO_LARGE"),
        (b"[1,1,1,1,1]\n", -32600, "MESSAGE_TOO_LARGE"),
    ],
)
def test_a_line_that_is_no_request_gets_one_error_of_null_and_the_next_line_is_served(
    run: Callable, kind: str, line: bytes, number: int, code: str
) -> None:
    async def main() -> None:
        async with serve_bench(kind, maxMessageBytes=4_096, maxBatchItems=4) as (peer, _):
            await peer.send_bytes(line)
            answer = await peer.read()
            assert (answer["id"], answer["error"]["code"], answer["error"]["data"]["code"]) == (None, number, code)
            assert answer["error"]["data"]["retryable"] is False
            await peer.has_nothing_more_to_say()

    run(main())


@on_every_transport
def test_an_invalid_request_is_refused_under_its_own_id(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            await peer.send({"jsonrpc": "1.0", "id": "mine", "method": "ping"})
            assert (await error_of(peer, "mine"))["code"] == -32600
            await peer.has_nothing_more_to_say()

    run(main())


@on_every_transport
@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": 7, "result": {}},
        {"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "no"}},
        {"jsonrpc": "2.0", "id": None, "error": {}},
        {"id": {}, "result": 1},
        [{"jsonrpc": "2.0", "id": 7, "result": {}}, {"jsonrpc": "2.0", "id": 8, "result": {}}],
        [{"jsonrpc": "2.0", "id": 7, "result": {}}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [1]}],
    ],
)
def test_a_response_is_never_answered(run: Callable, kind: str, message: Any) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            await peer.send(message)
            await peer.has_nothing_more_to_say()

    run(main())


@on_every_transport
def test_a_response_beside_a_request_of_a_batch_adds_nothing_to_the_answer(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            await peer.send([{"jsonrpc": "2.0", "id": 7, "result": {}}, request(1, "get_data")])
            assert await peer.read() == [{"jsonrpc": "2.0", "id": 1, "result": ["hello", 5]}]
            await peer.has_nothing_more_to_say()

    run(main())


@on_every_transport
@pytest.mark.parametrize(
    "line",
    [
        {"jsonrpc": "2.0", "method": "nowhere"},
        {"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": "x"}},
        {"jsonrpc": "2.0", "method": "fail"},
        {"jsonrpc": "2.0", "method": "fail_after_reply"},
        {"jsonrpc": "2.0", "method": "fail_later"},
        {"jsonrpc": "2.0", "method": "wait", "params": {"name": "a"}},
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "unknown"}},
        {"jsonrpc": "2.0", "method": "$/cancelRequest"},
    ],
)
def test_a_notification_is_never_answered_whatever_becomes_of_it(run: Callable, kind: str, line: Any) -> None:
    """Any method may be sent without an id, also one whose handler takes its time."""

    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            await peer.send(line, request(1, "ping"))
            assert await peer.read() == {"jsonrpc": "2.0", "id": 1, "result": {}}
            await peer.send([line, request(2, "ping"), line])
            assert await peer.read() == [{"jsonrpc": "2.0", "id": 2, "result": {}}]
            await peer.has_nothing_more_to_say()

    run(main())


def test_a_method_that_only_exists_as_a_notification_cannot_be_requested(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, bench):
            assert (await peer.refusal("notify_hello", [1]))["data"]["code"] == "METHOD_NOT_FOUND"
            assert bench.greetings == []

    run(main())


# --- ids ---


@on_every_transport
@pytest.mark.parametrize("request_id", [0, -1, 1.5, "", "id", "é😀\u2028", 2**53 + 1, 2**64, -(2**65), 1e300, None])
def test_an_id_comes_back_as_it_was_on_results_and_errors(run: Callable, kind: str, request_id: Any) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            for method in ("ping", "nowhere", "fail"):
                await peer.send(request(request_id, method))
                answer = await peer.read()
                assert answer["id"] == request_id
                assert type(answer["id"]) is type(request_id)
                assert ("result" in answer) == (method == "ping")

    run(main())


@on_every_transport
def test_an_id_in_flight_cannot_be_used_again_until_its_response(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, bench):
            await peer.send(request("a", "wait", {"name": "first"}), request("a", "ping"))
            duplicate = await peer.read()
            assert (duplicate["error"]["code"], duplicate["error"]["data"]["code"]) == (-32600, "DUPLICATE_ID")
            bench.gate("first").set()
            assert (await peer.read())["result"] == "first"
            await peer.send(request("a", "ping"))
            assert (await peer.read())["result"] == {}

    run(main())


def test_a_number_and_its_text_are_two_ids(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, bench):
            await peer.send(request(1, "wait", {"name": "a"}), request("1", "wait", {"name": "b"}))
            bench.gate("b").set()
            assert await peer.read() == {"jsonrpc": "2.0", "id": "1", "result": "b"}
            await peer.send(cancel(1))
            assert (await peer.read())["error"]["code"] == -32800

    run(main())


def test_requests_of_a_null_id_do_not_exclude_each_other(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, bench):
            await peer.send(request(None, "wait", {"name": "a"}), request(None, "wait", {"name": "b"}))
            await peer.call("ping")
            bench.gate("b").set()
            assert (await peer.read())["result"] == "b"
            bench.gate("a").set()
            assert (await peer.read())["result"] == "a"

    run(main())


def test_a_duplicate_within_a_batch_is_refused(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, _):
            await peer.send([request(1, "ping"), request(1, "ping"), request(2, "ping")])
            answers = await peer.read()
            assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32600, None]

    run(main())


def test_requests_above_the_limit_in_flight_are_refused_as_overloaded_with_a_time_to_try_again(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench(maxInFlightRequests=2) as (peer, bench):
            for name in ("a", "b", "c"):
                await peer.send(request(name, "wait", {"name": name}))
            error = await error_of(peer, "c")
            assert (error["code"], error["data"]["code"], error["data"]["retryable"]) == (-32001, "OVERLOADED", True)
            assert error["data"]["retryAfterMs"] > 0
            bench.gate("a").set()
            assert (await peer.response("a"))["result"] == "a"
            bench.gate("c").set()
            await peer.send(request("c", "wait", {"name": "c"}))
            assert (await peer.response("c"))["result"] == "c"

    run(main())


# --- cancelling ---


@on_every_transport
def test_a_cancelled_request_still_gets_its_one_response(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, bench):
            await peer.send(request("a", "wait", {"name": "a"}))
            await peer.call("ping")
            await peer.send(cancel("a"), cancel("a"))
            error = await error_of(peer, "a")
            assert (error["code"], error["data"]["code"]) == (-32800, "CANCELLED")
            assert bench.cancelled == ["a"]
            bench.gate("a").set()
            await peer.has_nothing_more_to_say()

    run(main())


@on_every_transport
def test_a_request_cancelled_before_its_first_step_still_gets_its_one_response(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            await peer.send(request("a", "wait", {"name": "a"}), cancel("a"), request("b", "ping"))
            answers = {answer["id"]: answer for answer in (await peer.read(), await peer.read())}
            assert answers["a"]["error"]["code"] == -32800
            assert answers["b"]["result"] == {}
            await peer.has_nothing_more_to_say()

    run(main())


@pytest.mark.parametrize("request_id", [1, 1.5, "a", 2**64])
def test_a_request_is_cancelled_by_an_id_of_any_type(run: Callable, request_id: Any) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, _):
            await peer.send(request(request_id, "wait", {"name": "a"}), cancel(request_id))
            assert (await error_of(peer, request_id))["code"] == -32800

    run(main())


def test_an_item_of_a_batch_is_cancelled_and_answered_in_the_batch(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, _):
            await peer.send([request("a", "wait", {"name": "a"}), request("b", "ping")], cancel("a"))
            answers = {answer["id"]: answer for answer in await peer.read()}
            assert answers["a"]["error"]["code"] == -32800
            assert answers["b"]["result"] == {}

    run(main())


def test_a_request_that_was_answered_cannot_be_cancelled_any_more(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, _):
            await peer.send(request("a", "ping"), cancel("a"))
            assert (await peer.read())["result"] == {}
            await peer.has_nothing_more_to_say()

    run(main())


# --- handlers that fail ---


@on_every_transport
@pytest.mark.parametrize("method", ["fail", "fail_later", "fail_when_written", "unencodable"])
def test_an_exception_is_told_as_a_log_id_and_nothing_else(
    run: Callable, capfd: pytest.CaptureFixture, kind: str, method: str
) -> None:
    async def main() -> dict[str, Any]:
        async with serve_bench(kind) as (peer, _):
            error = await peer.refusal(method)
            await peer.has_nothing_more_to_say()
            return dict(error)

    error = run(main())
    assert error["code"] == -32603
    log_id = error["message"].removeprefix("Internal error; log id ").removesuffix(".")
    assert log_id.isalnum()
    assert error["data"].keys() == {"code", "retryable", "timestamp"}
    written = capfd.readouterr().err
    (line,) = [json.loads(text) for text in written.splitlines() if log_id in text]
    assert line["where"] == method
    assert SECRET not in written + json.dumps(error)


def test_a_developer_sees_the_stack_but_never_the_text_of_the_exception(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench(show_stacks=True) as (peer, _):
            details = (await peer.refusal("fail"))["data"]["details"]
            assert details["exception"] == "RuntimeError"
            assert any(frame.startswith("bench.py:") and frame.endswith(" fail") for frame in details["stack"])
            assert SECRET not in json.dumps(details)

    run(main())


@on_every_transport
def test_a_failure_after_the_response_harms_nobody_else(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            await peer.send(request(1, "fail_after_reply"), request(2, "ping"))
            assert await peer.read() == {"jsonrpc": "2.0", "id": 1, "result": "done"}
            assert await peer.read() == {"jsonrpc": "2.0", "id": 2, "result": {}}
            await peer.send([request(1, "fail_after_reply"), request(2, "ping")], request(3, "ping"))
            assert [answer["id"] for answer in await peer.read()] == [1, 2]
            assert (await peer.read())["id"] == 3

    run(main())


# --- sizes ---


@on_every_transport
@pytest.mark.parametrize("method", ["text", "late_text"])
def test_a_result_above_the_limit_becomes_an_error_and_one_at_the_limit_is_sent(
    run: Callable, kind: str, method: str
) -> None:
    async def main() -> None:
        limit = 4_096
        around = len(line_of({"jsonrpc": "2.0", "id": 1, "result": ""}).replace(b" ", b"")) - 1
        async with serve_bench(kind, maxMessageBytes=limit) as (peer, _):
            await peer.send(request(1, method, {"size": limit - around}))
            assert len(await peer.end.read_line() or b"") == limit
            await peer.send(request(1, method, {"size": limit - around + 1}))
            error = await error_of(peer, 1)
            assert (error["code"], error["data"]["code"]) == (-32600, "MESSAGE_TOO_LARGE")
            assert error["data"]["details"]["maxMessageBytes"] == limit
            await peer.has_nothing_more_to_say()

    run(main())


@pytest.mark.parametrize("size", [3_000, 4_057, 4_058, 4_059, 4_060])
def test_no_line_of_a_batch_is_above_the_limit(run: Callable, size: int) -> None:
    async def main() -> None:
        limit = 4_096
        async with serve_bench(maxMessageBytes=limit) as (peer, _):
            await peer.send([request(number, "text", {"size": size}) for number in range(3)])
            answered = []
            while len(answered) < 3:
                line = await peer.end.read_line() or b""
                assert len(line) <= limit
                answers = json.loads(line)
                assert isinstance(answers, list)
                answered += [answer["id"] for answer in answers]
            assert answered == [0, 1, 2]

    run(main())


@pytest.mark.parametrize("method", ["ping", "nowhere", "fail", "act_after_reply"])
def test_an_answer_stays_within_the_limit_however_long_the_id(run: Callable, method: str) -> None:
    async def main() -> None:
        limit = 4_096
        async with serve_bench(maxMessageBytes=limit) as (peer, _):
            around = len(line_of(request("", method))) - 1
            await peer.send(request("i" * (limit - around), method))
            assert len(await peer.end.read_line() or b"") <= limit

    run(main())


def test_what_waits_for_a_response_is_not_done_if_its_result_was_too_large(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench(maxMessageBytes=4_096) as (peer, bench):
            await peer.call("act_after_reply", {"size": 10})
            assert bench.actions == ["acted"]
            assert (await peer.refusal("act_after_reply", {"size": 5_000}))["data"]["code"] == "MESSAGE_TOO_LARGE"
            assert bench.actions == ["acted"]

    run(main())


# --- batches ---


def test_a_batch_is_answered_when_its_slowest_request_is(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, bench):
            await peer.send([request(1, "wait", {"name": "a"}), request(2, "ping"), request(3, "fail_later")])
            await peer.has_nothing_more_to_say()
            bench.gate("a").set()
            assert sorted(answer["id"] for answer in await peer.read()) == [1, 2, 3]

    run(main())


def test_what_a_batch_starts_starts_after_the_whole_batch_was_answered(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, bench):
            await peer.send([request(1, "act_after_reply", {"size": 1}), request(2, "wait", {"name": "a"})])
            await peer.has_nothing_more_to_say()
            assert bench.actions == []
            bench.gate("a").set()
            assert len(await peer.read()) == 2
            assert bench.actions == ["acted"]

    run(main())


# --- the end ---


def test_stopping_answers_everything_in_flight_and_says_why(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, _):
            await peer.send(request(1, "wait", {"name": "a"}), [request(2, "wait", {"name": "b"})])
            await peer.call("ping")
            peer.dispatcher.refuse_all()
            await peer.dispatcher.settled()
            assert (await error_of(peer, 1))["data"]["code"] == "SHUTTING_DOWN"
            (answer,) = await peer.read()
            assert answer["error"]["data"]["code"] == "SHUTTING_DOWN"

    run(main())


def test_waiting_for_a_half_answered_batch_to_settle_does_not_spin(
    run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        waits = 0
        wait = asyncio.wait

        async def counted_wait(*args: Any, **more: Any) -> Any:
            nonlocal waits
            waits += 1
            return await wait(*args, **more)

        async with serve_bench() as (peer, bench):
            await peer.send([request(1, "fail_later"), request(2, "wait", {"name": "a"})])
            await peer.call("ping")
            monkeypatch.setattr("llm_sidecar.rpc.dispatcher.asyncio.wait", counted_wait)
            settled = asyncio.ensure_future(peer.dispatcher.settled())
            for _ in range(50):
                await asyncio.sleep(0)
            assert not settled.done()
            bench.gate("a").set()
            await settled
            assert waits < 10

    run(main())
