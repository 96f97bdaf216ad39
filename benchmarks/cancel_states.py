"""`python -m benchmarks.cancel_states`: how long a cancel takes to reach the provider, by wire format and state.

Law: figures, not assertions; but what is no matter of time (the reply, the order, one terminal) fails the run. Measured
from before the host writes `llm:cancel` to when the provider's process sees the socket close. Where there is no socket
(queued, asleep before a retry) it is until the host has read `llm:done`; while connecting, until the system knows no
such socket any more (looking that up takes some milliseconds itself). The first round is that of a sidecar that has
only just started, and still has to load what a request needs.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.child import Child, Failed

FORMATS: dict[str, dict[str, Any]] = {
    "OpenAI chat": {"providerId": "openai"},
    "OpenAI responses": {"providerId": "openai", "reasoning": {"effort": "low"}},
    "Anthropic": {"providerId": "anthropic"},
    "Gemini": {"providerId": "google"},
    "Ollama": {"providerId": "ollama"},
}
"""What asks for each wire format."""
STUCK = {"sent": "request sent", "headers": "headers only", "keepalive": "keep-alives", "text": "mid-stream"}
"""States of `stuck_provider` that hold a socket."""
COLUMNS = ("queued", "connecting", *STUCK.values(), "retry sleep")
GOAL_MS = 100
PATIENCE_S = 10.0
LOOK_S = 0.0005

Figures = dict[str, dict[str, list[float]]]
"""Milliseconds by wire format and state."""


class Host:
    """A sidecar whose every provider is at one port."""

    def __init__(self, port: int, data_dir: str) -> None:
        urls = {f"{name}_BASE_URL": f"http://127.0.0.1:{port}" for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "OLLAMA")}
        keys = {f"{name}_API_KEY": "benchmark-key" for name in ("OPENAI", "ANTHROPIC", "GOOGLE")}
        limits = {"LLM_SIDECAR_CIRCUIT_FAILURES": "0", "LLM_SIDECAR_MAX_CONCURRENT_INFERENCES": "1"}
        env = {"LLM_SIDECAR_HOME": data_dir, **urls, **keys, **limits}
        self.child = Child([sys.executable, "-m", "llm_sidecar", "serve"], env, lifetime_s=600)
        self._ids = itertools.count(1)
        self._rest = b""
        self._lines: list[tuple[int, dict[str, Any]]] = []
        self._cancelling = 0
        self.call("initialize", {"protocolVersion": 1})

    def ask(self, method: str, params: dict[str, Any]) -> int:
        request_id = next(self._ids)
        line = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        self.child.write(json.dumps(line).encode() + b"\n")
        return request_id

    def call(self, method: str, params: dict[str, Any]) -> Any:
        request_id = self.ask(method, params)
        return next(line for _, line in self.lines() if line.get("id") == request_id)["result"]

    def infer(self, wire_format: str, model: str, **params: Any) -> None:
        messages = [{"role": "user", "content": "Hello"}]
        request = {**FORMATS[wire_format], "inferenceId": model, "modelId": model, "messages": messages, **params}
        self.call("llm:inference", request)

    def until(self, method: str, inference_id: str, status: str | None = None) -> None:
        """Return once such an event of this inference has come."""
        for _, line in self.lines():
            params = line.get("params", {})
            is_it = line.get("method") == method and params["inferenceId"] == inference_id
            if is_it and status in (None, params.get("status")):
                return

    def cancel(self, inference_id: str) -> int:
        """Ask for it; returns when."""
        began = time.monotonic_ns()
        self._cancelling = self.ask("llm:cancel", {"inferenceId": inference_id})
        return began

    def end_of(self, inference_id: str) -> int:
        """When the terminal of what was just cancelled had been read. Raises `Failed` where all is not as promised."""
        is_answered = False
        for read, line in self.lines():
            method, params = line.get("method"), line.get("params", {})
            if line.get("id") == self._cancelling:
                is_answered = line["result"]["success"]
            elif params.get("inferenceId") == inference_id and method in ("llm:done", "llm:error"):
                if not (is_answered and params.get("cancelled") and params["usage"]["source"] == "partial"):
                    raise Failed(f"not the end of a cancelled answer: {line}")
                return read
            elif params.get("inferenceId") == inference_id and is_answered:
                raise Failed(f"after the reply to the cancel: {line}")
        raise AssertionError

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """What the sidecar says, with when it had been read; never ends."""
        while True:
            while not self._lines:
                for ns, data in self.child.read_until(b"\n"):
                    *complete, self._rest = (self._rest + data).split(b"\n")
                    self._lines += [(ns, json.loads(line)) for line in complete]
            yield self._lines.pop(0)

    def is_connecting(self) -> bool:
        connections = psutil.Process(self.child.process.pid).net_connections("tcp")
        return any(each.status == psutil.CONN_SYN_SENT for each in connections)

    def close(self) -> None:
        self.child.close()


class StuckProvider:
    def __init__(self) -> None:
        path = str(Path(__file__).with_name("stuck_provider.py"))
        self.child = Child([sys.executable, path], lifetime_s=600)
        self.port = int(self.child.read_until(b"\n")[0].data)

    def seen(self) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request("GET", "/closes")
            return json.load(connection.getresponse())

    def is_stuck_with(self, model: str) -> None:
        wait_until(lambda: model in self.seen()["stuck"], f"{model} did not reach the provider")

    def closed(self, model: str) -> int:
        """When it saw the client of this answer hang up."""
        wait_until(lambda: model in self.seen()["closes"], f"the provider still holds the socket of {model}")
        closed: int = self.seen()["closes"][model]
        return closed

    def close(self) -> None:
        self.child.close()


@contextmanager
def full_port() -> Iterator[int]:
    """A port that takes no connection any more: whoever comes waits for an answer to its SYN."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def wait_until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(complaint)
        time.sleep(LOOK_S)


def with_a_socket(host: Host, provider: StuckProvider, wire_format: str, state: str, name: str) -> float:
    model = f"{state}-{name}"
    host.infer(wire_format, model)
    provider.is_stuck_with(model)
    if state == "text":
        host.until("llm:token", model)
    elif state != "sent":
        host.until("llm:thinking", model, "processing")
    began = host.cancel(model)
    host.end_of(model)
    return (provider.closed(model) - began) / 1e6


def queued(host: Host, wire_format: str, name: str) -> float:
    first, second = f"text-first-{name}", f"text-second-{name}"
    host.infer(wire_format, first)
    host.infer(wire_format, second, queue=True)
    host.until("llm:thinking", second, "queued")
    began = host.cancel(second)
    ended = host.end_of(second)
    host.cancel(first)
    host.end_of(first)
    return (ended - began) / 1e6


def asleep(host: Host, wire_format: str, name: str) -> float:
    model = f"refused-{name}"
    host.infer(wire_format, model)
    host.until("llm:thinking", model, "retrying")
    began = host.cancel(model)
    return (host.end_of(model) - began) / 1e6


def connecting(host: Host, wire_format: str, name: str) -> float:
    model = f"any-{name}"
    host.infer(wire_format, model)
    wait_until(host.is_connecting, "the sidecar does not connect")
    began = host.cancel(model)
    wait_until(lambda: not host.is_connecting(), "the sidecar still connects")
    ended = time.monotonic_ns()
    host.end_of(model)
    return (ended - began) / 1e6


def measure(times: int) -> Figures:
    figures: Figures = {name: {state: [] for state in COLUMNS} for name in FORMATS}
    with ExitStack() as opened:
        data_dir = opened.enter_context(tempfile.TemporaryDirectory())
        provider = opened.enter_context(closing(StuckProvider()))
        host = opened.enter_context(closing(Host(provider.port, data_dir)))
        lost = opened.enter_context(closing(Host(opened.enter_context(full_port()), data_dir)))
        for n, (name, states) in itertools.product(range(times), figures.items()):
            label = f"{name.replace(' ', '-')}-{n}"
            for state, title in STUCK.items():
                states[title].append(with_a_socket(host, provider, name, state, label))
            states["queued"].append(queued(host, name, label))
            states["retry sleep"].append(asleep(host, name, label))
            states["connecting"].append(connecting(lost, name, label))
    return figures


def table(figures: Figures) -> str:
    rows = [["p50 / max, ms", *COLUMNS]]
    for name, states in figures.items():
        cells = (f"{statistics.median(states[state]):.1f} / {max(states[state]):.1f}" for state in COLUMNS)
        rows.append([name, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cancel_states", description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="cancels of each kind")
    options = parser.parse_args()
    try:
        figures = measure(options.times)
    except Failed as failure:
        sys.exit(f"benchmark failed: {failure}")
    print(table(figures))
    every = [each for states in figures.values() for times in states.values() for each in times]
    met = "met" if max(every) <= GOAL_MS else "MISSED"
    print(f"\nThe slowest of {len(every)} cancels: {max(every):.1f} ms (<= {GOAL_MS} {met}; {os.cpu_count()} cores)")


if __name__ == "__main__":
    main()
