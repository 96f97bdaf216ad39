"""stdout carries the protocol and nothing else, and stdin is nobody else's, whatever code runs in the process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from tests.hosts import Host
from tests.process.programs import NOISE, NOISY, NOISY_WITHOUT_STDERR

WAYS = ("print", "write", "os.write", "printf", "puts", "echo", "os.system")
PLACES = (
    "at import of llm_sidecar.cli.serve",
    "at import of llm_sidecar.sidecar",
    "at import of llm_sidecar.providers.scripted.adapter",
    "at a request",
)


def converse(host: Host) -> list[bytes]:
    """Every line that came on stdout in a short life."""
    hello = host.ask("initialize", {"protocolVersion": 1, "prewarm": ["demo"]})
    lines = [host.read_line()]
    assert json.loads(lines[0])["id"] == hello
    host.infer("[[demo: connect=0 firstToken=0 rate=max text=hello]]", inferenceId="i")
    while b'"method":"llm:done"' not in lines[-1]:
        lines.append(host.read_line())
    ping = host.ask("ping")
    lines.append(host.read_line())
    assert json.loads(lines[-1]) == {"jsonrpc": "2.0", "id": ping, "result": {}}
    host.close_stdin()
    return lines + host.read_to_end().splitlines()


@pytest.mark.parametrize("options", [(), ("--force-threads",)], ids=["polled", "threads"])
def test_nothing_that_prints_reaches_the_protocol(spawn: Callable[..., Host], options: tuple) -> None:
    host = spawn(*options, program=NOISY)
    lines = converse(host)
    assert host.wait() == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in lines)
    assert NOISE.encode() not in b"".join(lines)
    noise = host.stderr()
    for place in PLACES:
        for way in WAYS:
            assert f"{NOISE} {place} {way}\n" in noise


def test_a_child_process_can_neither_eat_stdin_nor_hold_the_pipes(spawn: Callable[..., Host]) -> None:
    host = spawn(program=NOISY)
    assert host.process.stdin is not None
    assert host.process.stdout is not None
    pipes = {f"pipe:[{os.fstat(pipe.fileno()).st_ino}]" for pipe in (host.process.stdin, host.process.stdout)}
    converse(host)
    assert host.wait() == 0
    noise = host.stderr()
    for place in PLACES:
        assert f"{NOISE} {place} child read 0 bytes\n" in noise
    opened = {line.removesuffix(" is open") for line in noise.splitlines() if line.endswith(" is open")}
    assert "/dev/null" in opened
    assert not pipes & opened


def test_without_a_stderr_noise_goes_nowhere_and_the_exit_code_is_right(spawn: Callable[..., Host]) -> None:
    host = spawn(program=NOISY_WITHOUT_STDERR)
    lines = converse(host)
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in lines)
    assert host.wait() == 0
