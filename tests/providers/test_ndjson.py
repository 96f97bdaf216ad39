"""The splitter of newline-delimited JSON: whole, byte by byte and cut anywhere."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.providers.decoding.ndjson import LineSplitter

MAX = 1_000_000

STREAMS = st.lists(
    st.sampled_from([b"{}", b'{"a": 1}', b"\xff", b"x" * 30, b" ", b"\n", b"\n", b"\r\n", b"\n\n", b"\r", b"\r\r\n"])
).map(b"".join)


def split(pieces: list[bytes], max_line_bytes: int = MAX) -> tuple[list[bytes], bytes, bool]:
    """The lines, what was left at the end, and whether it failed."""
    splitter = LineSplitter(max_line_bytes)
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return lines, splitter.end(), splitter.failure is not None


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def line_by_line(stream: bytes) -> tuple[list[bytes], bytes, bool]:
    """What it should be, said plainly."""
    *lines, rest = stream.split(b"\n")
    return [line for line in (line.removesuffix(b"\r") for line in lines) if line], rest.removesuffix(b"\r"), False


@given(STREAMS)
def test_lines_are_split_at_their_ends(stream: bytes) -> None:
    assert split([stream]) == line_by_line(stream)


@given(STREAMS)
def test_byte_by_byte_gives_the_same_lines(stream: bytes) -> None:
    assert split(bytewise(stream)) == line_by_line(stream)


@given(STREAMS, st.integers(1, 40), st.data())
def test_a_limit_is_met_at_the_same_line_however_it_is_cut(stream: bytes, limit: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert split(pieces, limit) == split([stream], limit) == split(bytewise(stream), limit)


def test_many_lines_of_one_read_come_out_in_order() -> None:
    stream = b"".join(b'{"n": %d}\n' % n for n in range(1_000))
    assert split([stream]) == ([b'{"n": %d}' % n for n in range(1_000)], b"", False)


def test_a_line_is_returned_as_soon_as_its_end_is_there() -> None:
    splitter = LineSplitter(MAX)
    assert splitter.feed(b'{"a"') == []
    assert splitter.feed(b': 1}\r\n{"b"') == [b'{"a": 1}']
    assert splitter.end() == b'{"b"'


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("cut", [lambda stream: [stream], bytewise], ids=["whole", "byte by byte"])
def test_a_line_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not(
    cut: Callable[[bytes], list[bytes]], end: bytes
) -> None:
    exactly = b"x" * 100
    assert split(cut(exactly + end), 100) == ([exactly], b"", False)
    assert split(cut(exactly + b"x" + end), 100) == ([], b"", True)


def test_what_came_before_a_line_above_the_limit_is_delivered_and_nothing_after_it() -> None:
    stream = b"a\n" + b"x" * 200 + b"\nb\n"
    assert split([stream], 100) == ([b"a"], b"", True)


def test_the_failure_says_what_it_is() -> None:
    splitter = LineSplitter(10)
    splitter.feed(b"0123456789a")
    assert splitter.failure is not None
    assert splitter.failure.code == "PROVIDER_PROTOCOL_ERROR"
    assert not splitter.failure.retryable


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"\n" * 65_536, b"\r" * 65_536])
def test_an_endless_line_takes_constant_memory(piece: bytes) -> None:
    splitter = LineSplitter(1_000_000)
    tracemalloc.start()
    try:
        for _ in range(500):
            splitter.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
    assert (splitter.failure is None) == (piece[:1] == b"\n")
