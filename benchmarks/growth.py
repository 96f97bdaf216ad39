"""`python -m benchmarks.growth`: what stored sessions and profiles cost: start, first token, pages, memory.

Law: figures, not assertions. The same is measured with few and with many of them, in rounds that take turns: the ratio
says how it grows. Times are of the host's clock, from before it writes a request (or spawns) to when the last byte of
the answer, or the first token, has been read. The profiles have keys in a vault that the host opens.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
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
from typing import Any, NamedTuple

import psutil

from llm_sidecar.messages.content import Message
from llm_sidecar.messages.session import SessionConfig
from llm_sidecar.storage import sessions, turns
from llm_sidecar.storage.database import Database

GOALS = "goals: 20 ms a page; the start and the first token at most 1.1x"
VAULT_KEY = base64.b64encode(bytes(range(32))).decode()
PATIENCE_S = 30.0
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "runs", "home"]


class Size(NamedTuple):
    """How much there is in a data folder."""

    sessions: int
    profiles: int


def fill(folder: Path, size: Size, messages: int) -> None:
    """A data folder of this size; a session has `messages` messages of about 300 characters."""
    fill_sessions(folder, size.sessions, messages)
    host = Host(folder)
    for number in range(size.profiles):
        profile = {
            "name": f"Profile {number}",
            "providerType": "openai",
            "endpointUrl": f"https://host-{number}.invalid/v1",
            "apiKey": f"sk-growth-{number:08}",
            "consentTimestamp": 1,
        }
        host.call("llm:profiles:create", profile)
    host.close()


def fill_sessions(folder: Path, count: int, messages: int) -> None:

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
    """A sidecar on a folder. From its spawn: `handshake_ms` to the handshake, `start_ms` to what needs the rest."""

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
        self._unread = b""
        self.call("initialize", {"protocolVersion": 1, "vaultKey": VAULT_KEY})
        self.handshake_ms = (time.perf_counter() - begun) * 1000
        self.call("llm:get-status", {})
        self.start_ms = (time.perf_counter() - begun) * 1000

    def call(self, method: str, params: dict[str, Any]) -> tuple[Any, float]:
        """The result, and the milliseconds it took."""
        begun = time.perf_counter()
        self._write(method, params)
        line = self._line()
        took = (time.perf_counter() - begun) * 1000
        return json.loads(line)["result"], took

    def first_token_ms(self) -> float:
        """Of an answer of the demo that waits for nothing."""
        content = "[[demo: text=Hello connect=0 firstToken=0 rate=max]]"
        asked = {"providerId": "demo", "messages": [{"role": "user", "content": content}]}
        begun = time.perf_counter()
        self._write("llm:inference", asked)
        took = 0.0
        while b'"llm:done"' not in (line := self._line()):
            if not took and b'"llm:token"' in line:
                took = (time.perf_counter() - begun) * 1000
        return took

    def _write(self, method: str, params: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        while b"\n" not in self._unread:
            if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
                raise TimeoutError
            self._unread += os.read(self.process.stdout.fileno(), 1 << 20)
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def memory_mb(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def measure(folder: Path, size: Size, pages: int) -> dict[str, list[float]]:
    """One round on one folder."""
    host = Host(folder)
    found: dict[str, list[float]] = {"handshake ms": [host.handshake_ms], "status ms": [host.start_ms]}
    found["first token ms"] = [host.first_token_ms() for _ in range(pages)]
    cursor: str | None = None
    before = host.memory_mb()
    for _ in range(pages):
        page, took = host.call("llm:session:list", {"limit": 50, **({"cursor": cursor} if cursor else {})})
        found.setdefault("list page (50) ms", []).append(took)
        cursor = page["nextCursor"]
    for _ in range(pages):
        _, took = host.call("llm:session:history", {"sessionId": f"s{random.randrange(size.sessions)}", "limit": 50})
        found.setdefault("history page (50) ms", []).append(took)
    found["memory MB"] = [host.memory_mb()]
    found["memory grown MB"] = [host.memory_mb() - before]
    host.close()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--profiles", type=int, default=1_000)
    parser.add_argument("--messages", type=int, default=50, help="of each session")
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    sizes = {"few": Size(10, 10), "many": Size(options.sessions, options.profiles)}
    figures: dict[str, dict[str, list[float]]] = {name: {} for name in sizes}
    with tempfile.TemporaryDirectory() as scratch:
        for name, size in sizes.items():
            fill(Path(scratch) / name, size, options.messages)
        for _ in range(options.rounds):
            for name, size in sizes.items():
                for what, values in measure(Path(scratch) / name, size, options.pages).items():
                    figures[name].setdefault(what, []).extend(values)
        on_disk = sum(file.stat().st_size for file in (Path(scratch) / "many").rglob("*")) / 1e6
    few, many = sizes.values()
    print(f"few: {few.sessions} sessions and {few.profiles} profiles; many: {many.sessions} and {many.profiles}")
    print(f"a session has {options.messages} messages; many are {on_disk:.0f} MB on the disk")
    print(f"{'medians':22} {'few':>8}  {'many':>8}  (many: p99, most)")
    for what in figures["few"]:
        low, high = (statistics.median(figures[name][what]) for name in sizes)
        values = sorted(figures["many"][what])
        p99 = values[int(len(values) * 0.99)]
        ratio = f"{high / low:.2f}x" if low > 0 else ""
        print(f"{what:22} {low:8.2f}  {high:8.2f}  ({p99:.2f}, {values[-1]:.2f})  {ratio}")
    print(GOALS)


if __name__ == "__main__":
    main()
