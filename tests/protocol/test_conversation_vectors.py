"""Every conversation of `protocol/vectors`, with a real sidecar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.hosts import Host
from tests.protocol import promises
from tests.protocol.vector_matcher import mismatch
from tests.protocol.vector_player import conversations, play

_CONVERSATIONS = conversations()


@pytest.mark.parametrize("vector", _CONVERSATIONS.values(), ids=_CONVERSATIONS.keys())
def test_a_conversation_goes_as_its_vector_says(vector: dict[str, Any], spawn: Callable[..., Host]) -> None:
    assert vector.keys() <= {"name", "send", "expect", "texts"}
    lines = play(vector["send"], spawn("--drain", "--log-level", "off"))
    assert mismatch(vector["expect"], lines) is None
    promises.check(vector["send"], lines)
    joined = promises.texts(lines)
    assert {name: joined[name] for name in vector.get("texts", {})} == vector.get("texts", {})


def test_there_is_a_conversation_for_each_topic() -> None:
    topics = {name.partition(":")[0] for name in _CONVERSATIONS}
    assert topics >= {"handshake", "ping", "parse-errors", "invalid-requests", "unknown-methods", "validation", "batch"}
    assert topics >= {"inference", "cancel", "attach", "lifecycle", "generate-text", "chat-completions", "sessions"}
