"""`python -m benchmarks.stored_sessions`: what many stored conversations cost: pages at the pipe, memory, the start.

Law: figures, not assertions. The same is measured with few sessions and with many, each of as many messages, in rounds
that take turns: the ratio says how it grows. A page is timed from before the host writes the request to when the last
byte of its answer has been read.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from llm_sidecar.messages.content import Message
from llm_sidecar.messages.session import SessionConfig
from llm_sidecar.storage import sessions, turns
from llm_sidecar.storage.database import Database

GOAL_MS = 20
PATIENCE_S = 30.0
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "runs", "home"]


def fill(folder: Path, count: int, messages: int) -> None:
    """A data folder with `count` sessions of `messages` messages of about 300 characters."""

    def work(first: int) -> Any:
        def insert(connection: Any) -> None:
            for number in range(first, min(first + 100, count)):
                config = SessionConfig(provider_id="demo", model_id="demo-fast", metadata={"title": f"Talk {number}"})
                row = sessions.insert(connection, f"s{number}", config)
                for _ in range(messages // 2):
                    done = connection.execute("INSERT INTO turns (session, state) VALUES (?, 'complete')", (row,))
                    question = Message(role="user", content=" ".join(random.choices(WORDS, k=60)))
                    answer = Message(role="assistant", content=" ".join(random.choices(WORDS, k=60)))
                    turns.add_messages(connection, row, done.lastrowid, [(question, False), (answer, True)])

        return insert

    async def main() -> None:
        folder.mkdir()
        database = Database.open(str(folder))
        for first in range(0, count, 100):
            await database.write(work(first))
        await database.aclose()

    asyncio.run(main())


class Host:
    """A sidecar on a folder; `start_ms` is from its spawn to its first answer that needs the database."""

    def __init__(self, folder: Path) -> None:
        env = {**os.environ, "LLM_SIDECAR_HOME": str(folder)}
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "llm_sidecar", "serve", "--log-level", "off"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            bufsize=0,
        )
        self._ids = itertools.count(1)
        self.call("llm:get-status", {})
        self.start_ms = (time.perf_counter() - begun) * 1000

    def call(self, method: str, params: dict[str, Any]) -> tuple[Any, float]:
        """The result, and the milliseconds it took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        line = json.dumps(request).encode() + b"\n"
        begun = time.perf_counter()
        self.process.stdin.write(line)
        answer = b""
        while not answer.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
                raise TimeoutError(method)
            answer += os.read(self.process.stdout.fileno(), 1 << 20)
        took = (time.perf_counter() - begun) * 1000
        return json.loads(answer)["result"], took

    def memory_mb(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def measure(folder: Path, count: int, pages: int) -> dict[str, list[float]]:
    """One round on one folder."""
    host = Host(folder)
    found: dict[str, list[float]] = {"start": [host.start_ms]}
    cursor: str | None = None
    before = host.memory_mb()
    for _ in range(pages):
        page, took = host.call("llm:session:list", {"limit": 50, **({"cursor": cursor} if cursor else {})})
        found.setdefault("list page (50)", []).append(took)
        cursor = page["nextCursor"]
    for _ in range(pages):
        _, took = host.call("llm:session:history", {"sessionId": f"s{random.randrange(count)}", "limit": 50})
        found.setdefault("history page (50)", []).append(took)
    found["memory MB"] = [host.memory_mb()]
    found["memory grown MB"] = [host.memory_mb() - before]
    host.close()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stored_sessions")
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=50)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    counts = (options.few, options.many)
    figures: dict[int, dict[str, list[float]]] = {count: {} for count in counts}
    with tempfile.TemporaryDirectory() as scratch:
        for count in counts:
            fill(Path(scratch) / str(count), count, options.messages)
        for _ in range(options.rounds):
            for count in counts:
                for name, values in measure(Path(scratch) / str(count), count, options.pages).items():
                    figures[count].setdefault(name, []).extend(values)
        size = sum(file.stat().st_size for file in (Path(scratch) / str(options.many)).iterdir()) / 1e6
    print(f"{options.many} sessions of {options.messages} messages: {size:.0f} MB on the disk")
    for name in figures[options.few]:
        few, many = (statistics.median(figures[count][name]) for count in counts)
        values = sorted(figures[options.many][name])
        high = values[int(len(values) * 0.99)]
        ratio = f"{many / few:.2f}x" if few > 0 else ""
        spread = f"(p99 {high:.2f}, max {values[-1]:.2f})"
        print(f"{name:20} {few:8.2f} with {options.few}  {many:8.2f} with {options.many} {spread}  {ratio}")
    print(f"the goal is {GOAL_MS} ms a page")


if __name__ == "__main__":
    main()
