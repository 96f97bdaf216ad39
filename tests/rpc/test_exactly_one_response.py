"""The first law of the dispatcher, for conversations nobody thought of: every request gets exactly one response."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hosts import line_of, notification, request
from tests.peers import TRANSPORTS
from tests.rpc.bench import serve_bench

ids = st.sampled_from([1, 2, 3, "a", "b", 1.5, None, "1"])
calls = st.sampled_from(
    [
        ("ping", None),
        ("subtract", [5, 3]),
        ("subtract", {"minuend": "x"}),
        ("wait", {"name": "gate"}),
        ("wait", {"name": "open"}),
        ("fail", None),
        ("fail_later", None),
        ("fail_when_written", None),
        ("fail_after_reply", None),
        ("unencodable", None),
        ("text", {"size": 100}),
        ("text", {"size": 5_000}),
        ("late_text", {"size": 5_000}),
        ("nowhere", None),
        ("update", [1]),
    ]
)
requests = st.builds(lambda request_id, call: request(request_id, *call), ids, calls)
notifications = st.one_of(
    calls.map(lambda call: notification(*call)),
    ids.map(lambda request_id: notification("$/cancelRequest", {"id": request_id})),
    st.builds(lambda request_id: {"jsonrpc": "2.0", "id": request_id, "result": 1}, ids),
)
invalid = st.one_of(
    st.builds(lambda request_id: {"jsonrpc": "1.0", "id": request_id, "method": "ping"}, ids),
    st.sampled_from([{}, 5, "x", None, {"jsonrpc": "2.0", "id": {}, "method": "ping"}]),
)
items = st.one_of(requests, requests, notifications, invalid)
lines = st.one_of(items, items, st.lists(items, max_size=6), st.sampled_from([b"{", b"\xff", b"[1,", b"x" * 5_000]))
conversations = st.lists(lines, max_size=25)


def owed(item: Any) -> list[Any]:
    """The id under which an item has to be answered, if it has to."""
    if not isinstance(item, dict):
        return [None]
    if "result" in item or ("id" not in item and item.get("jsonrpc") == "2.0" and "method" in item):
        return []
    request_id = item.get("id")
    return [None if isinstance(request_id, dict) else request_id]


def expected(line: Any) -> Counter[str]:
    if isinstance(line, bytes) or line == []:
        return Counter(["null"])
    of_items = [owed(item) for item in line] if isinstance(line, list) else [owed(line)]
    return Counter(json.dumps(request_id) for found in of_items for request_id in found)


async def converse(kind: str, conversation: list[Any], cuts: list[int]) -> Counter[str]:
    """The ids of all responses to a conversation, written in pieces."""
    data = b"".join(line + b"\n" if isinstance(line, bytes) else line_of(line) for line in conversation)
    ends = sorted({cut for cut in cuts if cut < len(data)} | {len(data)})
    async with serve_bench(kind, maxMessageBytes=4_096) as (peer, bench):
        bench.gate("open").set()
        start = 0
        for end in ends:
            await peer.send_bytes(data[start:end])
            start = end
            await asyncio.sleep(0)
        await peer.call("ping")
        bench.gate("gate").set()
        await peer.call("ping")
        await peer.dispatcher.settled()
        await peer.call("ping")
        found: Counter[str] = Counter()
        for message in peer.inbox:
            for answer in message if isinstance(message, list) else [message]:
                found[json.dumps(answer["id"])] += 1
        return found


@pytest.mark.parametrize("kind", TRANSPORTS)
@settings(max_examples=60)
@given(conversations, st.lists(st.integers(0, 3_000), max_size=6))
def test_whatever_is_said_every_request_gets_exactly_one_response(
    kind: str, conversation: list[Any], cuts: list[int]
) -> None:
    found = asyncio.run(asyncio.wait_for(converse(kind, conversation, cuts), 10))
    assert found == sum((expected(line) for line in conversation), Counter())


def test_a_flood_of_notifications_is_handled_and_never_answered(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench("pipes") as (peer, bench):
            data = line_of(notification("notify_hello", [1])) * 1_000
            for _ in range(5):
                await peer.send_bytes(data)
            await peer.has_nothing_more_to_say()
            assert len(bench.greetings) == 5_000

    run(main())
