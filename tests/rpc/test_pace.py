"""Backpressure: what is queued is bounded, nothing is lost by it, and reading goes on as soon as there is room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from llm_sidecar.limits import Limits
from llm_sidecar.rpc.memory import MemorySink
from llm_sidecar.rpc.outbox import Outbox
from llm_sidecar.rpc.replies import EncodedReply
from tests.hosts import line_of, request
from tests.peers import TRANSPORTS
from tests.rpc.bench import serve_bench
from tests.virtual_time import run_virtual

on_every_transport = pytest.mark.parametrize("kind", TRANSPORTS)
where_a_hang_up_is_seen_without_reading = pytest.mark.parametrize("kind", ["memory", "pipes"])


class Sent:
    """An event that remembers when it was taken."""

    def __init__(self, name: str, weight: int, taken: list[str]) -> None:
        self.name = name
        self.weight = weight
        self._taken = taken

    def take(self) -> tuple[str, Any]:
        self._taken.append(self.name)
        if self.name == "broken":
            raise ValueError(self.name)
        return self.name, {}


def outbox_of(sink: MemorySink, **limits: int) -> Outbox:
    in_force = msgspec.structs.replace(Limits(), **limits)
    return Outbox(sink, lambda: in_force)


# --- the outbox ---


def test_everything_leaves_in_the_order_it_came(run: Callable) -> None:
    async def main() -> None:
        sink = MemorySink()
        outbox = outbox_of(sink)
        for number in range(100):
            if number % 2:
                outbox.publish(Sent(f"event-{number}", 10, []))
            else:
                outbox.reserve()
                outbox.answer(EncodedReply(b'"event-%d"' % number))
        for number in range(100):
            assert f'"event-{number}"'.encode() in (await sink.read_line() or b"")

    run(main())


def test_an_event_is_taken_only_when_the_writer_can_write_it(run: Callable) -> None:
    async def main() -> None:
        sink, taken = MemorySink(), []
        outbox = outbox_of(sink)
        sink.stall()
        outbox.publish(Sent("first", 10, taken))
        await asyncio.sleep(0)
        outbox.publish(Sent("second", 10, taken))
        await asyncio.sleep(0)
        assert taken == ["first"]
        sink.unstall()
        await outbox.drained()
        assert taken == ["first", "second"]

    run(main())


def test_an_event_that_cannot_be_encoded_takes_no_other_with_it(run: Callable) -> None:
    async def main() -> None:
        sink = MemorySink()
        outbox = outbox_of(sink)
        for name in ("first", "broken", "last"):
            outbox.publish(Sent(name, 10, []))
        assert b"first" in (await sink.read_line() or b"")
        assert b"last" in (await sink.read_line() or b"")
        assert outbox.queued_bytes == 0

    run(main())


def test_what_the_host_has_not_taken_counts_however_often_it_is_offered(run: Callable) -> None:
    async def main() -> None:
        sink = MemorySink()
        outbox = outbox_of(sink)
        sink.stall()
        outbox.publish(Sent("on its way", 10, []))
        outbox.flush()
        on_its_way = outbox.queued_bytes
        outbox.flush()
        assert outbox.queued_bytes == on_its_way > 10

    run(main())


def test_whoever_waits_for_room_goes_on_when_the_host_has_read(run: Callable) -> None:
    async def main() -> None:
        sink = MemorySink()
        outbox = outbox_of(sink, max_event_bytes=100)
        sink.stall()
        outbox.publish(Sent("on its way", 10, []))
        await asyncio.sleep(0)
        outbox.publish(Sent("waits", 101, []))
        assert outbox.congested
        waiting = [asyncio.ensure_future(outbox.room()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert not waiting[1].done()
        sink.unstall()
        await asyncio.gather(*waiting[1:])
        assert not outbox.congested

    run(main())


def test_a_queued_event_that_grows_counts_with_its_new_weight(run: Callable) -> None:
    async def main() -> None:
        sink = MemorySink()
        outbox = outbox_of(sink, max_event_bytes=100)
        event = Sent("grows", 10, [])
        sink.stall()
        outbox.publish(Sent("on its way", 10, []))
        await asyncio.sleep(0)
        outbox.publish(event)
        assert not outbox.congested
        event.weight += 95
        outbox.grew(95)
        assert outbox.congested
        sink.unstall()
        await outbox.drained()
        assert (outbox.congested, outbox.queued_bytes) == (False, 0)

    run(main())


def test_a_broken_sink_frees_everything_and_everyone_at_once(run: Callable) -> None:
    async def main() -> None:
        sink, told = MemorySink(), []
        outbox = outbox_of(sink, max_event_bytes=100, max_reply_bytes=100)
        outbox.on_broken = lambda: told.append(True)
        sink.stall()
        outbox.publish(Sent("on its way", 10, []))
        await asyncio.sleep(0)
        outbox.publish(Sent("never", 500, []))
        outbox.reserve()
        outbox.answer(EncodedReply(b"x" * 500))
        waiting = asyncio.gather(outbox.room(), outbox.drained())
        await asyncio.sleep(0)
        sink.hang_up()
        await waiting
        assert told == [True]
        assert (outbox.congested, outbox.replies_full, outbox.queued_bytes) == (False, False, 0)
        outbox.publish(Sent("too late", 500, []))
        assert outbox.queued_bytes == 0

    run(main())


# --- reading and answering ---


@on_every_transport
def test_reading_stops_while_too_many_replies_are_unread_and_every_request_is_answered_in_the_end(
    run: Callable, kind: str
) -> None:
    count, limit = 10_000, 65_536

    async def main() -> None:
        async with serve_bench(kind, maxReplyBytes=limit) as (peer, _):
            peer.end.stall()
            data = b"".join(line_of(request(number, "text", {"size": 400})) for number in range(count))
            writing = asyncio.ensure_future(peer.send_bytes(data))
            most = 0
            while not peer.outbox.replies_full:
                await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
                most = max(most, peer.outbox.queued_bytes)
            if kind != "memory":
                done, _ = await asyncio.wait([writing], timeout=0.2)
                assert not done, "everything was read, though there is no room for the answers"
            peer.end.unstall()
            answered = [(await peer.read())["id"] for _ in range(count)]
            await writing
            assert answered == list(range(count))
            # What the writer has taken is counted too: one chunk.
            assert most < limit + 2 * 131_072

    run(main())


@on_every_transport
def test_reading_goes_on_when_room_came_from_requests_that_were_answered(run: Callable, kind: str) -> None:
    """Places reserved for replies count as well: the room may come back before anything is written."""

    async def main() -> None:
        async with serve_bench(kind, maxReplyBytes=65_536) as (peer, bench):
            waiting = 200
            await peer.send(*(request(number, "wait", {"name": "gate"}) for number in range(waiting)))
            while not peer.outbox.replies_full:
                await asyncio.sleep(0)
            bench.gate("gate").set()
            answered = {(await peer.read())["id"] for _ in range(waiting)}
            assert answered == set(range(waiting))
            await peer.call("ping")

    run(main())


@on_every_transport
def test_room_that_came_from_answered_requests_is_used_though_the_host_does_not_read(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind, maxReplyBytes=65_536) as (peer, bench):
            peer.end.stall()
            await peer.send(request("fills the pipe", "text", {"size": 300_000}))
            await peer.send(*(request(f"{number}", "wait", {"name": "gate"}) for number in range(200)))
            await peer.send({"jsonrpc": "2.0", "method": "notify_hello", "params": [1]})
            while not peer.outbox.replies_full:
                await asyncio.sleep(0)
            assert bench.greetings == []
            bench.gate("gate").set()
            while not bench.greetings:
                await asyncio.sleep(0)
            peer.end.unstall()

    run(main())


@on_every_transport
def test_a_burst_of_requests_does_not_keep_the_loop_from_others(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind) as (peer, _):
            handled = []
            handle_line = peer.dispatcher.handle_line
            peer.dispatcher.handle_line = lambda line: handled.append(line) or handle_line(line)  # type: ignore[method-assign]
            await peer.send(*(request(number, "ping") for number in range(1_500)))
            most = 0
            while len(handled) < 1_500:
                before = len(handled)
                await asyncio.sleep(0)
                most = max(most, len(handled) - before)
            assert most <= 200
            assert [(await peer.read())["id"] for _ in range(1_500)] == list(range(1_500))

    run(main())


# --- garbage ---


def garbage_answered_within(seconds: float, per_second: int, lines: list[bytes]) -> int:
    """How many of `lines` have been answered after `seconds`, on virtual time."""

    async def main() -> int:
        async with serve_bench(invalidMessagesPerSecond=per_second) as (peer, _):
            answers = 0
            await peer.send_bytes(b"".join(lines))

            async def count() -> None:
                nonlocal answers
                while True:
                    answer = await peer.read()
                    answers += len(answer) if isinstance(answer, list) else 1

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(count(), seconds)
            return answers

    return int(run_virtual(main()))


@pytest.mark.parametrize("line", [b"{\n", b"\xff\n", b"{}\n", b"[]\n", b'{"method":1}\n'])
def test_errors_of_null_are_answered_at_a_bounded_pace(line: bytes) -> None:
    answers = garbage_answered_within(10.01, 100, [line] * 5_000)
    assert 1_000 <= answers <= 1_150


def test_garbage_in_batches_is_slowed_down_just_as_well() -> None:
    answers = garbage_answered_within(10.01, 100, [b"[1,2,3,4,5,6,7,8,9,10]\n"] * 1_000)
    assert answers <= 1_200


def test_garbage_is_answered_in_the_end_and_what_comes_after_it_is_served() -> None:
    async def main() -> None:
        async with serve_bench(invalidMessagesPerSecond=10) as (peer, _):
            await peer.send_bytes(b"garbage\n" * 100 + line_of(request(1, "ping")))
            for _ in range(100):
                assert (await peer.read())["error"]["code"] == -32700
            assert (await peer.read())["id"] == 1

    run_virtual(main())


def test_requests_that_can_be_attributed_are_not_slowed_down() -> None:
    async def main() -> None:
        async with serve_bench(invalidMessagesPerSecond=1) as (peer, _):
            start = asyncio.get_running_loop().time()
            await peer.send(*(request(number, "nowhere") for number in range(1_000)))
            for _ in range(1_000):
                await peer.read()
            assert asyncio.get_running_loop().time() - start < 1

    run_virtual(main())


@where_a_hang_up_is_seen_without_reading
def test_the_end_of_input_waits_for_no_garbage(run: Callable, kind: str) -> None:
    """The process must be gone two seconds after the end of stdin, whatever was in it."""

    async def main() -> None:
        async with serve_bench(kind, invalidMessagesPerSecond=1) as (peer, _):
            await peer.send_bytes(b"garbage\n" * 1_000)
            peer.end.end()
            await asyncio.wait_for(peer.ended.wait(), 5)

    run(main())


@where_a_hang_up_is_seen_without_reading
def test_the_end_of_input_waits_for_no_room_for_replies(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with serve_bench(kind, maxReplyBytes=65_536) as (peer, _):
            peer.end.stall()
            await peer.send(*(request(number, "text", {"size": 10_000}) for number in range(100)))
            while not peer.outbox.replies_full:
                await asyncio.sleep(0)
            peer.end.end()
            await asyncio.wait_for(peer.ended.wait(), 5)

    run(main())


def test_a_host_that_reads_gets_every_answer_however_long_the_requests_before_the_end_of_input_take(
    run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the loop gets its turn between two hundred lines is no reason to look for a hang-up, and to leave on it."""
    monkeypatch.setattr("llm_sidecar.rpc.polled._HANGUP_CHECK_SECONDS", 0.0)

    async def main() -> None:
        count = 4_000
        async with serve_bench("pipes") as (peer, _):
            await peer.send(*(request(number, "ping") for number in range(count)))
            peer.end.end()
            for number in range(count):
                assert (await peer.read())["id"] == number

    run(main())


def test_the_end_of_input_is_told_after_everything_before_it_was_dispatched(run: Callable) -> None:
    async def main() -> None:
        async with serve_bench() as (peer, _):
            await peer.send(*(request(number, "ping") for number in range(1_000)))
            peer.end.end()
            await peer.ended.wait()
            assert [(await peer.read())["id"] for _ in range(1_000)] == list(range(1_000))

    run(main())
