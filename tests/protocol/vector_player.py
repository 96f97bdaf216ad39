"""Plays the conversations of `protocol/vectors` with a real sidecar process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.hosts import Host, line_of
from tests.protocol.vector_matcher import matches

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"


def conversations() -> dict[str, dict[str, Any]]:
    """Every conversation, under its file and name."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(VECTORS.glob("*.json")):
        for vector in json.loads(path.read_text("utf-8")):
            key = f"{path.stem}: {vector['name']}"
            assert key not in found, f"two conversations are called {key}"
            found[key] = vector
    return found


def play(send: list[Any], host: Host) -> list[Any]:
    """The lines a fresh sidecar writes when its host does the steps of `send`, then closes stdin."""
    lines: list[Any] = []
    waiting = b""
    for step in send:
        if isinstance(step, dict) and "$await" in step:
            host.send_bytes(waiting)
            waiting = b""
            while not any(matches(step["$await"], line) for line in lines):
                lines.append(json.loads(host.read_line()))
        else:
            waiting += _bytes_of(step)
    host.send_bytes(waiting)
    host.close_stdin()
    lines += [json.loads(line) for line in host.read_to_end().splitlines()]
    assert host.wait() == 0
    return lines


def _bytes_of(step: Any) -> bytes:
    if isinstance(step, dict) and "$hex" in step:
        return bytes.fromhex(step["$hex"]) + b"\n"
    return step.encode() + b"\n" if isinstance(step, str) else line_of(step)
