"""The checks that every conversation goes through do notice a broken promise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import ValidationError

from llm_sidecar.protocol import examples
from tests.protocol import promises

_SEND = [{"jsonrpc": "2.0", "id": 1, "method": "llm:inference", "params": {}}]


def _event(name: str, seq: int, **changes: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": name, "params": {**examples.SIDECAR[name], "seq": seq, **changes}}


def _conversation() -> list[dict[str, Any]]:
    return [
        {"jsonrpc": "2.0", "id": 1, "result": {"inferenceId": "answer-1"}},
        _event("llm:thinking", 0),
        _event("llm:token", 1, index=0, count=2),
        _event("llm:token", 2, index=2, count=1),
        _event("llm:done", 3),
    ]


def test_a_conversation_that_keeps_them_passes() -> None:
    promises.check(_SEND, _conversation())
    assert promises.texts(_conversation()) == {"answer-1": "HelloHello"}


_BREACHES: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "a gap in seq": lambda lines: lines[2]["params"].update(seq=7),
    "a gap in the token index": lambda lines: lines[3]["params"].update(index=3),
    "no terminal": lambda lines: lines.pop(),
    "two terminals": lambda lines: lines.append(_event("llm:done", 4)),
    "an event after the terminal": lambda lines: lines.append(_event("llm:thinking", 4)),
    "an event before the acceptance": lambda lines: lines.insert(0, lines.pop(1)),
    "a field of a wrong type": lambda lines: lines[4]["params"].update(attempts="1"),
    "a field that no schema tells of": lambda lines: lines[4]["params"].update(secret=1),
    "a missing field": lambda lines: lines[4]["params"].pop("usage"),
    "a message without its version": lambda lines: lines[1].pop("jsonrpc"),
    "an error without data": lambda lines: lines.append(
        {"jsonrpc": "2.0", "id": 2, "error": {"code": -32600, "message": "no"}}
    ),
}


@pytest.mark.parametrize("breach", _BREACHES)
def test_a_breach_is_noticed(breach: str) -> None:
    lines = copy.deepcopy(_conversation())
    _BREACHES[breach](lines)
    with pytest.raises((AssertionError, ValidationError)):
        promises.check(_SEND, lines)
