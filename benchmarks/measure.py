"""One session of one peer: a fresh process, every figure once.

Law: figures in, numbers out; it neither knows who the peer is nor compares. Every number of a session comes from the
same process, warmed up first, so that a figure is not a matter of imports; only `start` and `rss_idle` see it cold.
"""

from __future__ import annotations

import http.client
import json
import math
import statistics
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Child, Failed
from benchmarks.peers import Peer, check_count

GROUPS = ("start", "rss-idle", "first-token", "paced", "cancel", "full")
FULL_TOKENS = 20_000
FULL_S = 1.0
FULL_RUNS = 5
STREAMS = 50
RATE = 50
SETTLE_S = 0.5

Numbers = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """How much to do: `rounds` sessions of every peer, then `start_rounds` mere starts; the rest is per session."""

    rounds: int
    start_rounds: int
    first_tokens: int
    paced_tokens: int
    cancels: int


FULL_PLAN = Plan(rounds=5, start_rounds=7, first_tokens=60, paced_tokens=150, cancels=40)
QUICK_PLAN = Plan(rounds=2, start_rounds=3, first_tokens=40, paced_tokens=90, cancels=20)


class Provider:
    """The loopback provider's process."""

    def __init__(self) -> None:
        self.child = Child([sys.executable, str(Path(__file__).with_name("provider.py"))], lifetime_s=600)
        self.port = int(self.child.read_until(b"\n")[0].data)

    def closes(self, models: Iterable[str]) -> dict[str, int]:
        """When it saw each of these answers' sockets close. Raises `Failed` if that does not happen within 5 s."""
        missing = set(models)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/closes")
            seen: dict[str, int] = json.load(connection.getresponse())
            connection.close()
            if missing <= seen.keys():
                return seen
            time.sleep(0.05)
        raise Failed("the provider did not see every cancelled answer's socket close")


class Sampler(threading.Thread):
    """CPU and memory of a child at both ends of a window that opens after `delay_s`, taken while others read it."""

    def __init__(self, child: Child, delay_s: float, length_s: float) -> None:
        super().__init__(daemon=True)
        self.child = child
        self.delay_s = delay_s
        self.length_s = length_s

    def run(self) -> None:
        time.sleep(self.delay_s)
        self.opened_ns, opened_cpu = time.monotonic_ns(), self.child.cpu_s()
        time.sleep(self.length_s)
        self.closed_ns, self.cpu_s = time.monotonic_ns(), self.child.cpu_s() - opened_cpu
        self.rss_mb = self.child.rss_mb()


def percentile(values: Iterable[float], percent: float) -> float:
    """Nearest rank: a value that was measured, none in between."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def session(peer: Peer, provider: Provider, groups: Iterable[str], plan: Plan, label: str) -> Numbers:
    """Run the named groups in a fresh process of `peer`. `label` tells this session's cancelled answers from others."""
    numbers: Numbers = {"start_ms": peer.start() * 1e3}
    try:
        if "rss-idle" in groups:
            time.sleep(SETTLE_S)
            numbers["rss_idle_mb"] = peer.child.rss_mb()
        if set(groups) - {"start", "rss-idle"}:
            warm_up(peer)
        if "first-token" in groups:
            numbers |= first_token(peer, plan)
        if "paced" in groups:
            numbers |= paced(peer, plan)
        if "cancel" in groups:
            numbers |= cancel(peer, provider, plan, label)
        if "full" in groups:
            numbers |= full_speed(peer)
    finally:
        peer.child.close()
    return numbers


def warm_up(peer: Peer) -> None:
    peer.stream("full-10")
    check_count(peer.stream(f"paced-{RATE}x5", STREAMS), STREAMS * 5)


def first_token(peer: Peer, plan: Plan) -> Numbers:
    """From asking to the first token, one request after another on a warm connection."""
    answers = [check_count(peer.stream("full-1"), 1) for _ in range(plan.first_tokens)]
    return {"first_token_ms": statistics.median((each.first - each.started) / 1e6 for each in answers)}


def paced(peer: Peer, plan: Plan) -> Numbers:
    """Many users reading along: the steady state, without the first half second in which the streams are opened."""
    sampler = Sampler(peer.child, SETTLE_S, plan.paced_tokens / RATE - SETTLE_S - 0.2)
    sampler.start()
    answers = check_count(peer.stream(f"paced-{RATE}x{plan.paced_tokens}", STREAMS), STREAMS * plan.paced_tokens)
    sampler.join()
    late = [(seen - sent) / 1e6 for sent, seen in answers.stamps if sampler.opened_ns <= sent < sampler.closed_ns]
    return {
        "cpu_paced_us": sampler.cpu_s * 1e6 / len(late),
        "lateness_p50_ms": percentile(late, 50),
        "lateness_p99_ms": percentile(late, 99),
        "rss_50_mb": sampler.rss_mb,
    }


def cancel(peer: Peer, provider: Provider, plan: Plan, label: str) -> Numbers:
    """From cancelling to the provider's seeing the socket close."""
    cancelled = peer.cancel([f"cancel-{label}-{n}" for n in range(plan.cancels)])
    closes = provider.closes(cancelled)
    took = [(closes[model] - ns) / 1e6 for model, ns in cancelled.items()]
    return {"cancel_p50_ms": percentile(took, 50), "cancel_p99_ms": percentile(took, 99)}


def full_speed(peer: Peer) -> Numbers:
    """One long answer as fast as it goes, from asking to its end, and the CPU of that time; a fast peer gives several
    within `FULL_S`, a slow one a single one."""
    rates: list[float] = []
    cpus: list[float] = []
    deadline = time.monotonic() + FULL_S
    while time.monotonic() < deadline and len(rates) < FULL_RUNS:
        before = peer.child.cpu_s()
        answers = check_count(peer.stream(f"full-{FULL_TOKENS}"), FULL_TOKENS)
        cpus.append((peer.child.cpu_s() - before) * 1e6 / FULL_TOKENS)
        rates.append(FULL_TOKENS / (answers.ended - answers.started) * 1e9)
    return {"tokens_per_s": statistics.median(rates), "cpu_full_us": statistics.median(cpus)}
