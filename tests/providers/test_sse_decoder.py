"""The event stream decoder: against the specification's rules, whole, byte by byte and cut anywhere."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.providers.decoding.sse import SseDecoder, SseEvent

MAX = 1_000_000

LINES = st.sampled_from(
    [
        b"data: {}",
        b'data: {"a": 1}',
        b"data:x",
        b"data:  two spaces",
        b"data",
        b"data: ",
        b": keep-alive",
        b":",
        b"event: ping",
        b"event",
        b"id: 7",
        b"retry: 10",
        b"error: {}",
        b"unknown: data: x",
        b" data: not a field",
        b"",
        b"",
        b"",
    ]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))).map(
    lambda lines: b"".join(line + end for line, end in lines)
)
BLOCKS = st.lists(
    st.sampled_from(
        [
            b"event: ping\ndata: 1\n\n",
            b"event: ping\ndata: 2\n\n",
            b"event: pong\ndata: 3\n\n",
            b"event: ping\nid: 7\n\n",
            b"event: ping\n\n",
            b"event: ping\nid: 7\ndata: 4\n\n",
            b"event: ping\ndata: 5\ndata: 6\n\n",
            b"data: 7\nevent: ping\n\n",
            b"data: 8\n\n",
        ]
    )
).map(b"".join)
"""As servers send them: nearly all of one shape, which has a fast path."""
SOUP = st.lists(
    st.sampled_from([b"data: x", b"data", b": ", b"\n", b"\n\n", b"\r", b"\xef\xbb\xbf", b"\xff", b"e"])
).map(b"".join)


def decode(pieces: list[bytes], max_event_bytes: int = MAX) -> tuple[list[SseEvent], bool]:
    decoder = SseDecoder(max_event_bytes)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events, decoder.failure is not None


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def by_the_specification(stream: bytes) -> list[SseEvent]:
    """The algorithm of the HTML standard, 9.2.6, a line at a time; plus llama.cpp's `error` field."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[SseEvent] = []
    name, data = "", []
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                events.append((name, b"\n".join(data)))
            name, data = "", []
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"error":
            name = "error"
            data.append(value)
    return events


@given(STREAMS | BLOCKS | SOUP)
def test_it_decodes_what_the_specification_says(stream: bytes) -> None:
    assert decode([stream]) == (by_the_specification(stream), False)


@given(STREAMS | BLOCKS | SOUP)
def test_byte_by_byte_gives_the_same_events(stream: bytes) -> None:
    assert decode(bytewise(stream)) == decode([stream])


@given(STREAMS | BLOCKS | SOUP, st.data())
def test_cut_anywhere_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(pieces) == decode([stream])


@given(STREAMS | BLOCKS | SOUP, st.integers(1, 40), st.data())
def test_a_limit_is_met_at_the_same_event_however_it_is_cut(stream: bytes, limit: int, data: st.DataObject) -> None:
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(pieces, limit) == decode([stream], limit) == decode(bytewise(stream), limit)


def test_many_events_of_one_line_come_out_in_order() -> None:
    stream = b"".join(b'data: {"n": %d}\n\n' % n for n in range(1_000))
    assert decode([stream]) == ([("", b'{"n": %d}' % n) for n in range(1_000)], False)


def test_an_event_is_returned_as_soon_as_its_blank_line_is_there_even_if_that_ends_with_a_carriage_return() -> None:
    assert decode([b"data: x\r\n\r"]) == ([("", b"x")], False)
    assert decode([b"data: x\r\n\r", b"\ndata: y\n\n"]) == ([("", b"x"), ("", b"y")], False)


def test_a_byte_order_mark_is_dropped_at_the_start_and_nowhere_else() -> None:
    assert decode([b"\xef\xbb", b"\xbfdata: x\n\n", b"\xef\xbb\xbfdata: y\n\n"]) == ([("", b"x")], False)


def test_an_event_cut_off_by_the_end_is_not_returned() -> None:
    assert decode([b"data: x\n\ndata: [DONE]\n"]) == ([("", b"x")], False)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_an_event_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not(end: bytes) -> None:
    exactly = b"data: " + b"x" * 94
    assert decode([exactly + end], 100) == ([("", b"x" * 94)], False)
    assert decode(bytewise(exactly + end), 100) == ([("", b"x" * 94)], False)
    assert decode([exactly + b"x" + end], 100) == ([], True)
    assert decode(bytewise(exactly + b"x" + end), 100) == ([], True)


def test_what_came_before_an_event_above_the_limit_is_delivered_and_nothing_after_it() -> None:
    stream = b"data: a\n\ndata: " + b"x" * 200 + b"\n\ndata: b\n\n"
    assert decode([stream], 100) == ([("", b"a")], True)


def test_the_failure_says_what_it_is() -> None:
    decoder = SseDecoder(10)
    decoder.feed(b"data: 0123456789")
    assert decoder.failure is not None
    assert decoder.failure.code == "PROVIDER_PROTOCOL_ERROR"
    assert not decoder.failure.retryable


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: x\n" * 8_192, b": keep-alive\n" * 5_000, b"\n" * 65_536])
def test_an_endless_line_or_event_takes_constant_memory(piece: bytes) -> None:
    decoder = SseDecoder(1_000_000)
    tracemalloc.start()
    try:
        for _ in range(500):
            decoder.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
    assert (decoder.failure is None) == piece.startswith(b"\n")
