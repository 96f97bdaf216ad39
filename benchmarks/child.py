"""A child process and its pipes: spawned, written to, read in bulk, its CPU and memory looked up.

Law: reading is the same for every peer and as cheap as can be: raw bytes with their time of arrival, nothing parsed
while something is measured. A child that fails or says nothing for too long ends the run with what it printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple

import psutil

LIFETIME_S = 60
READ_BYTES = 1 << 20


class Arrival(NamedTuple):
    """Bytes, and when they had been read: CLOCK_MONOTONIC nanoseconds."""

    ns: int
    data: bytes


class Failed(Exception):
    """A peer did not do what the benchmark asked."""


class Child:
    """One process under measurement. `spawned_ns` is the moment before it was started."""

    def __init__(self, argv: list[str], env: dict[str, str] | None = None, *, lifetime_s: float = LIFETIME_S) -> None:
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self.argv = argv
        self.spawned_ns = time.monotonic_ns()
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            env={**os.environ, **(env or {})},
            bufsize=0,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stdin = self.process.stdin.fileno()
        self.stdout = self.process.stdout.fileno()
        self.watchdog = threading.Timer(lifetime_s, self.process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()

    def write(self, lines: bytes) -> None:
        os.write(self.stdin, lines)

    def read_until(self, needle: bytes, count: int = 1) -> list[Arrival]:
        """What arrives until `needle` was there `count` times. Raises `Failed` on EOF and on an `"error"` member."""
        arrivals = []
        tail = b""
        while count > 0:
            data = os.read(self.stdout, READ_BYTES)
            arrivals.append(Arrival(time.monotonic_ns(), data))
            joined = tail + data
            if not data or b'"error":' in joined:
                raise Failed(f"{' '.join(self.argv[1:])}: {self.complaint(joined)}")
            count -= joined.count(needle)
            tail = joined[1 - len(needle) :]
        return arrivals

    def complaint(self, last_output: bytes) -> str:
        self.stderr.seek(0)
        said = self.stderr.read()
        return f"wrote {last_output[-1000:]!r}\n{said[-3000:].decode(errors='replace')}"

    def cpu_s(self) -> float:
        """User and system time of all its threads. On Linux by the process's CPU clock (clock_getcpuclockid(3)), which
        counts nanoseconds where /proc counts hundredths of a second."""
        if sys.platform == "linux":
            return time.clock_gettime((~self.process.pid << 3) | 2)
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def rss_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.watchdog.cancel()
        self.process.stdout.close()
        self.stderr.close()
