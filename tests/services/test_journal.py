"""What is kept of each inference: numbered, bounded three ways, and honest about what has left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import UNNUMBERED, ThinkingEvent
from llm_sidecar.services.inference.journal import Journal, Journals


def journals(per_inference: int = 1_000, in_all: int = 10_000, finished: int = 10) -> Journals:
    limits = Limits(journal_bytes=per_inference, journal_total_bytes=in_all, journal_finished=finished)
    return Journals(lambda: limits)


def append(journal: Journal, weight: int = 100) -> int:
    """Add an event; returns its number."""
    event = ThinkingEvent(inference_id=journal.inference_id, seq=UNNUMBERED, status="processing")
    journal.append("llm:thinking", event, weight)
    return event.seq


def kept(journal: Journal) -> list[int]:
    """The numbers of the events that can be had."""
    with pytest.raises(SidecarError) as refused:
        journal.since(10**9)
    assert refused.value.details is not None
    return [event.params.seq for event in journal.since(refused.value.details["firstSeq"]).events]


def sum_of(all_of_them: Journals) -> int:
    """The total, counted anew from the entries."""
    return sum(entry.weight for journal in all_of_them._by_id.values() for entry in journal._entries)


def test_events_are_numbered_from_zero_without_a_gap() -> None:
    journal = journals().open("a")
    assert [append(journal) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert journal.next_seq == 5


def test_from_any_number_the_rest_is_told_and_whether_it_has_ended() -> None:
    journal = journals().open("a")
    for _ in range(3):
        append(journal)
    assert [e.params.seq for e in journal.since(1).events] == [1, 2]
    assert (journal.since(3).events, journal.since(3).terminal, journal.since(3).next_seq) == ([], False, 3)
    append(journal)
    journal.end()
    assert journal.since(3).terminal
    assert [e.method for e in journal.since(3).events] == ["llm:thinking"]


def test_the_oldest_events_leave_first_and_the_numbers_go_on() -> None:
    journal = journals(per_inference=250).open("a")
    for _ in range(5):
        append(journal)
    assert kept(journal) == [3, 4]
    assert append(journal) == 5


@pytest.mark.parametrize("seq", [0, 2, 6, 100])
def test_what_has_left_or_not_come_is_a_gap_that_names_what_there_is(seq: int) -> None:
    journal = journals(per_inference=200).open("a")
    for _ in range(5):
        append(journal)
    with pytest.raises(SidecarError) as refused:
        journal.since(seq)
    assert refused.value.code == "REPLAY_GAP"
    assert refused.value.details == {"firstSeq": 3, "nextSeq": 5}


def test_an_event_larger_than_the_bound_is_not_kept_and_what_follows_is() -> None:
    journal = journals(per_inference=250).open("a")
    append(journal)
    append(journal, 1_000)
    assert kept(journal) == []
    append(journal)
    assert kept(journal) == [2]


def test_of_the_finished_only_the_latest_are_known() -> None:
    them = journals(finished=2)
    for name in "abc":
        append(them.open(name))
    for name in "cab":
        them.find(name).end()
    for name, is_known in (("a", True), ("b", True), ("c", False)):
        if is_known:
            assert them.find(name).ended
        else:
            with pytest.raises(SidecarError) as refused:
                them.find(name)
            assert refused.value.code == "INFERENCE_NOT_FOUND"


def test_finished_ones_leave_whole_before_any_live_one_loses_an_event() -> None:
    them = journals(in_all=1_000)
    live, old, older = (them.open(name) for name in ("live", "old", "older"))
    for journal in (live, old, older):
        for _ in range(3):
            append(journal)
    older.end()
    old.end()
    append(live, 200)
    assert kept(live) == [0, 1, 2, 3]
    assert kept(them.find("old")) == [0, 1, 2]
    with pytest.raises(SidecarError):
        them.find("older")


def test_live_ones_alone_keep_within_the_bound_of_all() -> None:
    them = journals(per_inference=1_000, in_all=2_000)
    everyone = [them.open(str(number)) for number in range(10)]
    for _ in range(10):
        for journal in everyone:
            append(journal)
    assert them.total_bytes <= 2_000
    assert them.total_bytes == sum_of(them)
    assert all(journal.next_seq == 10 for journal in everyone)


def test_a_replay_from_a_replaced_journal_has_no_hole_at_its_end() -> None:
    """A host that is behind asks for the old inference, begins another of its id, and only then reads."""
    them = journals()
    old = them.open("a")
    for _ in range(3):
        append(old)
    them.open("a")
    append(old)
    numbers = kept(old)
    assert numbers == list(range(old.next_seq - len(numbers), old.next_seq))


def test_a_replaced_journal_still_numbers_what_was_under_way_and_keeps_none_of_it() -> None:
    them = journals()
    old = them.open("a")
    append(old)
    new = them.open("a")
    assert append(old) == 1
    assert append(new) == 0
    old.end()
    assert them.find("a") is new
    assert not new.ended
    assert them.total_bytes == sum_of(them) == 100


@given(
    st.integers(0, 600),
    st.integers(0, 1_500),
    st.integers(0, 3),
    st.lists(
        st.tuples(st.sampled_from(["open", "append", "end"]), st.sampled_from("abcd"), st.integers(1, 400)), max_size=80
    ),
)
def test_whatever_happens_totals_bounds_and_numbers_hold(
    per_inference: int, in_all: int, finished: int, steps: list[tuple[str, str, int]]
) -> None:
    them = journals(per_inference, in_all, finished)
    live: dict[str, Journal] = {}
    for action, name, weight in steps:
        if action == "open":
            if name not in live:
                live[name] = them.open(name)
        elif name in live:
            journal = live[name]
            expected = journal.next_seq
            assert append(journal, weight) == expected
            if action == "end":
                journal.end()
                del live[name]
        assert them.total_bytes == sum_of(them)
        assert them.total_bytes <= in_all
        assert len(them._finished) <= finished
        for name_of_one, journal in live.items():
            assert them.find(name_of_one) is journal
        for journal in them._by_id.values():
            assert journal.bytes == sum(entry.weight for entry in journal._entries) <= per_inference
            numbers = kept(journal)
            assert numbers == list(range(journal.next_seq - len(numbers), journal.next_seq))
