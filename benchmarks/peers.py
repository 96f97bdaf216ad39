"""Those who are measured, behind one interface: start, stream an answer, cancel answers.

Law: a peer knows how to ask its child; it knows nothing of figures. The sidecar and the floor are driven over the
wire of the product (`PipePeer`); the SDKs run a user's loop in their own process and report its times (`LoopPeer`).
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from benchmarks.child import Arrival, Child, Failed

HERE = Path(__file__).parent
INSTALL_NODE_OPENAI = "npm install --no-save --prefix benchmarks openai"
STAMP = re.compile(r"@(\d+) ")


@dataclass
class Answers:
    """What came of one or more streams asked for at once. Instants are CLOCK_MONOTONIC nanoseconds; `stamps` pairs
    the instant in a token's text, where it has one, with the instant it was read."""

    started: int
    first: int
    ended: int
    tokens: int
    stamps: list[tuple[int, int]] = field(default_factory=list)


class Peer(Protocol):
    child: Child

    def start(self) -> float:
        """Spawn it; seconds until it is ready to be asked."""
        ...

    def stream(self, model: str, streams: int = 1) -> Answers: ...

    def cancel(self, models: list[str]) -> dict[str, int]:
        """Open each in turn, cancel it after its first token; when each was cancelled, by model."""
        ...


class LineParams(msgspec.Struct):
    token: str = ""
    count: int = 1


class Line(msgspec.Struct):
    """What the benchmark looks at in a line of the wire."""

    method: str = ""
    params: LineParams = msgspec.field(default_factory=LineParams)


class PipePeer:
    """A process that speaks the product's wire on its stdin and stdout."""

    def __init__(self, argv: list[str], env: dict[str, str], provider_id: str) -> None:
        self.argv = argv
        self.env = env
        self.provider_id = provider_id
        self.ids = itertools.count(1)
        self.decode = msgspec.json.Decoder(Line).decode

    def start(self) -> float:
        self.child = Child(self.argv, self.env)
        params = {"protocolVersion": 1, "limits": {"maxConcurrentInferences": 64}}
        self.child.write(self.request("initialize", params))
        return (self.child.read_until(b"\n")[-1].ns - self.child.spawned_ns) / 1e9

    def request(self, method: str, params: Mapping[str, object]) -> bytes:
        message = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": params}
        return json.dumps(message, separators=(",", ":")).encode() + b"\n"

    def inference(self, model: str) -> tuple[str, bytes]:
        inference_id = f"inference-{next(self.ids)}"
        params = {
            "inferenceId": inference_id,
            "providerId": self.provider_id,
            "modelId": model,
            "messages": [{"role": "user", "content": "Hello"}],
        }
        return inference_id, self.request("llm:inference", params)

    def stream(self, model: str, streams: int = 1) -> Answers:
        lines = b"".join(self.inference(model)[1] for _ in range(streams))
        started = time.monotonic_ns()
        self.child.write(lines)
        arrivals = self.child.read_until(b'"llm:done"', streams)
        return self.parse(started, arrivals)

    def parse(self, started: int, arrivals: list[Arrival]) -> Answers:
        answers = Answers(started, 0, arrivals[-1].ns, 0)
        rest = b""
        for ns, data in arrivals:
            *lines, rest = (rest + data).split(b"\n")
            for line in map(self.decode, lines):
                if line.method == "llm:token":
                    answers.first = answers.first or ns
                    answers.tokens += line.params.count
                    answers.stamps += [(int(stamp), ns) for stamp in STAMP.findall(line.params.token)]
        return answers

    def cancel(self, models: list[str]) -> dict[str, int]:
        cancelled = {}
        for model in models:
            inference_id, line = self.inference(model)
            self.child.write(line)
            self.child.read_until(b'"llm:token"')
            line = self.request("llm:cancel", {"inferenceId": inference_id})
            cancelled[model] = time.monotonic_ns()
            self.child.write(line)
            self.child.read_until(b'"llm:done"')
        return cancelled


class LoopPeer:
    """An SDK's streaming loop in a process of its own; see `openai_loop.py` and `anthropic_loop.py`."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv

    def start(self) -> float:
        self.child = Child(self.argv)
        return (self.child.read_until(b"\n")[-1].ns - self.child.spawned_ns) / 1e9

    def ask(self, command: Mapping[str, object]) -> bytes:
        self.child.write(json.dumps(command).encode() + b"\n")
        return b"".join(arrival.data for arrival in self.child.read_until(b"\n"))

    def stream(self, model: str, streams: int = 1) -> Answers:
        return msgspec.json.decode(self.ask({"model": model, "streams": streams}), type=Answers)

    def cancel(self, models: list[str]) -> dict[str, int]:
        return msgspec.json.decode(self.ask({"cancel": models}), type=dict[str, dict[str, int]])["cancelled"]


def all_peers(port: int, data_dir: str, wire_format: str) -> dict[str, Peer]:
    """Every peer this machine can run for a format (`openai` or `anthropic`), by name; the sidecar first."""
    base_url = f"http://127.0.0.1:{port}/v1"
    provider_id = "anthropic" if wire_format == "anthropic" else "openai-compatible"
    variable = provider_id.upper().replace("-", "_")
    env = {f"{variable}_BASE_URL": base_url, f"{variable}_API_KEY": "benchmark", "LLM_SIDECAR_HOME": data_dir}
    floor = [sys.executable, os.fspath(HERE / "floor.py"), str(port), wire_format]
    peers: dict[str, Peer] = {
        "sidecar": PipePeer([sys.executable, "-m", "llm_sidecar", "serve"], env, provider_id),
        "floor": PipePeer(floor, {}, provider_id),
        wire_format: LoopPeer([sys.executable, os.fspath(HERE / f"{wire_format}_loop.py"), base_url]),
    }
    node = shutil.which("node")
    if wire_format == "openai" and node and (HERE / "node_modules" / "openai").is_dir():
        peers["node"] = LoopPeer([node, os.fspath(HERE / "openai_loop.mjs"), base_url])
    return peers


def check_count(answers: Answers, expected: int) -> Answers:
    """A peer that loses tokens is not fast. Raises `Failed`."""
    if answers.tokens != expected:
        raise Failed(f"{answers.tokens} tokens arrived where {expected} were sent")
    return answers
