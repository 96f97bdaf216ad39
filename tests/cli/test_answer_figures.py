"""What is said about an answer: while it comes, at its end, and when it fails."""

from __future__ import annotations

import msgspec
import pytest

from llm_sidecar.cli.failure import HINTS, describe
from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.received import ReceivedAnswer, duration
from llm_sidecar.cli.summary import summary
from llm_sidecar.client import DoneEvent, SidecarDied, SidecarError, ThinkingEvent, TokenEvent
from llm_sidecar.errors import ERROR_KINDS
from llm_sidecar.messages.events import Timings, Usage

DONE = DoneEvent(
    inference_id="a",
    seq=0,
    total_tokens=1_100,
    usage=Usage(prompt_tokens=100, completion_tokens=1_000, total_tokens=1_100, source="reported"),
    cost=None,
    finish_reason="stop",
    raw_finish_reason="end_turn",
    provider_id="openai",
    model_id="m",
    attempts=1,
    timings=Timings(queued_ms=0, first_token_ms=500, total_ms=2_500),
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def token(text: str, count: int) -> TokenEvent:
    return TokenEvent(inference_id="a", seq=0, token=text, index=0, count=count)


def test_the_rate_counts_from_the_first_text_and_stops_at_the_end() -> None:
    clock = Clock()
    received = ReceivedAnswer(clock)
    assert received.figures() == ["0 ms"]
    clock.now += 0.5
    received.take(ThinkingEvent(inference_id="a", seq=0, status="reasoning", text="Hm."))
    clock.now += 1
    assert received.take(token("Hello", 1)) == "Hello"
    assert received.figures() == ["first token 500 ms", "1 token", "1.50 s"]
    clock.now += 2
    received.take(token(" world", 99))
    received.take(DONE)
    expected = ["50 tokens/s", "first token 500 ms", "100 tokens", "3.50 s"]
    assert received.figures() == expected
    clock.now += 60
    assert received.figures() == expected
    assert (received.text, received.reasoning) == ("Hello world", "Hm.")


def test_a_retry_is_announced_with_its_reason() -> None:
    received = ReceivedAnswer()
    event = ThinkingEvent(
        inference_id="a", seq=0, status="retrying", attempt=2, retry_after_ms=1_500, code="RATE_LIMIT"
    )
    received.take(event)
    assert received.state == "trying again in 1.50 s (RATE_LIMIT)"


@pytest.mark.parametrize(
    ("changes", "label", "value"),
    [
        ({}, "finish", "stop (end_turn)"),
        ({"cancelled": True}, "finish", "cancelled"),
        ({}, "cost", "unknown"),
        ({"cost": 0.0}, "cost", "free"),
        ({"cost": 0.001234}, "cost", "$0.001234"),
        ({"provider_id": "demo"}, "cost", "free"),
        ({}, "tokens", "100 prompt + 1,000 completion = 1,100, reported"),
        ({}, "speed", "500.0 tokens/s"),
        ({"timings": Timings(queued_ms=0, first_token_ms=None, total_ms=9)}, "speed", "too short to tell"),
        ({}, "time", "first token 500 ms, total 2.50 s"),
        (
            {"attempts": 3, "timings": Timings(queued_ms=40, first_token_ms=None, total_ms=90)},
            "time",
            "first token none, total 90 ms, queued 40 ms, 3 attempts",
        ),
    ],
)
def test_the_summary_says_what_was_reported(changes: dict[str, object], label: str, value: str) -> None:
    rows = {row.label: row.value for row in summary(msgspec.structs.replace(DONE, **changes))}
    assert rows[label] == value


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0 ms"), (0.2814, "281 ms"), (1.926, "1.93 s"), (72, "72.0 s")])
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_every_hint_belongs_to_a_code_that_exists() -> None:
    assert set(HINTS) <= set(ERROR_KINDS)


def test_an_error_tells_when_to_try_again_where_somebody_said_so() -> None:
    assert describe(SidecarError("RATE_LIMIT", "Too many.", retry_after_ms=7_000)) == [
        "Too many. [RATE_LIMIT]",
        "Ask again in 7 s.",
    ]
    assert describe(SidecarError("RATE_LIMIT", "Too many.")) == ["Too many. [RATE_LIMIT]", HINTS["RATE_LIMIT"]]


def test_the_last_words_of_a_dead_sidecar_are_shown() -> None:
    assert describe(SidecarDied("It ended.", 2, ["a", "b", "c", "d"]))[1:] == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc", "a\nb\tc"),
        ("a\r\nb", "a\nb"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("c1 \x9b31m \x7f\x00", "c1 \ufffd31m \ufffd\ufffd"),
        ("שלום 👩‍👩‍👧", "שלום 👩‍👩‍👧"),
    ],
)
def test_control_characters_do_not_reach_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
