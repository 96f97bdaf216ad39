"""The checks that every conversation goes through do notice a broken promise."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import promises
from conformance.faults import Breach
from conformance.shapes import Shapes
from llm_sidecar.protocol import examples
from tests.protocol.conformance_runs import PROTOCOL, SHAPES

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
    promises.check(_SEND, _conversation(), SHAPES)
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


_ASK = [{"jsonrpc": "2.0", "id": 7, "method": "llm:chat:completions", "params": {}}]


def _completion() -> list[dict[str, Any]]:
    whole = copy.deepcopy(examples.HOST["llm:chat:completions"].result) or {}
    pieces = [({"role": "assistant", "content": "Hel"}, None), ({"content": "lo!"}, None), ({}, "stop")]
    return [*(_chunk(whole, delta, end) for delta, end in pieces), {"jsonrpc": "2.0", "id": 7, "result": whole}]


def _chunk(whole: dict[str, Any], delta: dict[str, Any], end: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": end, "logprobs": None}
    head = {name: whole[name] for name in ("id", "created", "model")}
    chunk = {**head, "object": "chat.completion.chunk", "choices": [choice]}
    return {"jsonrpc": "2.0", "method": "llm:chat:chunk", "params": {"requestId": 7, "chunk": chunk}}


def test_a_completion_that_keeps_them_passes() -> None:
    promises.check(_ASK, _completion(), SHAPES)


_BREACHES_OF_COMPLETIONS: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "a chunk after the response": lambda lines: lines.append(lines.pop(2)),
    "a chunk for nobody": lambda lines: lines[0]["params"].update(requestId=8),
    "a text that is not the whole one": lambda lines: lines.pop(1),
    "no last chunk": lambda lines: lines.pop(2),
    "a second role": lambda lines: lines[1]["params"]["chunk"]["choices"][0]["delta"].update(role="assistant"),
    "another id": lambda lines: lines[1]["params"]["chunk"].update(id="other"),
    "another usage": lambda lines: lines[2]["params"]["chunk"].update(
        usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "source": "reported", "cost": None}
    ),
}


@pytest.mark.parametrize("breach", _BREACHES_OF_COMPLETIONS)
def test_a_breach_of_a_completion_is_noticed(breach: str) -> None:
    lines = _completion()
    _BREACHES_OF_COMPLETIONS[breach](lines)
    with pytest.raises(Breach, match=r"^line \d"):
        promises.check(_ASK, lines, SHAPES)


@pytest.mark.parametrize("breach", _BREACHES)
def test_a_breach_is_noticed(breach: str) -> None:
    lines = copy.deepcopy(_conversation())
    _BREACHES[breach](lines)
    with pytest.raises(Breach, match="no llm:done or llm:error" if breach == "no terminal" else r"^line \d"):
        promises.check(_SEND, lines, SHAPES)


_CANCEL = [*_SEND, {"jsonrpc": "2.0", "id": 2, "method": "llm:cancel", "params": {"inferenceId": "answer-1"}}]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_token_after_the_answer_to_a_cancel_is_noticed(place: int) -> None:
    lines = _conversation()
    lines[4]["params"]["cancelled"] = True
    reply = {"jsonrpc": "2.0", "id": 2, "result": {"success": True}}
    promises.check(_CANCEL, [*lines[:4], reply, *lines[4:]], SHAPES)
    with pytest.raises(Breach, match=r"a token of inference .* after its llm:cancel was answered"):
        promises.check(_CANCEL, [*lines[:place], reply, *lines[place:]], SHAPES)


def test_an_end_that_does_not_tell_of_the_cancel_is_noticed() -> None:
    lines = _conversation()
    reply = {"jsonrpc": "2.0", "id": 2, "result": {"success": True}}
    with pytest.raises(Breach, match="was cancelled, and its llm:done does not say so"):
        promises.check(_CANCEL, [*lines[:4], reply, *lines[4:]], SHAPES)


@given(st.data())
def test_nothing_that_can_come_makes_the_checks_fall_over(data: st.DataObject) -> None:
    """Also without `jsonschema`, which would refuse most of it first."""
    shapes = Shapes(PROTOCOL)
    shapes._library = None
    lines: list[Any] = [*copy.deepcopy(_conversation()), *_completion()]
    target = data.draw(st.sampled_from(lines))
    while True:
        name = data.draw(st.sampled_from(sorted(target)))
        if not isinstance(target[name], dict) or not target[name] or data.draw(st.booleans()):
            break
        target = target[name]
    target[name] = data.draw(st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.just({}))
    with contextlib.suppress(Breach):
        promises.check([*_SEND, *_ASK], lines, shapes)
        promises.texts(lines)
