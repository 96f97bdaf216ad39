"""Token counts: what was reported, what is estimated, and which of the two a host is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.messages.content import ImagePart, Message, TextPart
from llm_sidecar.providers.events import UsageReport
from llm_sidecar.services.inference.usage_meter import UsageMeter


def meter(*messages: Message, system: str | None = None) -> UsageMeter:
    return UsageMeter(messages or [Message(role="user", content="x" * 40)], system)


def test_the_prompt_is_estimated_by_its_bytes_its_frames_and_its_images() -> None:
    image = ImagePart(url="https://example.org/a.png")
    found = meter(
        Message(role="user", content="x" * 41),
        Message(role="user", content=[TextPart(text="é" * 4), image]),
        system="y" * 8,
    )
    assert found.usage(complete=True, was_sent=True).prompt_tokens == (4 + 11) + (4 + 2 + 1_000) + 2


def test_a_prompt_that_was_not_sent_used_nothing() -> None:
    usage = meter().usage(complete=False, was_sent=False)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (0, 0, 0)
    assert usage.source == "partial"


@pytest.mark.parametrize(
    ("byte_count", "deltas", "tokens"), [(0, 0, 0), (1, 1, 1), (4, 1, 1), (5, 1, 2), (5, 5, 5), (400, 7, 100)]
)
def test_a_completion_is_a_token_for_four_bytes_and_at_least_one_for_each_delta(
    byte_count: int, deltas: int, tokens: int
) -> None:
    found = meter()
    found.received(byte_count, deltas)
    assert found.usage(complete=True, was_sent=True).completion_tokens == tokens


def test_what_was_reported_is_not_mixed_with_estimates() -> None:
    found = meter()
    found.received(4_000, 1_000)
    found.report(UsageReport(3, 5))
    usage = found.usage(complete=True, was_sent=True)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.source) == (3, 5, 8, "reported")


def test_a_later_report_replaces_what_it_sets_and_leaves_the_rest() -> None:
    found = meter()
    found.report(UsageReport(1, 2, 3, 4))
    found.report(UsageReport(completion_tokens=20))
    found.report(UsageReport(reasoning_tokens=0))
    usage = found.usage(complete=True, was_sent=True)
    assert (usage.prompt_tokens, usage.completion_tokens) == (1, 20)
    assert (usage.cached_prompt_tokens, usage.reasoning_tokens) == (3, 0)


@pytest.mark.parametrize(
    ("report", "complete", "source"),
    [
        (UsageReport(1, 2), True, "reported"),
        (UsageReport(1), True, "estimated"),
        (UsageReport(None, 2), True, "estimated"),
        (UsageReport(), True, "estimated"),
        (UsageReport(1, 2), False, "partial"),
        (UsageReport(), False, "partial"),
    ],
)
def test_the_source_says_how_the_figures_came_about(report: UsageReport, complete: bool, source: str) -> None:
    found = meter()
    found.received(40, 3)
    found.report(report)
    assert found.usage(complete=complete, was_sent=True).source == source


@pytest.mark.parametrize(("reported", "tokens"), [(None, 10), (1, 10), (500, 500)])
def test_a_running_count_that_lags_behind_what_came_is_not_believed_when_the_stream_is_cut(
    reported: int | None, tokens: int
) -> None:
    found = meter()
    found.received(40, 3)
    found.report(UsageReport(completion_tokens=reported))
    assert found.usage(complete=False, was_sent=True).completion_tokens == tokens


COUNTS = st.none() | st.integers(1, 1_000)


@given(
    st.lists(st.builds(UsageReport, COUNTS, COUNTS, COUNTS, COUNTS), max_size=4),
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 20)), max_size=4),
    st.booleans(),
)
def test_the_total_is_the_sum_and_what_came_is_never_counted_as_nothing(
    reports: list[UsageReport], received: list[tuple[int, int]], complete: bool
) -> None:
    found = meter()
    for report in reports:
        found.report(report)
    for byte_count, deltas in received:
        found.received(byte_count, deltas)
    usage = found.usage(complete=complete, was_sent=True)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens > 0
    assert (usage.completion_tokens > 0) or not received
