"""Lines out of bytes: the rules at the top of `wire/framing.py`, wherever the input is cut."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.wire.framing import BOM, TOO_LONG, LineFramer, LineTooLong

LIMIT = 24

pieces = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b" ", b"\t", BOM, b"{", b"a" * (LIMIT - 1), b"a" * LIMIT, b"\xff", b"\0"]
)
streams = st.one_of(
    st.lists(pieces, max_size=20).map(b"".join),
    st.lists(st.one_of(pieces, st.binary(max_size=40)), max_size=12).map(b"".join),
)
cuts = st.lists(st.integers(0, 400), max_size=12)


def lines_of(stream: bytes, places: list[int], limit: int = LIMIT) -> list[bytes | LineTooLong]:
    """Everything a framer makes of `stream`, cut at `places`, its unended last line included."""
    framer = LineFramer(limit)
    ends = sorted({place for place in places if 0 < place < len(stream)})
    found: list[bytes | LineTooLong] = []
    for start, end in zip([0, *ends], [*ends, len(stream)], strict=True):
        found += framer.feed(stream[start:end])
    return found + framer.finish()


def expected(stream: bytes, limit: int = LIMIT) -> list[bytes | LineTooLong]:
    """The rules, said once more, for an input that is all there at once."""
    found: list[bytes | LineTooLong] = []
    for raw in stream.removeprefix(BOM).split(b"\n"):
        line = raw.removesuffix(b"\r")
        if len(line) > limit:
            found.append(TOO_LONG)
        elif line.strip(b" \t\r"):
            found.append(line)
    return found


@given(streams, cuts)
def test_the_same_bytes_give_the_same_lines_wherever_they_are_cut(stream: bytes, places: list[int]) -> None:
    assert lines_of(stream, places) == expected(stream)


@given(streams)
def test_bytes_that_come_one_by_one_give_the_same_lines(stream: bytes) -> None:
    assert lines_of(stream, list(range(len(stream)))) == expected(stream)


@given(st.binary(max_size=200), cuts)
def test_whatever_came_before_the_next_line_is_found(garbage: bytes, places: list[int]) -> None:
    assert lines_of(garbage + b"\nnext\n", places)[-1] == b"next"


@given(streams, cuts)
def test_no_line_is_longer_than_the_limit_or_holds_a_line_feed(stream: bytes, places: list[int]) -> None:
    for line in lines_of(stream, places):
        assert line is TOO_LONG or (len(line) <= LIMIT and b"\n" not in line)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("start", [b"", BOM, b"x\n"])
@pytest.mark.parametrize("cut", [None, 1, LIMIT, LIMIT + 1, LIMIT + 3])
def test_the_limit_counts_neither_the_ending_nor_the_byte_order_mark(
    start: bytes, ending: bytes, cut: int | None
) -> None:
    places = [] if cut is None else [len(start) + cut]
    assert lines_of(start + b"a" * LIMIT + ending, places)[-1] == b"a" * LIMIT
    assert lines_of(start + b"a" * (LIMIT + 1) + ending, places)[-1] is TOO_LONG


def test_a_byte_order_mark_is_dropped_before_the_first_line_only() -> None:
    assert lines_of(BOM + b"1\n" + BOM + b"2\n", []) == [b"1", BOM + b"2"]


def test_a_byte_order_mark_alone_is_a_blank_line() -> None:
    assert lines_of(BOM + b"\n1\n", [1, 2]) == [b"1"]


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"  \t\n", b" \r\n", b"\n\n\n"])
def test_blank_lines_are_no_messages(blank: bytes) -> None:
    assert lines_of(blank + b"1\n" + blank + b"2\n" + blank, []) == [b"1", b"2"]


def test_only_a_line_feed_ends_a_line() -> None:
    line = "a\rb\x0bc\x0cd\x1ce\x85f\u2028g\u2029h".encode()
    assert lines_of(line + b"\n", [], limit=100) == [line]


def test_a_line_above_the_limit_is_reported_before_it_ends_and_once() -> None:
    framer = LineFramer(LIMIT)
    assert framer.feed(b"a" * 100) == [TOO_LONG]
    assert framer.feed(b"a" * 100) == []
    assert framer.feed(b"a\nnext\n") == [b"next"]


def test_a_line_above_the_limit_that_never_ends_is_not_reported_again_at_the_end() -> None:
    framer = LineFramer(LIMIT)
    framer.feed(b"a" * 100)
    assert framer.finish() == []


def test_an_unended_line_is_a_line_only_if_the_owner_says_so() -> None:
    framer = LineFramer(LIMIT)
    assert framer.feed(b"half") == []
    assert framer.finish() == [b"half"]
    assert framer.finish() == []


def test_a_new_limit_holds_for_the_line_under_way() -> None:
    framer = LineFramer(LIMIT)
    framer.feed(b"a" * LIMIT)
    framer.max_line_bytes = 2 * LIMIT
    assert framer.feed(b"a" * LIMIT + b"\n") == [b"a" * 2 * LIMIT]


class Watched(bytes):
    """Bytes that count how many of them are looked at, and how many are copied."""

    looked_at = 0
    copied = 0

    def find(self, sub: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        place = super().find(sub, start)
        Watched.looked_at += (len(self) if place < 0 else place + 1) - start
        return place

    def __getitem__(self, key: slice) -> bytes:  # type: ignore[override]
        piece = super().__getitem__(key)
        Watched.copied += len(piece)
        return piece


@pytest.mark.parametrize("cut", [1, 2, 7, 4096])
@pytest.mark.parametrize("limit", [100, 1 << 20])
def test_every_byte_is_looked_at_and_copied_once_however_the_input_is_cut(cut: int, limit: int) -> None:
    stream = (b"x" * 999 + b"\n") * 8 + b"\n" * 100 + b"y" * 20_000
    Watched.looked_at = Watched.copied = 0
    framer = LineFramer(limit)
    for start in range(0, len(stream), cut):
        framer.feed(Watched(stream[start : start + cut]))
    assert Watched.looked_at == len(stream)
    assert Watched.copied <= len(stream)


@pytest.mark.parametrize("chunk", [1, 2, 100, 65_536])
def test_memory_is_bounded_by_the_limit_however_small_the_pieces(chunk: int) -> None:
    limit = 1 << 15
    framer = LineFramer(limit)
    tracemalloc.start()
    try:
        fed = 0
        while fed < 2 * limit:
            framer.feed(bytes(bytearray(chunk)))  # a new object each time, as from a pipe
            fed += chunk
        framer.feed(b"\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A growing buffer may be copied once while it grows: twice the limit, some air, and what was fed.
    assert peak < 3 * limit + 2 * chunk


def test_a_line_at_the_limit_costs_no_more_than_itself_and_one_copy() -> None:
    limit = 1 << 15
    framer = LineFramer(limit)
    tracemalloc.start()
    try:
        for _ in range(limit // 2):
            framer.feed(bytes(bytearray(b"aa")))
        assert framer.feed(b"\n") == [b"a" * limit]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * limit
