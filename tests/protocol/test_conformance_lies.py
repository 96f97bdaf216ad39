"""A sidecar that lies is caught by the conformance runner, and is told what is wrong."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance.player import Outcome, play
from conformance.vectors import Conversation
from tests.hosts import is_running, wait_until
from tests.protocol.conformance_runs import SHAPES

_LIAR = (sys.executable, "-S", str(Path(__file__).with_name("lying_sidecar.py")))
_PATIENCE = 30.0
_SOON = 0.5
"""Seconds, for those that hang: the deadline must come."""


def _ask(request_id: int, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def _event(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": {**params, "$more": True}}


def _result(request_id: int, **result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


_PING = Conversation("ping", [_ask(1, "ping")], [_result(1)], {})
_INFERENCE = Conversation(
    "inference",
    [_ask(1, "llm:inference", inferenceId="a")],
    [
        _result(1, inferenceId="a"),
        {"$many": _event("llm:thinking")},
        {"$many": _event("llm:token")},
        _event("llm:done"),
    ],
    {"a": "Hello"},
)
_CANCEL = Conversation(
    "cancel",
    [*_INFERENCE.send, {"$await": _event("llm:token")}, _ask(2, "llm:cancel", inferenceId="a")],
    [*_INFERENCE.expect[:3], _result(2, success=True), {"$many": {"$any": True}}],
    {},
)


def _outcome(conversation: Conversation, lie: str = "", deadline: float = _PATIENCE) -> Outcome:
    return asyncio.run(play(conversation, [*_LIAR, lie], deadline, SHAPES))


@pytest.mark.parametrize("conversation", [_PING, _INFERENCE, _CANCEL], ids=lambda item: item.name)
def test_an_honest_sidecar_passes(conversation: Conversation) -> None:
    assert _outcome(conversation).faults == []


_LIES = [
    (_PING, "a line of noise", 'line 1: stdout carries what is no JSON: "Loading model..."'),
    (_PING, "a bare number", "line 1: stdout carries what is no message: 7"),
    (_PING, "not a number", "line 1: stdout carries what is no JSON"),
    (_PING, "carriage returns", "line 1: a line ends with CR LF, not LF"),
    (_PING, "no line end", 'line 2: the last line is not ended: "{'),
    (_PING, "a flood", "more than 64 MiB came on stdout"),
    (_PING, "drop a reply", 'it ends after 0 lines; expected {"jsonrpc": "2.0", "id": 1, "result": {}}'),
    (_PING, "answer twice", "line 2: came"),
    (_PING, "an answer to nobody", "line 1: a result of a request that was not made: id 99"),
    (_PING, "a notification of its own", 'line 1: a notification that openrpc.json does not know: "llm:weather"'),
    (_PING, "end stdout and exit", "it ends after 0 lines; expected"),
    (_INFERENCE, "repeat a seq", 'line 4: llm:token of inference "a" has seq 1, expected 2'),
    (_INFERENCE, "skip an index", 'line 4: a token of "a" has index 2, expected 1'),
    (_INFERENCE, "an event without seq", "line 3: llm:token does not fit schemas/TokenEvent.json"),
    (_INFERENCE, "an event before the acceptance", 'line 1: llm:thinking of inference "a" before its acceptance'),
    (_INFERENCE, "no terminal", 'inference "a" has no llm:done or llm:error'),
    (_INFERENCE, "two terminals", 'line 6: llm:done of inference "a" after its llm:done'),
    (
        _INFERENCE,
        "a field of its own",
        "line 5: llm:done has a field `mood` that schemas/DoneEvent.json does not tell of",
    ),
    (_INFERENCE, "a string for a number", "line 5: llm:done does not fit schemas/DoneEvent.json at `totalTokens`: '3'"),
    (_INFERENCE, "exit with 1", 'it ended with exit code 1, expected exit code 0 (the last line on stderr: "Traceback'),
    (_INFERENCE, "die of a signal", "it was ended by SIGKILL, expected exit code 0"),
    (_CANCEL, "a token after the cancel", 'line 6: a token of inference "a" after its llm:cancel was answered'),
    (_CANCEL, "a cancel that is not told", 'line 6: inference "a" was cancelled, and its llm:done does not say so'),
]


@pytest.mark.parametrize(("conversation", "lie", "reason"), _LIES, ids=[lie for _, lie, _ in _LIES])
def test_a_lie_is_caught_and_named(conversation: Conversation, lie: str, reason: str) -> None:
    assert _outcome(conversation, lie).faults[0].startswith(reason)


_HANGS = [
    ("hang", "it hung: after 0.5 s stdin was closed and stdout had not ended (nothing came)"),
    ("stay", "it hung: after 0.5 s stdin was closed and stdout had not ended (1 line came, the last was"),
    ("close stdout", "it hung: after 0.5 s stdout had ended and the process had not (nothing came)"),
    ("leave a child that holds stdout", "it hung: after 0.5 s stdin was closed and stdout had not ended (1 line came"),
]


@pytest.mark.parametrize(("lie", "reason"), _HANGS, ids=[lie for lie, _ in _HANGS])
def test_one_that_hangs_is_ended_at_the_deadline(lie: str, reason: str) -> None:
    assert _outcome(_PING, lie, _SOON).faults[0].startswith(reason)


def test_a_line_that_is_awaited_in_vain_is_named() -> None:
    waiting = _PING._replace(send=[*_PING.send, {"$await": {"method": "llm:done", "$more": True}}])
    reason = 'it hung: after 0.5 s a line was still awaited: {"method": "llm:done", "$more": true} (1 line came'
    assert _outcome(waiting, deadline=_SOON).faults[0].startswith(reason)
    ended = _outcome(waiting, "end stdout and exit").faults
    assert ended[0] == 'stdout ended while a line was awaited: {"method": "llm:done", "$more": true}'


def test_what_is_wrong_before_the_deadline_is_told_beside_the_hang() -> None:
    waiting = _INFERENCE._replace(send=[*_INFERENCE.send, {"$await": {"method": "llm:error", "$more": True}}])
    hung, wrong = _outcome(waiting, "repeat a seq", _SOON).faults
    assert hung.startswith("it hung")
    assert wrong == 'line 4: llm:token of inference "a" has seq 1, expected 2'


def test_nothing_of_a_sidecar_is_left_behind(tmp_path: Path) -> None:
    """Its children neither: they are of its process group."""
    told = tmp_path / "pids"
    child = "import time; time.sleep(3600)"
    program = (
        "import os, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {child!r}])\n"
        f"open({str(told)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(3600)"
    )
    outcome = asyncio.run(play(_PING, [sys.executable, "-S", "-c", program], 1.0, SHAPES))
    assert outcome.faults[0].startswith("it hung")
    for pid in map(int, told.read_text().split()):
        wait_until(lambda pid=pid: not is_running(pid), f"process {pid} is still there")  # type: ignore[misc]


def test_each_conversation_has_a_data_folder_of_its_own_and_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLM_SIDECAR_HOME", "LLM_SIDECAR_MAX_RETRIES", "OPENAI_API_KEY", "OLLAMA_BASE_URL"):
        monkeypatch.setenv(name, "/of-the-user")
    program = (
        "import os, sys\n"
        "mine = [k + '=' + v for k, v in os.environ.items() if k.startswith('LLM_') or k.endswith(('_KEY', '_URL'))]\n"
        "sys.exit(' '.join(mine))"
    )
    told = [asyncio.run(play(_PING, [sys.executable, "-S", "-c", program], _PATIENCE, SHAPES)).stderr for _ in range(2)]
    assert all("of-the-user" not in text and text.startswith("LLM_SIDECAR_HOME=") for text in told)
    assert all(len(text.split()) == 1 for text in told)
    assert told[0] != told[1]
