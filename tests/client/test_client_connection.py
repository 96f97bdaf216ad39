"""The host's end of the wire, without a process: bytes in, bytes out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_sidecar.client.connection import Connection
from llm_sidecar.client.event_stream import AnswerEvent, EventStream
from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.events import DoneEvent, TokenEvent


class Wire:
    """A connection whose peer is the test."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.connection = Connection(lambda data: self.sent.append(json.loads(data)))

    def say(self, *messages: Any) -> None:
        """Bring messages of the peer, all in one read."""
        self.connection.feed(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    async def asked(self) -> None:
        """Let the tasks that were just made send their requests."""
        await asyncio.sleep(0)


def result(request_id: int, value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": value}


def token(seq: int, text: str) -> dict[str, Any]:
    params = {"inferenceId": "a", "seq": seq, "token": text, "index": seq, "count": 1}
    return {"jsonrpc": "2.0", "method": "llm:token", "params": params}


def done(seq: int) -> dict[str, Any]:
    params = {
        "inferenceId": "a",
        "seq": seq,
        "totalTokens": 3,
        "usage": {"promptTokens": 1, "completionTokens": 2, "totalTokens": 3, "source": "reported"},
        "cost": None,
        "finishReason": "stop",
        "rawFinishReason": "stop",
        "providerId": "demo",
        "modelId": "demo-1",
        "attempts": 1,
        "timings": {"queuedMs": 0, "firstTokenMs": 1, "totalMs": 2},
    }
    return {"jsonrpc": "2.0", "method": "llm:done", "params": params}


async def all_of(stream: EventStream) -> list[AnswerEvent]:
    return [event async for event in stream]


def test_replies_find_their_requests_in_any_order(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        first = asyncio.create_task(wire.connection.request("ping", {}))
        second = asyncio.create_task(wire.connection.request("ping", {}))
        await wire.asked()
        ids = [message["id"] for message in wire.sent]
        assert len(set(ids)) == 2
        wire.say(result(ids[1], "second"), result(ids[0], "first"))
        assert (await first, await second) == (b'"first"', b'"second"')

    run(main())


def test_an_error_keeps_the_code_of_the_peer_even_one_this_version_does_not_know(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        asking = asyncio.create_task(wire.connection.request("ping", {}))
        await wire.asked()
        data = {"code": "FROM_THE_FUTURE", "retryable": True, "retryAfterMs": 70, "details": {"a": 1}, "timestamp": 0}
        error = {"code": -32000, "message": "Later.", "data": data}
        wire.say({"jsonrpc": "2.0", "id": wire.sent[0]["id"], "error": error})
        with pytest.raises(SidecarError, match="Later") as raised:
            await asking
        told = raised.value
        assert (told.code, told.retryable, told.retry_after_ms, told.details) == (
            "FROM_THE_FUTURE",
            True,
            70,
            {"a": 1},
        )

    run(main())


def test_events_that_come_with_the_acceptance_are_kept_for_who_iterates_later(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        stream = wire.connection.open_stream("a")
        asking = asyncio.create_task(wire.connection.request("llm:inference", {"inferenceId": "a"}))
        await wire.asked()
        wire.say(result(wire.sent[0]["id"], {"inferenceId": "a"}), token(0, "Hel"), token(1, "lo"), done(2))
        await asking
        events = await all_of(stream)
        assert [event.seq for event in events] == [0, 1, 2]
        assert "".join(event.token for event in events if isinstance(event, TokenEvent)) == "Hello"
        assert isinstance(events[-1], DoneEvent)

    run(main())


def test_a_message_may_arrive_byte_by_byte(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        stream = wire.connection.open_stream("a")
        for message in (token(0, "é"), done(1)):
            for byte in json.dumps(message, ensure_ascii=False).encode() + b"\n":
                wire.connection.feed(bytes([byte]))
        events = await all_of(stream)
        assert isinstance(events[0], TokenEvent)
        assert events[0].token == "é"
        assert len(events) == 2

    run(main())


def test_a_finished_stream_stays_finished(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        stream = wire.connection.open_stream("a")
        wire.say(done(0))
        assert len(await all_of(stream)) == 1
        assert await all_of(stream) == []
        stream.cancel()
        assert wire.sent == []

    run(main())


@pytest.mark.parametrize(
    "line",
    [
        b"Welcome!\n",
        b"{}\n",
        b"[1]\n",
        b"\xff\xfe\n",
        b'{"jsonrpc":"1.0","id":1,"result":{}}\n',
        b'{"jsonrpc":"2.0"\n',
        b'{"jsonrpc":"2.0","method":"\xff"}\n',
        b'{"jsonrpc":"2.0","method":"llm:token","params":{"inferenceId":"a","seq":0,"token":"\xff","index":0,"count":1}}\n',
        b'{"jsonrpc":"2.0","method":"llm:token","params":{"inferenceId":"a"}}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_line_that_is_no_message_is_counted_and_skipped(line: bytes, run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        stream = wire.connection.open_stream("a")
        wire.connection.feed(line)
        wire.say(done(0))
        assert wire.connection.unreadable_lines == 1
        assert len(await all_of(stream)) == 1

    run(main())


def test_messages_for_nobody_are_ignored_and_are_no_noise(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        wire.say(
            token(0, "of a stream that was left"),
            result(99, {}),
            {"jsonrpc": "2.0", "method": "from:the:future", "params": {"x": 1}},
        )
        assert wire.connection.unreadable_lines == 0

    run(main())


def test_a_request_above_the_peers_limit_is_refused_before_it_is_sent(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        wire.connection.set_max_message_bytes(100)
        with pytest.raises(SidecarError) as raised:
            await wire.connection.request("ping", {"text": "x" * 100})
        assert raised.value.code == "MESSAGE_TOO_LARGE"
        assert wire.sent == []

    run(main())


def test_a_caller_that_gives_up_tells_the_peer(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        asking = asyncio.create_task(wire.connection.request("ping", {}))
        await wire.asked()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        request_id = wire.sent[0]["id"]
        assert wire.sent[1] == {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": request_id}}
        wire.say(result(request_id, {}))  # its one response comes all the same, and finds nobody

    run(main())


def test_the_end_of_the_peer_fails_every_waiter_and_every_later_request(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        waiting = [asyncio.create_task(wire.connection.request("ping", {})) for _ in range(3)]
        stream = wire.connection.open_stream("a")
        await wire.asked()
        wire.say(token(0, "last words"))
        wire.connection.fail(SidecarError("SHUTTING_DOWN", "gone"))
        for task in waiting:
            with pytest.raises(SidecarError, match="gone"):
                await task
        with pytest.raises(SidecarError, match="gone"):
            await wire.connection.request("ping", {})
        assert (await anext(stream)).seq == 0
        for _ in range(2):
            with pytest.raises(SidecarError, match="gone"):
                await anext(stream)
        stream.cancel()
        assert len(wire.sent) == 3

    run(main())


def test_two_streams_cannot_share_an_id(run: Callable[..., Any]) -> None:
    async def main() -> None:
        wire = Wire()
        stream = wire.connection.open_stream("a")
        with pytest.raises(SidecarError) as raised:
            wire.connection.open_stream("a")
        assert raised.value.code == "INFERENCE_EXISTS"
        wire.connection.close_stream(stream)
        wire.connection.open_stream("a")

    run(main())
