"""Jobs and SIGKILL: what was acknowledged is there, what was paid for is never paid again in silence.

The sidecar is killed at chosen points of its conversation with the provider; `LLM_SIDECAR_JOB_KILLS=all` takes all of
them, and a number makes as many random kills of inferences.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Host
from tests.providers.batch_server import KEY, BatchServer, BatchServerThread

Spawn = Callable[..., Host]
WISH = os.environ.get("LLM_SIDECAR_JOB_KILLS", "")
ENDS = {"done", "failed", "cancelled", "interrupted"}
TEXTS = ("one", "ERROR", "two", "MISSING")
REQUESTS = {"openai": 5, "anthropic": 5}
"""Of one batch: upload or look, create, status twice, results (and OpenAI's second file)."""
POINTS = [
    (provider, number, moment)
    for provider, count in REQUESTS.items()
    for number in range(1, count + 1)
    for moment in ("before", "after")
    if WISH == "all" or number == 2 or (number, moment) in {(4, "after"), (5, "before")}
]


def started(spawn: Spawn, url: str, data_dir: Path) -> Host:
    environment = {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": f"{url}/v1",
        "ANTHROPIC_API_KEY": KEY,
        "LLM_SIDECAR_BATCH_POLL_MS": "10",
    }
    host = spawn(environment=environment, data_dir=data_dir)
    host.call("initialize", {"protocolVersion": 1})
    return host


def batch(provider: str, **more: Any) -> dict[str, Any]:
    model = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}[provider]
    requests = [
        {"customId": f"r{at}", "request": {"messages": [{"role": "user", "content": text}]}}
        for at, text in enumerate(TEXTS)
    ]
    params = {"providerId": provider, "modelId": model, "requests": requests}
    return {"kind": "batch", "params": params, "jobId": "batch", **more}


def ended(host: Host, job_id: str) -> dict[str, Any]:
    """The job, once it has ended, whether that was told to this host or before."""
    job = host.call("llm:job:get", {"jobId": job_id})
    if job["state"] not in ENDS:
        ends = ("llm:job:done", "llm:job:error")
        host.read_until(lambda m: m.get("method") in ends and m["params"]["jobId"] == job_id)
        job = host.call("llm:job:get", {"jobId": job_id})
    return job


def check_database(data_dir: Path) -> None:
    connection = sqlite3.connect(data_dir / "llm-sidecar.sqlite3")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def killed_at(number: int, moment: str, spawn: Spawn, provider: str, data_dir: Path, **more: Any) -> dict[str, Any]:
    """A batch whose sidecar dies at a request of it; the job in the end, and what is known of it."""
    with BatchServerThread(BatchServer(looks=2)) as server:
        host = started(spawn, server.url, data_dir)

        def on_request(at: int, now: str) -> None:
            if (at, now) == (number, moment):
                host.signal(signal.SIGKILL)
                host.wait()
                server.on_request = lambda _at, _now: None

        server.on_request = on_request
        assert host.call("llm:job:submit", batch(provider, **more)) == {"jobId": "batch"}
        host.wait()
        check_database(data_dir)
        host = started(spawn, server.url, data_dir)
        job = ended(host, "batch")
        items = host.call("llm:job:result", {"jobId": "batch"})["items"]
        rows = host.call("llm:usage:list")["rows"]
        created = len(server.batches) + len(server.messages)
        host.close_stdin()
        assert host.wait() == 0
    return {"job": job, "items": items, "rows": rows, "created": created}


@pytest.mark.parametrize(("provider", "number", "moment"), POINTS)
def test_a_batch_survives_its_sidecar(spawn: Spawn, tmp_path: Path, provider: str, number: int, moment: str) -> None:
    seen = killed_at(number, moment, spawn, provider, tmp_path / "data")
    job = seen["job"]
    nobody_knows = provider == "anthropic" and number == 2
    assert job["state"] == ("interrupted" if nobody_knows else "done")
    assert job.get("mayHaveBeenPaid", False) is nobody_knows
    assert seen["created"] == 1
    if not nobody_knows:
        assert len(seen["items"]) == len(TEXTS)
        assert [row["inferenceId"] for row in seen["rows"]] == ["batch:r2", "batch:r0"]


def test_a_batch_that_may_restart_says_that_it_may_have_been_paid_twice(spawn: Spawn, tmp_path: Path) -> None:
    seen = killed_at(2, "after", spawn, "anthropic", tmp_path / "data", ifInterrupted="restart")
    assert seen["job"]["state"] == "done"
    assert seen["job"]["mayHaveBeenPaid"]
    assert seen["created"] == 2


@pytest.mark.parametrize("seed", range(int(WISH) if WISH.isdigit() else 4))
def test_inferences_survive_their_sidecar(spawn: Spawn, tmp_path: Path, seed: int) -> None:
    """Told before the kill: there after it. Queued: done. Running: as the job says."""
    dice = random.Random(seed)
    data_dir = tmp_path / "data"
    host = started(spawn, "http://127.0.0.1:9", data_dir)
    submitted: dict[str, str] = {}
    for at in range(6):
        text = f"[[demo: connect=0 firstToken={dice.randrange(3)} rate=max tokens={dice.randrange(1, 50)}]]"
        rule = dice.choice(["fail", "restart"])
        params = {"providerId": "demo", "messages": [{"role": "user", "content": text}]}
        job = {"kind": "inference", "jobId": f"job-{at}", "ifInterrupted": rule, "params": params}
        host.ask("llm:job:submit", job)
        submitted[f"job-{at}"] = rule
    known: dict[str, str] = {}
    for _ in range(dice.randrange(1, 18)):
        message = host.read()
        if message.get("method") == "llm:job:done":
            known[message["params"]["jobId"]] = "done"
        elif "result" in message:
            known.setdefault(message["result"]["jobId"], "acknowledged")
    host.signal(signal.SIGKILL)
    host.wait()
    check_database(data_dir)
    host = started(spawn, "http://127.0.0.1:9", data_dir)
    for job_id, what in known.items():
        job = ended(host, job_id)
        assert job["state"] == "done" or (what == "acknowledged" and submitted[job_id] == "fail"), (job, what)
        assert job["state"] in {"done", "interrupted"}
        assert "mayHaveBeenPaid" not in job
        if job["state"] == "done":
            assert host.call("llm:job:result", {"jobId": job_id})["result"]["finishReason"] == "stop"


def test_a_cancel_that_was_acknowledged_holds_after_a_kill(spawn: Spawn, tmp_path: Path) -> None:
    host = started(spawn, "http://127.0.0.1:9", tmp_path / "data")
    params = {"providerId": "demo", "messages": [{"role": "user", "content": "[[demo: connect=0 stall=0]]"}]}
    host.call("llm:job:submit", {"kind": "inference", "jobId": "one", "ifInterrupted": "restart", "params": params})
    host.read_until(lambda m: m.get("method") == "llm:job:progress")
    assert host.call("llm:job:cancel", {"jobId": "one"}) == {"success": True}
    host.signal(signal.SIGKILL)
    host.wait()
    host = started(spawn, "http://127.0.0.1:9", tmp_path / "data")
    assert host.call("llm:job:get", {"jobId": "one"})["state"] == "cancelled"


def test_a_paid_inference_that_was_killed_says_so(spawn: Spawn, tmp_path: Path) -> None:
    server = BatchServer()
    with BatchServerThread(server):
        host = started(spawn, server.url, tmp_path / "data")

        def on_request(_at: int, moment: str) -> None:
            if moment == "before":
                host.signal(signal.SIGKILL)
                host.wait()

        server.on_request = on_request
        params = {"providerId": "openai", "messages": [{"role": "user", "content": "Hello"}]}
        host.call("llm:job:submit", {"kind": "inference", "jobId": "one", "params": params})
        host.wait()
    host = started(spawn, "http://127.0.0.1:9", tmp_path / "data")
    told = host.read_until(lambda m: m.get("method") == "llm:job:error")
    assert told["params"]["error"]["code"] == "JOB_INTERRUPTED"
    assert told["params"]["mayHaveBeenPaid"]
    job = host.call("llm:job:get", {"jobId": "one"})
    assert (job["state"], job["mayHaveBeenPaid"], job["attempts"]) == ("interrupted", True, 1)
