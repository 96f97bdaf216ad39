"""A command that looks into an application's data folder leaves the jobs that wait there to the application."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from tests.cli.commands import run_to_end
from tests.hosts import Host, inference

Spawn = Callable[..., Host]
COMMANDS = [
    ["usage", "--data-dir", "DIR"],
    ["sessions", "list", "--data-dir", "DIR"],
    ["profiles", "--data-dir", "DIR", "list"],
    ["vault", "--data-dir", "DIR", "status"],
]


def test_a_command_begins_no_job_that_waits(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn(data_dir=tmp_path / "data")
    host.call("initialize", {"protocolVersion": 1, "limits": {"maxRunningJobs": 0}})
    host.call("llm:job:submit", {"kind": "inference", "jobId": "waits", "params": inference("[[demo: hang]]")})
    host.close_stdin()
    host.wait()
    for command in COMMANDS:
        arguments = [str(tmp_path / "data") if word == "DIR" else word for word in command]
        assert run_to_end(tmp_path, *arguments).returncode == 0, command
    host = spawn(data_dir=tmp_path / "data")
    host.call("initialize", {"protocolVersion": 1, "limits": {"maxRunningJobs": 0}})
    job = host.call("llm:job:get", {"jobId": "waits"})
    assert (job["state"], job["attempts"]) == ("queued", 0)


def test_what_ran_when_the_application_died_is_told_to_the_application(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn(data_dir=tmp_path / "data")
    host.call("llm:job:submit", {"kind": "inference", "jobId": "ran", "params": inference("[[demo: hang]]")})
    host.read_until(lambda message: message.get("method") == "llm:job:progress")
    host.signal(signal.SIGKILL)
    host.wait()
    assert run_to_end(tmp_path, "usage", "--data-dir", str(tmp_path / "data")).returncode == 0
    host = spawn(data_dir=tmp_path / "data")
    host.call("initialize", {"protocolVersion": 1})
    told = host.read_until(lambda message: message.get("method") == "llm:job:error")
    assert (told["params"]["jobId"], told["params"]["error"]["code"]) == ("ran", "JOB_INTERRUPTED")
