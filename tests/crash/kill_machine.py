"""A sidecar that is killed at random points, again and again, on one data folder; and what must be there afterwards.

Law: what the sidecar has written to its stdout is acknowledged, whether or not anybody had read it when it died. Each
topic is a class above `KillMachine` (`SessionFacts` is one): its `work` asks by `ask`, `heard` keeps its model, `check`
compares that with what a new sidecar says. All of them are played together, in `test_kills`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.hosts import Host

LIMITS = {
    "LLM_SIDECAR_SESSION_CHECKPOINT_MS": "50",
    "LLM_SIDECAR_MAX_CONCURRENT_INFERENCES": "50",
    "LLM_SIDECAR_MAX_SESSIONS": "1000",
    "LLM_SIDECAR_CIRCUIT_FAILURES": "0",
}
"""Saved often, refused seldom."""

Fate = Callable[[Random], None]


class KillMachine(RuleBasedStateMachine):
    """One data folder. Subclasses call `super()` in what they override."""

    kills = 0
    """Of all machines of this run."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="kills-"))
        self.numbers = itertools.count(1)
        self.asked: dict[str, tuple[str, dict[str, Any]]] = {}
        """Method and params of what is not answered yet, by request id."""
        self._promises = 0
        self._steps = 0
        self._spawned = 0
        self.host = self._spawn()

    # --- for the topics ---

    def ask(self, method: str, params: dict[str, Any]) -> str:
        """Send a request, and wait for nothing."""
        request_id = self.host.ask(method, params)
        self.asked[request_id] = (method, params)
        return request_id

    def hear(self) -> None:
        """Wait for the next message."""
        self._hear(self.host.read())

    def heard(self, message: dict[str, Any], method: str | None, params: dict[str, Any]) -> None:
        """The sidecar said `message`: a notification, or the answer to a request of `method` and `params`."""

    def check(self) -> None:
        """A new sidecar serves the folder: compare, and take what is there for what was in doubt."""

    def work(self, random: Random) -> None:
        """Ask for some things, and listen now and then."""

    def wishes(self) -> list[Fate]:
        """What can be asked for by itself."""
        return []

    # --- what is played ---

    @rule(seed=st.integers(0, 2**32))
    def live(self, seed: int) -> None:
        """One rule, which chooses itself: of several, Hypothesis plays only some in each machine."""
        self._steps += 1
        random = Random(f"{seed}, {self._steps}")
        random.choice(self.fates())(random)

    def fates(self) -> list[Fate]:
        """What can happen next, as often as it is in here."""
        return [self.work, self.work_and_die, self.work_and_die, self.promise_and_die]

    def work_and_die(self, random: Random) -> None:
        self.work(random)
        if random.random() < 0.4:
            self.let_it_work(random.randrange(80))
        else:
            self.hear_promises(random.randrange(8))
            self.await_a_word()
        self.kill()

    def promise_and_die(self, random: Random) -> None:
        """One thing is asked for, and the first word about it is the last: it had better be true."""
        random.choice(self.wishes())(random)
        self.await_a_word()
        self.kill()

    def let_it_work(self, milliseconds: int) -> None:
        """Some time passes; what comes meanwhile is read. (The time is the random point, nothing waits for it.)"""
        assert self.host.process.stdout is not None
        until = time.monotonic() + milliseconds / 1000
        while (left := until - time.monotonic()) > 0:
            if select.select([self.host.process.stdout.fileno()], [], [], left)[0]:
                self.hear()

    def hear_promises(self, count: int) -> None:
        """So many more answers and ends come, as long as there are some to come."""
        enough = self._promises + count
        while self.asked and self._promises < enough:
            self.hear()

    def await_a_word(self) -> None:
        """The sidecar says something more, if anything is to come."""
        while self.asked and self.host.has_message():
            self.hear()
        if self.asked:
            self.host.await_output()

    def kill(self) -> None:
        """At whatever it does now; a new one must find what was acknowledged."""
        KillMachine.kills += 1
        self.host.signal(signal.SIGKILL)
        self.host.wait()
        with contextlib.suppress(json.JSONDecodeError):  # the last line may be half a line
            for line in self.host.read_to_end().splitlines():
                self._hear(json.loads(line))
        self.host.close()
        self.asked.clear()
        self.host = self._spawn()
        self.host.call("ping")
        self.host.call("llm:get-status")
        self._check_integrity()
        self.check()

    def teardown(self) -> None:
        self.host.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- inside ---

    def _spawn(self) -> Host:
        self._spawned += 1
        return Host(
            data_dir=self.folder / "data",
            stderr=self.folder / f"stderr-{self._spawned}",
            environment=LIMITS,
        )

    def _hear(self, message: dict[str, Any]) -> None:
        method, params = self.asked.pop(message.get("id") or "", (None, {}))
        self._promises += "method" not in message or message["method"].endswith((":done", ":error"))
        self.heard(message, method, params)

    def _check_integrity(self) -> None:
        path = self.folder / "data" / "llm-sidecar.sqlite3"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
