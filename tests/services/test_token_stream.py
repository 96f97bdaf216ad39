"""The way out: merging while nobody takes, holding back where asked, and stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import UNNUMBERED, InferenceEvent, ProgressEvent, ThinkingEvent, TokenEvent
from llm_sidecar.services.inference.event_sink import QueuedEvent
from llm_sidecar.services.inference.journal import Journals
from llm_sidecar.services.inference.token_stream import TokenStream
from tests.virtual_time import run_virtual


class Sink:
    """A writer that takes when it is told to, and keeps the books of weights that the outbox keeps. An eager one takes
    an event while it is being published."""

    def __init__(self, *, eager: bool = False) -> None:
        self.eager = eager
        self.queue: list[QueuedEvent] = []
        self.taken: list[InferenceEvent] = []
        self.bytes = 0
        self.congested = False

    def publish(self, event: QueuedEvent) -> None:
        self.bytes += event.weight
        self.queue.append(event)
        if self.eager:
            self.take()

    def grew(self, by: int) -> None:
        self.bytes += by

    async def room(self) -> None:
        raise AssertionError("a token stream never waits")

    def flush(self) -> None:
        raise AssertionError("when text leaves is not a token stream's business")

    def take(self, most: int = 10**9) -> None:
        while self.queue and most:
            event = self.queue.pop(0)
            self.bytes -= event.weight
            self.taken.append(event.take()[1])
            most -= 1
        if not self.queue:
            assert self.bytes == 0, "weights do not add up"

    @property
    def text(self) -> str:
        return "".join(event.token for event in self.taken if isinstance(event, TokenEvent))


def with_stream(
    scenario: Callable[[TokenStream, Sink], Awaitable[None]], *, eager: bool = False, **changes: int
) -> None:
    limits = Limits(**changes)

    async def main() -> None:
        sink = Sink(eager=eager)
        await scenario(TokenStream("a", None, sink, Journals(lambda: limits).open("a"), limits), sink)

    run_virtual(main())


def progress(number: int) -> ProgressEvent:
    return ProgressEvent(inference_id="a", seq=UNNUMBERED, current=number)


def in_short(events: list[InferenceEvent]) -> list[Any]:
    return [
        (event.token, event.index, event.count)
        if isinstance(event, TokenEvent)
        else event.text
        if isinstance(event, ThinkingEvent)
        else "event"
        for event in events
    ]


def test_text_that_waits_merges_and_keeps_its_counts() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        for text, count in (("a", 1), ("b", 2), ("c", 1)):
            stream.text(text, count)
        sink.take()
        stream.text("d", 1)
        sink.take()
        assert in_short(sink.taken) == [("abc", 0, 4), ("d", 4, 1)]

    with_stream(scenario)


def test_text_never_merges_across_an_event_of_its_own_inference() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("a", 1)
        stream.progress(1, None, "test")
        stream.text("b", 1)
        stream.reasoning("hm ")
        stream.reasoning("so")
        stream.text("c", 1)
        sink.take()
        assert in_short(sink.taken) == [("a", 0, 1), "event", ("b", 1, 1), "hm so", ("c", 2, 1)]
        assert [event.seq for event in sink.taken] == list(range(5))

    with_stream(scenario)


def test_merged_text_stays_below_the_bound_of_an_event() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        for _ in range(100):
            stream.text("é" * 10, 1)
        assert all(event.weight <= 1_000 for event in sink.queue)
        assert len(sink.queue) < 10
        sink.take()
        assert sink.text == "é" * 1_000

    with_stream(scenario, max_token_event_bytes=1_000)


def test_text_is_weighed_in_bytes() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("x", 1)
        before = sink.bytes
        stream.text("é", 1)
        stream.text("😀", 1)
        assert sink.bytes - before == 2 + 4
        sink.take()

    with_stream(scenario)


def test_numbers_are_given_when_an_event_is_taken_not_before() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("a", 1)
        assert stream.journal.next_seq == 0
        sink.take()
        assert stream.journal.next_seq == 1

    with_stream(scenario)


def test_after_the_stop_only_the_terminal_follows() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("a", 1)
        stream.stop()
        stream.text("b", 1)
        stream.reasoning("c")
        stream.progress(1, None, "test")
        stream.end(progress(2))
        stream.end(progress(3))
        stream.text("d", 1)
        stream.progress(4, None, "test")
        sink.take()
        assert in_short(sink.taken) == [("a", 0, 1), "event"]
        assert sink.taken[1].current == 2  # type: ignore[attr-defined]
        assert stream.journal.ended

    with_stream(scenario)


def test_the_journal_has_what_was_taken() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("a", 1)
        stream.text("b", 1)
        stream.progress(1, None, "test")
        sink.take()
        kept = stream.journal.since(0)
        assert [event.params for event in kept.events] == sink.taken
        assert [event.method for event in kept.events] == ["llm:token", "llm:progress"]

    with_stream(scenario)


# --- holding back ---


def test_the_first_text_is_never_held_back_and_the_next_is_for_the_delay() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("first", 1)
        sink.take()
        assert sink.text == "first"
        stream.text(" a", 1)
        await asyncio.sleep(0.02)
        stream.text(" b", 1)
        await asyncio.sleep(0.02)
        assert sink.queue == []
        await asyncio.sleep(0.02)
        sink.take()
        assert in_short(sink.taken) == [("first", 0, 1), (" a b", 1, 2)]

    with_stream(scenario, token_batch_delay_ms=50)


def test_the_first_text_of_the_answer_is_not_held_back_though_reasoning_came_before() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.reasoning("hm")
        sink.take()
        stream.reasoning(" so")
        stream.text("first", 1)
        sink.take()
        assert in_short(sink.taken) == ["hm", " so", ("first", 0, 1)]

    with_stream(scenario, token_batch_delay_ms=50)


def test_so_many_tokens_are_not_held_back_any_longer() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("first", 1)
        sink.take()
        stream.text("a", 2)
        assert sink.queue == []
        stream.text("b", 1)
        sink.take()
        assert in_short(sink.taken)[1:] == [("ab", 1, 3)]
        await asyncio.sleep(1)
        assert sink.queue == []

    with_stream(scenario, token_batch_delay_ms=50, token_batch_tokens=3)


@pytest.mark.parametrize("next_one", ["event", "reasoning", "stop", "end"])
def test_what_is_held_back_goes_before_what_follows(next_one: str) -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("first", 1)
        sink.take()
        stream.text("held", 1)
        if next_one == "event":
            stream.progress(1, None, "test")
        elif next_one == "reasoning":
            stream.reasoning("hm")
            await asyncio.sleep(1)
        elif next_one == "stop":
            stream.stop()
        else:
            stream.end(progress(1))
        sink.take()
        following = {"event": ["event"], "reasoning": ["hm"], "stop": [], "end": ["event"]}[next_one]
        assert in_short(sink.taken)[1:] == [("held", 1, 1), *following]
        await asyncio.sleep(1)
        assert sink.queue == []

    with_stream(scenario, token_batch_delay_ms=50)


def test_what_is_held_back_is_bounded_too() -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        stream.text("first", 1)
        for _ in range(50):
            stream.text("x" * 100, 1)
        waiting = sum(event.weight for event in sink.queue)
        assert waiting >= 4_000
        stream.stop()
        sink.take()
        assert sink.text == "first" + "x" * 5_000

    with_stream(scenario, token_batch_delay_ms=1_000, max_token_event_bytes=1_000)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.text(min_size=1, max_size=40)),
        st.tuples(st.just("reasoning"), st.text(min_size=1, max_size=40)),
        st.tuples(st.just("event"), st.none()),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.floats(0, 0.1)),
    ),
    max_size=40,
)


@given(
    STEPS,
    st.sampled_from([{}, {"token_batch_delay_ms": 50}, {"token_batch_delay_ms": 50, "token_batch_tokens": 3}]),
    st.sampled_from([64, 200, 300, 65_536]),
    st.booleans(),
)
def test_however_it_is_taken_nothing_is_lost_doubled_or_reordered(
    steps: list[tuple[str, Any]], batching: dict[str, int], most: int, eager: bool
) -> None:
    async def scenario(stream: TokenStream, sink: Sink) -> None:
        expected: list[tuple[str, str]] = []
        deltas = 0
        for action, value in steps:
            if action == "text":
                stream.text(value, 2)
                deltas += 2
                expected += [("text", character) for character in value]
            elif action == "reasoning":
                stream.reasoning(value)
                expected += [("reasoning", character) for character in value]
            elif action == "event":
                stream.progress(1, None, "test")
                expected.append(("event", ""))
            elif action == "take":
                sink.take(value)
            else:
                await asyncio.sleep(value)
        stream.stop()
        stream.end(progress(0))
        sink.take()
        found: list[tuple[str, str]] = []
        index = 0
        for event in sink.taken[:-1]:
            if isinstance(event, TokenEvent):
                assert event.index == index
                index += event.count
                found += [("text", character) for character in event.token]
            elif isinstance(event, ThinkingEvent):
                found += [("reasoning", character) for character in event.text or ""]
            else:
                found.append(("event", ""))
        assert found == expected
        assert index == deltas
        assert [event.seq for event in sink.taken] == list(range(len(sink.taken)))

    with_stream(scenario, eager=eager, max_token_event_bytes=most, **batching)
