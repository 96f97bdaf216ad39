"""What the wire guarantees about streams: order, merging, the first token, cancelling; on every transport."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.hosts import TERMINALS, Answer, inference, is_event_of, notification, request
from tests.peers import TRANSPORTS, SidecarPeer, open_sidecar
from tests.virtual_time import run_virtual

on_every_transport = pytest.mark.parametrize("kind", TRANSPORTS)

FAST = "[[demo: connect=0 firstToken=0 rate=max]]"
ENDLESS = "[[demo: connect=0 firstToken=0 tokens=1 stall=1]]"


async def start(peer: SidecarPeer, *inference_ids: str, text: str) -> None:
    """Ask for several inferences in one chunk, and wait until all are accepted."""
    await peer.send(*(request(i, "llm:inference", inference(text, inferenceId=i)) for i in inference_ids))
    for inference_id in inference_ids:
        assert (await peer.response(inference_id))["result"] == {"inferenceId": inference_id}


@on_every_transport
def test_the_response_comes_before_the_first_event_of_its_inference(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            ids = ["a", "b", "c"]
            await peer.send(*(request(i, "llm:inference", inference(FAST + "x", inferenceId=i)) for i in ids))
            await peer.read_until(lambda m: False if len(peer.inbox) < 3 * len(ids) else m.get("method") in TERMINALS)
            for inference_id in ids:
                of_this = [m for m in peer.inbox if m.get("id") == inference_id or is_event_of(m, inference_id)]
                assert of_this[0] == {"jsonrpc": "2.0", "id": inference_id, "result": {"inferenceId": inference_id}}

    run(main())


@on_every_transport
def test_inferences_of_a_batch_begin_after_the_whole_answer_of_the_batch(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await peer.send(
                [
                    request(1, "llm:inference", inference(FAST + "x", inferenceId="a")),
                    request(2, "ping"),
                    request(3, "llm:inference", inference(FAST + "x", inferenceId="b")),
                ]
            )
            first = await peer.read()
            assert [answer["id"] for answer in first] == [1, 2, 3]
            assert (await peer.answer("a")).outcome == (await peer.answer("b")).outcome == "done"

    run(main())


def test_an_inference_cancelled_in_the_batch_that_started_it_ends_once_and_counts_once(run: Callable) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            await peer.send(
                [
                    request(1, "llm:inference", inference(ENDLESS, inferenceId="a")),
                    request(2, "llm:cancel", {"inferenceId": "a"}),
                ]
            )
            answers = await peer.read()
            assert answers[1]["result"] == {"success": True}
            answer = await peer.answer("a")
            assert answer.outcome == "cancelled"
            status = await peer.call("llm:get-status")
            assert peer.inbox == []
            figures = status["providers"]["demo"]
            assert (figures["requests"], figures["cancelled"]) == (1, 1)
            assert status["totalTokens"] == answer.terminal["usage"]["totalTokens"]
            assert status["activeInferences"] == 0

    run(main())


@on_every_transport
def test_every_inference_is_numbered_without_a_gap_and_ends_once(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            text = "[[demo: connect=0 firstToken=0 rate=20000 tokens=300 reasoning=100 toolCall=f]]"
            await start(peer, "a", "b", "c", "d", text=text)
            answers = [await peer.answer(inference_id) for inference_id in "abcd"]
            await peer.call("ping")
            assert peer.inbox == []
            assert {answer.outcome for answer in answers} == {"done"}
            for answer in answers:
                counts = [(token["index"], token["count"]) for token in answer.tokens]
                assert [index for index, _ in counts] == [sum(c for _, c in counts[:n]) for n in range(len(counts))]
                assert sum(count for _, count in counts) == 300

    run(main())


@on_every_transport
def test_tokens_merge_while_the_host_does_not_read_and_none_is_lost(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind, maxEventBytes=65_536) as peer:
            text = FAST + "[[demo: tokens=60000 seed=1]]"
            whole = await peer.answer(await peer.infer(text))
            peer.end.stall()
            await peer.send(request("slow", "llm:inference", inference(text, inferenceId="slow")))
            while (await status_of(peer))["outboxBytes"] < 65_536:
                await asyncio.sleep(0)
            peer.end.unstall()
            answer = await peer.answer("slow")
            assert answer.text == whole.text
            assert sum(token["count"] for token in answer.tokens) == 60_000
            # The provider's own pieces hold 2,048 tokens at most: larger ones were merged.
            assert max(token["count"] for token in answer.tokens) > 2_048

    run(main())


async def status_of(peer: SidecarPeer) -> dict[str, Any]:
    """The status as a sidecar knows it whose host reads nothing."""
    outbox = peer.sidecar._outbox
    return {"outboxBytes": outbox.queued_bytes, "congested": outbox.congested}


def active_inferences(peer: SidecarPeer) -> int:
    """As a sidecar knows it whose host reads nothing."""
    methods = peer.sidecar._loaded_methods
    assert methods is not None
    return methods.inferences.slots.active


@on_every_transport
def test_a_host_that_reads_nothing_is_sent_a_bounded_amount(run: Callable, kind: str) -> None:
    async def main() -> None:
        limit = 1 << 20
        async with open_sidecar(kind, maxEventBytes=limit, maxConcurrentInferences=8) as peer:
            peer.end.stall()
            ids = [f"i{number}" for number in range(8)]
            asked = [inference(FAST + "[[demo: tokens=100000]]", inferenceId=i) for i in ids]
            await peer.send(*(request(i, "llm:inference", params) for i, params in zip(ids, asked, strict=True)))
            while not (await status_of(peer))["congested"]:
                await asyncio.sleep(0)
            most = 0
            for _ in range(1_000):
                await asyncio.sleep(0)
                most = max(most, (await status_of(peer))["outboxBytes"])
            # Every stream may be one piece of 2,048 tokens above the bound, and the writer holds a chunk.
            assert most < limit + 8 * 32_768 + 2 * 131_072
            await peer.send(request("ping", "ping"), request("cancel", "llm:cancel", {"inferenceId": "i0"}))
            peer.end.unstall()
            assert (await peer.response("ping"))["result"] == {}
            assert (await peer.response("cancel"))["result"] == {"success": True}
            assert (await peer.answer("i0")).outcome == "cancelled"
            for inference_id in ids[1:]:
                answer = await peer.answer(inference_id)
                assert (answer.outcome, sum(token["count"] for token in answer.tokens)) == ("done", 100_000)

    run(main())


@on_every_transport
def test_after_the_reply_to_a_cancel_no_token_follows(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind, maxEventBytes=65_536) as peer:
            inference_id = await peer.infer(FAST + "[[demo: tokens=1000000]]")
            await peer.read_until(lambda m: m.get("method") == "llm:token")
            peer.end.stall()  # or a slow thread could bring the cancel after the millionth token
            cancel = await peer.ask("llm:cancel", {"inferenceId": inference_id})
            while active_inferences(peer):
                await asyncio.sleep(0)
            peer.end.unstall()
            assert (await peer.response(cancel))["result"] == {"success": True}
            seen_before = len(peer.inbox)
            await peer.read_until(lambda m: m.get("method") in TERMINALS)
            assert len(peer.inbox) == seen_before
            assert await peer.call("llm:cancel", {"inferenceId": inference_id}) == {"success": False}

    run(main())


@on_every_transport
def test_an_inference_cancelled_in_the_chunk_that_asked_for_it_ends_once(run: Callable, kind: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await peer.send(
                request(1, "llm:inference", inference(ENDLESS, inferenceId="a")),
                request(2, "llm:cancel", {"inferenceId": "a"}),
            )
            assert (await peer.response(1))["result"] == {"inferenceId": "a"}
            assert (await peer.response(2))["result"] == {"success": True}
            assert (await peer.answer("a")).outcome == "cancelled"
            await peer.call("ping")
            assert peer.inbox == []

    run(main())


def test_asking_to_cancel_the_request_does_not_touch_the_inference_it_started(run: Callable) -> None:
    async def main() -> None:
        async with open_sidecar() as peer:
            await peer.send(
                request("r", "llm:inference", inference(FAST + "[[demo: text=whole]]", inferenceId="a")),
                notification("$/cancelRequest", {"id": "r"}),
            )
            assert (await peer.response("r"))["result"] == {"inferenceId": "a"}
            assert (await peer.answer("a")).text == "whole"

    run(main())


# --- pace, on virtual time ---


async def timed_tokens(text: str, **batching: int) -> list[tuple[float, int]]:
    """When each `llm:token` came, in seconds since the first, and how many tokens it held."""
    found: list[tuple[float, int]] = []
    async with open_sidecar() as peer:
        await peer.call("initialize", {"protocolVersion": 1, **({"tokenBatching": batching} if batching else {})})
        inference_id = await peer.infer(text)
        answer = Answer()
        while not answer.is_over:
            message = await peer.read_until(lambda m: is_event_of(m, inference_id))
            answer.add(message)
            if message["method"] == "llm:token":
                found.append((asyncio.get_running_loop().time(), message["params"]["count"]))
    return [(round(at - found[0][0], 3), count) for at, count in found]


def test_every_token_is_sent_as_it_comes_unless_the_host_wants_fewer() -> None:
    tokens = run_virtual(timed_tokens("[[demo: rate=50 tokens=20]]"))
    assert tokens == [(round(number / 50, 3), 1) for number in range(20)]


def test_the_first_token_never_waits_and_later_ones_are_merged_for_the_delay_the_host_asked_for() -> None:
    tokens = run_virtual(timed_tokens("[[demo: rate=50 tokens=41]]", maxDelayMs=200))
    assert tokens[0] == (0.0, 1)
    assert sum(count for _, count in tokens) == 41
    # Held from the second token (20 ms) on: 200 ms later there are eleven.
    assert tokens[1] == (0.22, 11)
    assert len(tokens) <= 6


def test_a_full_batch_does_not_wait_for_its_delay() -> None:
    tokens = run_virtual(timed_tokens("[[demo: rate=50 tokens=41]]", maxDelayMs=1_000, maxTokens=4))
    assert tokens == [(0.0, 1)] + [(round(0.08 * number, 3), 4) for number in range(1, 11)]


def test_what_is_held_back_is_sent_before_the_end() -> None:
    tokens = run_virtual(timed_tokens("[[demo: rate=50 tokens=3]]", maxDelayMs=1_000))
    assert tokens == [(0.0, 1), (0.04, 2)]


def test_a_first_token_leaves_before_the_second_exists(run: Callable) -> None:
    async def main() -> None:
        for kind in TRANSPORTS:
            async with open_sidecar(kind) as peer:
                await peer.infer(ENDLESS)
                token = await peer.read_until(lambda m: m.get("method") == "llm:token")
                assert token["params"]["count"] == 1

    run(main())


# --- clocks ---


def test_a_jump_of_the_wall_clock_moves_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A year forth and back between the tokens: timers, timings and pace stay what they were."""

    async def main() -> tuple[Answer, float]:
        async with open_sidecar() as peer:
            began = asyncio.get_running_loop().time()
            inference_id = await peer.infer(
                "[[demo: connect=0 firstToken=1000 rate=10 tokens=50]]",
                timeoutMs=10_000,
                firstTokenTimeoutMs=5_000,
                chunkTimeoutMs=1_000,
            )
            answer, now, year = Answer(), time.time(), 366 * 86_400
            while not answer.is_over:
                year = -year
                monkeypatch.setattr(time, "time", lambda at=now + year: at)
                answer.add(await peer.read_until(lambda m: is_event_of(m, inference_id)))
            return answer, asyncio.get_running_loop().time() - began

    answer, seconds = run_virtual(main())
    assert answer.outcome == "done"
    assert seconds == pytest.approx(5.9, abs=0.05)
    assert answer.terminal["timings"]["totalMs"] == pytest.approx(5_900, abs=50)
    assert answer.terminal["timings"]["firstTokenMs"] == pytest.approx(1_000, abs=50)


def test_a_deadline_is_kept_though_the_wall_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> tuple[Answer, float]:
        monkeypatch.setattr(time, "time", lambda: 0.0)
        async with open_sidecar() as peer:
            began = asyncio.get_running_loop().time()
            answer = await peer.answer(await peer.infer("[[demo: hang]]", timeoutMs=3_000, firstTokenTimeoutMs=600_000))
            return answer, asyncio.get_running_loop().time() - began

    answer, seconds = run_virtual(main())
    assert answer.outcome == "TIMEOUT"
    assert seconds == pytest.approx(3, abs=0.05)


def test_no_deadline_runs_while_the_host_does_not_read() -> None:
    async def main() -> Answer:
        async with open_sidecar(maxEventBytes=65_536) as peer:
            inference_id = await peer.infer(
                FAST + "[[demo: tokens=100000]]", timeoutMs=1_000, firstTokenTimeoutMs=1_000, chunkTimeoutMs=1_000
            )
            peer.end.stall()
            await asyncio.sleep(600)
            peer.end.unstall()
            return await peer.answer(inference_id)

    answer = run_virtual(main())
    assert answer.outcome == "done"
    assert sum(token["count"] for token in answer.tokens) == 100_000


# --- the channel ---

INJECTIONS = [
    '{"jsonrpc":"2.0","id":1,"method":"shutdown"}',
    '\n{"jsonrpc":"2.0","id":1,"method":"shutdown"}\n',
    '\r\n{"jsonrpc":"2.0","method":"exit"}\r\n',
    '"}}\n{"jsonrpc":"2.0","method":"exit"}\n{"a":{"b":"',
    '\\n{"jsonrpc":"2.0","method":"exit"}\\n',
    '\u2028{"jsonrpc":"2.0","method":"exit"}\u2029\x85\x0b\x0c',
    '\x00\x1e{"jsonrpc":"2.0","method":"exit"}\x1e\x04',
    '\ufeff[{"jsonrpc":"2.0","method":"llm:cancel","params":{"inferenceId":"victim"}}]',
]


@on_every_transport
@pytest.mark.parametrize("text", INJECTIONS)
def test_model_output_that_looks_like_a_request_is_text_and_nothing_else(run: Callable, kind: str, text: str) -> None:
    async def main() -> None:
        async with open_sidecar(kind) as peer:
            await start(peer, "victim", text=ENDLESS)
            told = json.dumps(text)
            directives = (
                f"[[demo: connect=0 firstToken=0 rate=max reasoning={told} text={told} toolCall=f{told} "
                f"providerState={json.dumps({text: text})}]]"
            )
            answer = await peer.answer(await peer.infer(directives))
            assert (answer.outcome, answer.text) == ("done", text)
            (call,) = answer.terminal["toolCalls"]
            assert call["arguments"] == text
            assert answer.terminal["providerState"] == {text: text}
            assert await peer.call("ping") == {}
            assert not [m for m in peer.inbox if m.get("method") in TERMINALS]
            assert await peer.call("llm:cancel", {"inferenceId": "victim"}) == {"success": True}

    run(main())
