"""Every conversation of `protocol/vectors`, with a real sidecar, as the conformance runner plays it."""

from __future__ import annotations

import pytest

from tests.protocol.conformance_runs import CONVERSATIONS, SHAPES, SIDECAR, outcome_of


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_goes_as_its_vector_says(name: str) -> None:
    outcome = outcome_of(CONVERSATIONS[name], *SIDECAR)
    assert outcome.faults == []


def test_results_and_notifications_are_held_against_their_schemas() -> None:
    made = SHAPES.checks_made
    outcome_of(CONVERSATIONS["ping: ping takes no params, an empty object or an empty list"], *SIDECAR)
    assert SHAPES.checks_made > made
    assert SHAPES.checks_left_out == 0


def test_there_is_a_conversation_for_each_topic() -> None:
    topics = {name.partition(":")[0] for name in CONVERSATIONS}
    assert topics >= {"handshake", "ping", "parse-errors", "invalid-requests", "unknown-methods", "validation", "batch"}
    assert topics >= {"inference", "cancel", "attach", "lifecycle", "generate-text", "chat-completions", "sessions"}
    assert topics >= {"jobs", "profiles", "usage"}
