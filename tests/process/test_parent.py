"""The host's death, also where the pipe does not tell: a sibling may hold its other end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import SIDECAR, Host, child_environment, inference, is_running, line_of, request, wait_until
from tests.process.programs import PARENT

_PROMISED = 4.0
"""Two seconds, and two more for a busy machine."""


class Family:
    """A parent that started a sidecar and a sibling of it."""

    def __init__(self, data_dir: Path, messages: list[Any], *, holds_pipes: bool = True) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, "with-sibling" if holds_pipes else "alone", *SIDECAR, "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(data_dir, {}),
        )
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        self.parent.stdin.write(b"".join(line_of(message) for message in messages) + b"\n")
        self.parent.stdin.flush()
        told = json.loads(self.parent.stdout.readline())
        self.sidecar, self.sibling, self.first = told["sidecar"], told["sibling"], told["first"]

    def close(self) -> None:
        self.parent.kill()
        self.parent.communicate()
        for pid in (self.sidecar, self.sibling):
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Callable[..., Family]]:
    families: list[Family] = []

    def start(*messages: Any, **options: Any) -> Family:
        families.append(Family(tmp_path / str(len(families)), list(messages), **options))
        return families[-1]

    yield start
    for one in families:
        one.close()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen]:
    """A process that has nothing to do with the sidecar."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "text", ["[[demo: hang]]", "[[demo: connect=0 firstToken=0 rate=max tokens=1000000]]"], ids=["silent", "unread"]
)
def test_a_killed_parent_takes_the_sidecar_with_it_though_a_sibling_holds_the_pipes(
    family: Callable[..., Family], text: str
) -> None:
    found = family(request(1, "llm:inference", inference(text)))
    assert "result" in found.first
    found.parent.kill()
    found.parent.wait()
    wait_until(lambda: not is_running(found.sidecar), "the sidecar outlived its host", _PROMISED)
    assert is_running(found.sibling)


def test_a_killed_parent_that_was_declared_takes_the_sidecar_with_it(family: Callable[..., Family]) -> None:
    found = family(request(1, "ping"))
    declaring = family(request(1, "initialize", {"protocolVersion": 1, "processId": found.parent.pid}))
    assert "result" in declaring.first
    found.parent.kill()
    found.parent.wait()
    wait_until(lambda: not is_running(declaring.sidecar), "the sidecar outlived the declared host", _PROMISED)
    assert declaring.parent.poll() is None


def test_the_end_of_a_declared_host_has_an_exit_code_of_its_own(
    spawn: Callable[..., Host], stranger: subprocess.Popen
) -> None:
    host = spawn()
    host.call("initialize", {"protocolVersion": 1, "processId": stranger.pid})
    assert host.logs("watching the host")[-1]["visible"] is True
    stranger.kill()
    assert host.wait_for_the_promised_two_seconds() == 3
    assert host.logs()[-1]["reason"] == "host died"


def test_the_death_of_the_host_ends_its_streams(spawn: Callable[..., Host], stranger: subprocess.Popen) -> None:
    host = spawn()
    host.call("initialize", {"protocolVersion": 1, "processId": stranger.pid})
    host.infer("[[demo: hang]]", inferenceId="i")
    stranger.kill()
    assert host.answer("i").outcome == "SHUTTING_DOWN"
    assert host.wait_for_the_promised_two_seconds() == 3


def test_a_declared_host_that_was_never_visible_is_never_missed(
    spawn: Callable[..., Host], stranger: subprocess.Popen
) -> None:
    stranger.kill()
    stranger.wait()
    host = spawn()
    host.call("initialize", {"protocolVersion": 1, "processId": stranger.pid})
    assert host.logs("watching the host")[-1]["visible"] is False
    assert host.call("ping") == {}
    host.close_stdin()
    assert host.wait() == 0


@pytest.mark.parametrize("process_id", [2**22 + 1, 2**31 - 1, 2**31, 2**32, 2**63, 2**70])
def test_a_process_id_beyond_every_process_is_not_visible_or_refused(
    spawn: Callable[..., Host], process_id: int
) -> None:
    host = spawn()
    response = host.response(host.ask("initialize", {"protocolVersion": 1, "processId": process_id}))
    if "error" in response:
        assert response["error"]["data"]["code"] == "VALIDATION_ERROR"
        host.call("initialize", {"protocolVersion": 1})
    assert host.call("ping") == {}
