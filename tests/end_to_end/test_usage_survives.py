"""A budget holds over restarts, and a full disk ends no answer. (What a SIGKILL may take: `tests/crash`.)"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.providers_at_the_pipe import environment_for, serving
from tests.hosts import Host
from tests.providers.fault_server import LAST_CHUNK, Script, chunked, saying
from tests.providers.wire_format import WireFormat, stream_head

Spawn = Callable[..., Host]
ANSWER = '[[demo: text="Hello" usage=prompt:12,completion:4]]'


def complete(wire_format: WireFormat) -> Script:
    """An answer to its end."""
    return saying(stream_head(wire_format) + chunked(next(iter(wire_format.complete.values()))) + LAST_CHUNK)


def all_rows(host: Host, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = host.call("llm:usage:list", {"limit": 200, **params, **cursor})
        found += page["rows"]
        if page["nextCursor"] is None:
            return found
        cursor = {"cursor": page["nextCursor"]}


def test_a_budget_that_is_spent_stops_paid_inferences_also_after_a_restart(spawn: Spawn, tmp_path: Path) -> None:
    """With the real price list, and a provider that is on it."""
    with serving({"gpt-4o-mini": complete, "": complete}) as server:
        environment = environment_for(server)
        paid = {"providerId": "openai", "modelId": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
        host = spawn(environment=environment)
        assert host.call("llm:budget:set", {"period": "month", "limit": 0.0000001})["budgets"][0]["spent"] == 0
        host.call("llm:inference", {**paid, "inferenceId": "a"})
        cost = host.answer("a").terminal["cost"]
        assert cost > 0.0000001
        for _ in range(2):
            (budget,) = host.call("llm:budget:get")["budgets"]
            assert budget["spent"] == pytest.approx(cost, abs=1e-9)
            refusal = host.refusal("llm:inference", paid)
            assert refusal["data"]["code"] == "BUDGET_EXCEEDED"
            assert refusal["data"]["details"]["resetsAt"] == budget["resetsAt"]
            host.call("llm:generate-text", {"providerId": "demo", "model": "demo-fast", "prompt": "free"})
            host.call("llm:inference", {**paid, "providerId": "llama.cpp", "inferenceId": "local"})
            host.answer("local")
            host.signal(signal.SIGKILL)
            host.wait()
            host = spawn(environment=environment, data_dir=tmp_path / "data")


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_a_folder_that_takes_no_more_ends_no_answer_and_the_terminal_says_so(spawn: Spawn, tmp_path: Path) -> None:
    """The size of files is limited after the start, as on a disk that is full."""
    import resource  # not on Windows

    host = spawn()
    host.infer(ANSWER, inferenceId="stored", modelId="demo-fast")
    assert "persisted" not in host.answer("stored").terminal
    host.call("llm:budget:set", {"period": "day", "limit": 1})
    largest = max(path.stat().st_size for path in (tmp_path / "data").iterdir())
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
    assert largest > 4_096
    host.infer(ANSWER, inferenceId="lost", modelId="demo-fast")
    lost = host.answer("lost")
    assert (lost.outcome, lost.text, lost.terminal["persisted"]) == ("done", "Hello", False)
    refusal = host.refusal("llm:budget:set", {"period": "day", "limit": 2})
    assert refusal["data"]["code"] == "STORAGE_WRITE_ERROR"
    assert host.call("llm:budget:get")["budgets"][0]["limit"] == 1
    assert [row["inferenceId"] for row in all_rows(host)] == ["stored"]
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    host.infer(ANSWER, inferenceId="again", modelId="demo-fast")
    assert "persisted" not in host.answer("again").terminal
    assert [row["inferenceId"] for row in all_rows(host)] == ["again", "stored"]
    host.close_stdin()
    assert host.wait() == 0


def test_without_a_folder_to_write_to_answers_go_on_and_asking_says_why(spawn: Spawn, tmp_path: Path) -> None:
    occupied = tmp_path / "a file"
    occupied.write_text("")
    host = spawn("--data-dir", str(occupied / "below"))
    host.infer(ANSWER, inferenceId="a", modelId="demo-fast")
    assert host.answer("a").terminal["persisted"] is False
    for method, params in (
        ("llm:usage:list", {}),
        ("llm:usage:summary", {}),
        ("llm:budget:get", {}),
        ("llm:budget:set", {"period": "day", "limit": 1}),
        ("llm:audit:list", {}),
    ):
        code = host.refusal(method, params)["data"]["code"]
        assert code in {"STORAGE_READ_ERROR", "STORAGE_WRITE_ERROR"}


def test_nothing_is_written_where_nothing_is_to_be_kept(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn("--in-memory")
    host.infer(ANSWER, inferenceId="a", modelId="demo-fast")
    assert "persisted" not in host.answer("a").terminal
    assert [row["inferenceId"] for row in all_rows(host)] == ["a"]
    assert not (tmp_path / "data").exists()
