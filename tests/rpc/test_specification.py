"""The examples of the JSON-RPC 2.0 specification (section 7), each on every transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.peers import TRANSPORTS
from tests.rpc.bench import serve_bench

pytestmark = pytest.mark.parametrize("kind", TRANSPORTS)

FIRST_IN_BATCH = [
    {"jsonrpc": "2.0", "method": "sum", "params": [1, 2, 4], "id": "1"},
    {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
    {"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": "2"},
    {"foo": "boo"},
    {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
    {"jsonrpc": "2.0", "method": "get_data", "id": "9"},
]


def gist(response: dict[str, Any]) -> tuple[Any, Any]:
    """What the specification fixes of a response: the id, and the result or the number of the error."""
    assert response["jsonrpc"] == "2.0"
    assert set(response) in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
    if "error" in response:
        assert isinstance(response["error"]["message"], str)
        return response["id"], response["error"]["code"]
    return response["id"], response["result"]


@pytest.mark.parametrize(
    ("params", "result"),
    [
        ([42, 23], 19),
        ([23, 42], -19),
        ({"subtrahend": 23, "minuend": 42}, 19),
        ({"minuend": 42, "subtrahend": 23}, 19),
    ],
)
def test_parameters_are_taken_by_position_and_by_name(run: Callable, kind: str, params: Any, result: int) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            assert await peer.call("subtract", params) == result

    run(main())


def test_a_notification_is_done_and_never_answered(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, bench):
            await peer.send({"jsonrpc": "2.0", "method": "update", "params": [1, 2, 3, 4, 5]})
            await peer.send({"jsonrpc": "2.0", "method": "foobar"})
            await peer.has_nothing_more_to_say()
            assert [(update.a, update.e) for update in bench.updates] == [(1, 5)]

    run(main())


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b'{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', ("1", -32601)),
        (b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', (None, -32700)),
        (b'{"jsonrpc": "2.0", "method": 1, "params": "bar"}', (None, -32600)),
        (
            b'[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]',
            (None, -32700),
        ),
        (b"[]", (None, -32600)),
    ],
    ids=["no such method", "invalid JSON", "invalid request", "batch of invalid JSON", "empty batch"],
)
def test_what_is_wrong_with_a_line_is_said_once(run: Callable, kind: str, line: bytes, answer: tuple[Any, int]) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            await peer.send_bytes(line + b"\n")
            assert gist(await peer.read()) == answer
            await peer.has_nothing_more_to_say()

    run(main())


@pytest.mark.parametrize("batch", [[1], [1, 2, 3]])
def test_every_invalid_item_of_a_batch_is_answered(run: Callable, kind: str, batch: list[int]) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            await peer.send(batch)
            assert [gist(item) for item in await peer.read()] == [(None, -32600)] * len(batch)
            await peer.has_nothing_more_to_say()

    run(main())


def test_a_batch_is_answered_by_one_array_of_what_is_owed(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, bench):
            await peer.send(FIRST_IN_BATCH)
            answers = [gist(item) for item in await peer.read()]
            expected = [("1", 7), ("2", 19), (None, -32600), ("5", -32601), ("9", ["hello", 5])]
            assert sorted(answers, key=repr) == sorted(expected, key=repr)
            assert bench.greetings == [7]
            await peer.has_nothing_more_to_say()

    run(main())


def test_a_batch_of_notifications_is_not_answered_at_all(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, bench):
            await peer.send(
                [
                    {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
                    {"jsonrpc": "2.0", "method": "notify_hello", "params": [8]},
                ]
            )
            await peer.has_nothing_more_to_say()
            assert bench.greetings == [7, 8]

    run(main())
