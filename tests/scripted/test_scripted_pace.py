"""When the demo provider says it: latency, pace, batches, faults and cancellation, on virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.events import ModelNamed, TextDelta
from llm_sidecar.providers.scripted.adapter import ScriptedProvider
from llm_sidecar.providers.scripted.directives import FAULT_CODES
from tests.scripted.playing import Played, play, play_on, request, say
from tests.virtual_time import VirtualTimeError, run_virtual

approx = pytest.approx


def failure(played: Played) -> ProviderError:
    """The error a stream ended with; there is no end marker and no usage beside it."""
    assert isinstance(played.error, ProviderError)
    assert played.finish is None
    assert played.usage is None
    return played.error


def tokens(played: Played) -> int:
    return sum(delta.count for delta in played.of(TextDelta))


# --- pace ---


def test_a_model_accepts_then_thinks_then_speaks_at_its_pace() -> None:
    played = say("[[demo: tokens=6]]")
    assert played.accepted_at == approx(0.03)
    assert played.content_times == approx([0.28, 0.30, 0.32, 0.34, 0.36, 0.38])
    assert played.ended_at == approx(0.38)


def test_latency_and_pace_can_be_directed() -> None:
    played = say("[[demo: tokens=4 connect=1500 firstToken=2500 rate=0.5]]")
    assert played.accepted_at == approx(1.5)
    assert played.content_times == approx([4, 6, 8, 10])


def test_pace_does_not_drift() -> None:
    played = say("[[demo: tokens=3001 connect=0 firstToken=0 rate=30]]")
    assert tokens(played) == 3001
    assert played.ended_at == approx(100.0, abs=1e-6)


def test_reasoning_and_tool_arguments_are_paced_like_text() -> None:
    played = say('[[demo: reasoning="a b" text="c" toolCall=t"x y" connect=0 firstToken=1000 rate=1]]')
    assert played.content_times == approx([1, 2, 3, 4, 5])


def test_the_fast_model_takes_no_time() -> None:
    played = say("[[demo: tokens=10000]]", model="demo-fast")
    assert tokens(played) == 10_000
    assert played.ended_at == 0.0


@pytest.mark.parametrize("rate", ["max", "0"])
def test_as_fast_as_possible_comes_in_few_large_batches(rate: str) -> None:
    played = say(f"[[demo: tokens=100000 rate={rate}]]")
    assert tokens(played) == 100_000
    assert len(played.batches) <= 55
    assert played.ended_at == approx(0.28)


def test_as_fast_as_possible_lets_others_run_between_batches() -> None:
    async def main() -> None:
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count_turns())
        played = await play_on(ScriptedProvider(), request("[[demo: tokens=100000]]", model="demo-fast"))
        counting.cancel()
        assert turns >= len(played.content_times) > 40

    run_virtual(main())


def test_what_is_late_comes_together_and_the_pace_is_made_up() -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        asked = request("[[demo: tokens=100 connect=0 firstToken=0 rate=10]]")
        async with ScriptedProvider().stream(asked) as batches:
            assert await anext(batches) == [ModelNamed("demo-1")]
            assert [event.count for event in await anext(batches)] == [1]
            await asyncio.sleep(5)
            assert [event.count for event in await anext(batches)] == [50]
            assert clock() == approx(5)
            assert [event.count for event in await anext(batches)] == [1]
            assert clock() == approx(5.1)

    run_virtual(main())


def test_prompt_progress_comes_before_the_first_token() -> None:
    directives = "[[demo: progress=3 connect=0 firstToken=4000 text=hi]]"
    played = say(directives + "x" * (1200 - len(directives)))
    assert played.progress == [(100, 300), (200, 300), (300, 300)]
    assert [at for at, _ in played.batches] == approx([0, 1, 2, 3, 4, 4])
    assert say("Hi").progress == []


def test_a_hundred_streams_do_not_disturb_one_another() -> None:
    async def main() -> list[Played]:
        provider = ScriptedProvider()
        asked = [request(f"[[demo: tokens=20 seed={seed}]]") for seed in range(100)]
        return await asyncio.gather(*(play_on(provider, each) for each in asked))

    for seed, played in enumerate(run_virtual(main())):
        assert played.text == say(f"[[demo: tokens=20 seed={seed}]]").text
        assert played.content_times == approx([0.28 + 0.02 * token for token in range(20)])


# --- faults ---


@pytest.mark.parametrize("code", FAULT_CODES)
def test_any_provider_error_can_come_before_or_within_the_stream(code: str) -> None:
    before = say(f"[[demo: error={code} tokens=9]]")
    assert failure(before).code == code
    assert before.accepted_at is None
    within = say(f"[[demo: error={code}@5 tokens=9]]")
    assert failure(within).code == code
    assert tokens(within) == 5


def test_errors_come_in_time() -> None:
    assert say("[[demo: error=SERVER_ERROR connect=700]]").ended_at == approx(0.7)
    assert say("[[demo: error=SERVER_ERROR@3 tokens=9]]").ended_at == approx(0.32)
    assert say("[[demo: error=SERVER_ERROR@0 tokens=9]]").ended_at == approx(0.28)


def test_a_network_error_says_how() -> None:
    assert failure(say("[[demo: error=NETWORK_ERROR]]")).details == {"errno": "ECONNREFUSED"}
    reset = say("[[demo: reset=4 tokens=9]]")
    assert failure(reset).code == "NETWORK_ERROR"
    assert failure(reset).details == {"errno": "ECONNRESET"}
    assert tokens(reset) == 4


def test_a_truncated_script_never_finishes() -> None:
    truncated = say("[[demo: truncate=7 tokens=20]]")
    assert failure(truncated).code == "STREAM_TRUNCATED"
    assert tokens(truncated) == 7


@pytest.mark.parametrize("fault", ["truncate=500", "reset=500", "error=SERVER_ERROR@500"])
def test_a_fault_beyond_the_answer_comes_in_place_of_the_end_marker(fault: str) -> None:
    played = say(f"[[demo: {fault} tokens=20]]")
    failure(played)
    assert tokens(played) == 20


@pytest.mark.parametrize("rate", ["max", "50"])
def test_faults_count_reasoning_and_tool_arguments(rate: str) -> None:
    played = say(f'[[demo: rate={rate} reasoning="a b" text="c d" toolCall=t"e f" truncate=5]]')
    assert (played.reasoning, played.text, played.calls) == ("a b", "c d", [("t", "e")])
    failure(played)


def test_a_rate_limit_says_when_to_come_back() -> None:
    limited = failure(say("[[demo: rateLimit=1500]]"))
    assert (limited.code, limited.retryable, limited.retry_after_ms) == ("RATE_LIMIT", True, 1500)
    assert failure(say("[[demo: rateLimit]]")).retry_after_ms is None


@pytest.mark.parametrize("fault", ["rateLimit=10", "error=SERVER_ERROR", "truncate=0", "reset=1", "hang", "stall=0"])
def test_faults_can_be_kept_to_the_first_attempts(fault: str) -> None:
    text = f"[[demo: {fault} failFirst=2 text=finally]]"
    for attempt in (1, 2):
        with pytest.raises((ProviderError, VirtualTimeError)):
            raise_if_failed(text, attempt)
    assert say(text, attempt=3).text == "finally"


def raise_if_failed(text: str, attempt: int) -> None:
    played = say(text, attempt=attempt)
    if played.error is not None:
        raise played.error


def test_the_earliest_of_several_faults_happens() -> None:
    assert failure(say("[[demo: truncate=9 error=SERVER_ERROR@3 reset=5 tokens=20]]")).code == "SERVER_ERROR"
    assert failure(say("[[demo: truncate=0 rateLimit stall=0]]")).code == "RATE_LIMIT"


@pytest.mark.parametrize(
    ("directives", "accepted_at", "said"),
    [("hang", None, 0), ("stall=0", 0.03, 0), ("stall=3", 0.03, 3), ("stall=99", 0.03, 9)],
)
def test_silence_lasts_for_ever(directives: str, accepted_at: float | None, said: int) -> None:
    async def main() -> None:
        played = Played()
        asked = request(f"[[demo: {directives} tokens=9]]")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(play_on(ScriptedProvider(), asked, played), 3_000)
        assert asyncio.get_running_loop().time() == approx(3_000)
        assert played.accepted_at == (None if accepted_at is None else approx(accepted_at))
        assert tokens(played) == said
        assert (played.finish, played.usage) == (None, None)

    run_virtual(main())


# --- cancellation and leaving ---

STATES = {
    "connecting": ("connect=60000", 30.0),
    "hanging": ("hang", 30.0),
    "waiting for the first token": ("firstToken=60000", 30.0),
    "reading the prompt": ("firstToken=60000 progress=9", 30.0),
    "between tokens": ("tokens=1000 rate=1", 30.0),
    "stalled before the first token": ("stall=0", 30.0),
    "stalled later": ("tokens=9 stall=4", 30.0),
}


@pytest.mark.parametrize(("directives", "after"), STATES.values(), ids=STATES.keys())
def test_cancellation_is_immediate_in_every_state(directives: str, after: float) -> None:
    async def main() -> None:
        playing = asyncio.create_task(play_on(ScriptedProvider(), request(f"[[demo: {directives}]]")))
        await asyncio.sleep(after)
        assert not playing.done()
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing
        assert asyncio.get_running_loop().time() == approx(after)

    run_virtual(main())


def test_an_endless_full_speed_answer_can_be_cancelled() -> None:
    async def main() -> None:
        asked = request("[[demo: tokens=1000000]]", model="demo-fast")
        playing = asyncio.create_task(play_on(ScriptedProvider(), asked))
        for _ in range(5):
            await asyncio.sleep(0)
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing

    run_virtual(main())


def test_leaving_early_ends_the_stream_at_once() -> None:
    async def main() -> None:
        async with ScriptedProvider().stream(request("[[demo: tokens=1000]]")) as batches:
            await anext(batches)
            await anext(batches)
            left_at = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() == left_at
        with pytest.raises(StopAsyncIteration):
            await anext(batches)

    run_virtual(main())


def test_an_exception_of_the_reader_passes_through() -> None:
    async def main() -> None:
        with pytest.raises(LookupError, match="mine"):
            async with ScriptedProvider().stream(request("Hi")):
                raise LookupError("mine")

    run_virtual(main())


@pytest.mark.parametrize("fields", [{}, {"model": "demo-reasoning"}, {"max_tokens": 3}])
def test_the_end_marker_is_the_very_last_event(fields: dict[str, Any]) -> None:
    played = play(request("[[demo: tokens=30 providerState={}]]", **fields))
    assert played.batches[-1][1][-1] is played.finish
