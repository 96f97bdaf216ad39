"""An answer that is kept and given again: nothing of it may change, and it may not grow without bound."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.events import (
    Finish,
    ModelNamed,
    PromptProgress,
    ProviderEvent,
    ProviderState,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.services.inference.answer import Answer
from llm_sidecar.services.inference.recording import RecordedAnswer, Recording

TEXT = st.text(st.sampled_from("abé€😀"), min_size=1, max_size=5)
NAMES = st.none() | st.sampled_from(["", "f", "g"])
EVENTS = st.one_of(
    st.builds(TextDelta, TEXT, st.integers(1, 3)),
    st.builds(TextDelta, TEXT, st.integers(1, 3)),
    st.builds(ReasoningDelta, TEXT),
    st.builds(ToolCallDelta, st.integers(0, 2), TEXT | st.just(""), NAMES, NAMES),
    st.builds(UsageReport, st.none() | st.integers(0, 9), st.none() | st.integers(0, 9)),
    st.builds(PromptProgress, st.integers(0, 9)),
    st.builds(ProviderState, st.dictionaries(st.sampled_from("kl"), st.integers())),
    st.builds(ModelNamed, st.sampled_from(["m", "n"])),
    st.just(Finish("stop", "end")),
)
BATCHES = st.lists(st.lists(EVENTS, max_size=6), max_size=8)


def record(*batches: list[ProviderEvent]) -> RecordedAnswer | None:
    recording = Recording()
    for batch in batches:
        recording.add(batch)
    return recording.answer()


def answer_of(events: list[ProviderEvent], joined_deltas: int = 0) -> Answer:
    """The answer that events make."""
    answer = Answer(InferenceParams(messages=[Message(role="user", content="Hi")]), "asked", Limits())
    for event in events:
        if isinstance(event, TextDelta):
            answer.add_text(event.text, event.count)
        elif isinstance(event, ReasoningDelta):
            answer.add_reasoning(event.text)
        elif isinstance(event, ToolCallDelta):
            answer.add_tool_call(event.index, event.id, event.name, event.arguments)
        elif not isinstance(event, PromptProgress):
            answer.add(event)
    answer.meter.received(0, joined_deltas)
    return answer


def content_of(events: list[ProviderEvent]) -> list[tuple[object, str]]:
    """Text, reasoning and arguments in their order, adjacent pieces joined."""
    pieces: list[tuple[object, str]] = []
    for event in events:
        if isinstance(event, TextDelta | ReasoningDelta):
            pieces.append((type(event), event.text))
        elif isinstance(event, ToolCallDelta):
            pieces.append((event.index, event.arguments))
    return [(kind, "".join(text for _, text in group)) for kind, group in groupby(pieces, key=lambda piece: piece[0])]


@given(BATCHES)
def test_what_is_given_again_makes_the_same_answer_in_the_same_order(batches: list[list[ProviderEvent]]) -> None:
    given_first = [event for batch in batches for event in batch]
    recorded = record(*batches)
    assert recorded is not None
    first, again = answer_of(given_first), answer_of(recorded.events, recorded.joined_deltas)
    assert (again.text, again.tool_calls) == (first.text, first.tool_calls)
    assert (again.provider_state, again.model_id, again.finish) == (first.provider_state, first.model_id, first.finish)
    for complete in (True, False):
        usage = first.meter.usage(complete=complete, was_sent=True)
        assert again.meter.usage(complete=complete, was_sent=True) == usage
    assert content_of(recorded.events) == content_of(given_first)
    counts = [
        sum(event.count for event in events if isinstance(event, TextDelta))
        for events in (given_first, recorded.events)
    ]
    assert counts[0] == counts[1]


def test_adjacent_pieces_of_one_kind_are_joined() -> None:
    recorded = record(
        [ReasoningDelta("th"), ReasoningDelta("ink")],
        [TextDelta("a", 2), PromptProgress(1), TextDelta("b")],
        [ToolCallDelta(0, "{", "id", "f"), ToolCallDelta(0, "}"), ToolCallDelta(1, "", "id2", "f")],
        [ReasoningDelta("more"), Finish("stop", None)],
    )
    assert recorded is not None
    assert recorded.events == [
        ReasoningDelta("think"),
        TextDelta("ab", 3),
        ToolCallDelta(0, "{}", "id", "f"),
        ToolCallDelta(1, "", "id2", "f"),
        ReasoningDelta("more"),
        Finish("stop", None),
    ]
    assert recorded.joined_deltas == 2


def test_pieces_of_one_call_are_joined_only_where_nothing_gets_lost() -> None:
    pieces: list[ProviderEvent] = [
        ToolCallDelta(0, "[", "id", None),
        ToolCallDelta(0, "1", None, "late"),
        ToolCallDelta(0, ","),
        ToolCallDelta(1, "{", "id-1", "g"),
        ToolCallDelta(0, "2]"),
        ToolCallDelta(1, "}"),
    ]
    recorded = record(pieces)
    assert recorded is not None
    assert [event.arguments for event in recorded.events if isinstance(event, ToolCallDelta)] == [
        "[", "1,", "{", "2]", "}",
    ]  # fmt: skip
    assert answer_of(recorded.events).tool_calls == answer_of(pieces).tool_calls


def test_an_answer_of_half_a_mebibyte_is_kept_and_a_longer_one_is_not() -> None:
    batches: list[list[ProviderEvent]] = [[TextDelta("x" * 1_024)]] * 511
    recorded = record(*batches, [Finish("stop", None)])
    assert recorded is not None
    assert 511 * 1_024 < recorded.size <= 512 * 1_024
    assert record(*batches, *batches[:1], [Finish("stop", None)]) is None


def test_bytes_are_counted_and_not_characters() -> None:
    recorded = record([TextDelta("€" * 1_000)], [ProviderState({"k": "x" * 1_000})])
    assert recorded is not None
    assert 4_000 < recorded.size < 4_500
    assert record([TextDelta("€" * 180_000)]) is None
    assert record([ProviderState({"k": "x" * 600_000})]) is None


def test_very_many_very_small_pieces_are_too_long() -> None:
    batch: list[ProviderEvent] = [TextDelta("x"), ReasoningDelta("y")]
    assert record(*[batch] * 1_000) is not None
    assert record(*[batch] * 10_000) is None


def test_nothing_more_is_held_once_it_is_too_long() -> None:
    recording = Recording()
    for _ in range(10_000):
        recording.add([ReasoningDelta("x" * 1_000), TextDelta("y")])
    assert len(recording._items) < 1_100
    assert recording.answer() is None
