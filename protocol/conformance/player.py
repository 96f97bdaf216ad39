"""Plays one conversation with a fresh sidecar and judges all that comes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from conformance import promises
from conformance.child import Child
from conformance.faults import Breach, UsageError, demand, shown
from conformance.matcher import matches
from conformance.sequence import in_words, mismatch
from conformance.shapes import Shapes
from conformance.vectors import Conversation, bytes_of

_SETTINGS: Final = ("_API_KEY", "_BASE_URL")
_KEPT_OF_STDERR: Final = 2_000


class Outcome(NamedTuple):
    """What came of a conversation; it passed where `faults` is empty. `dialogue` is for people: `→` sent, `←` came."""

    name: str
    faults: list[str]
    dialogue: list[str]
    lines: int
    exit_code: int | None
    elapsed_ms: int
    stderr: str
    """Its end."""


async def play(conversation: Conversation, command: Sequence[str], deadline_s: float, shapes: Shapes) -> Outcome:
    """Raises `UsageError` where the command cannot be started. Nothing of the process is left behind."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder:
        stderr = Path(folder) / "stderr"
        try:
            child = await Child.spawn(command, _environment(Path(folder) / "data"), stderr)
        except OSError as error:
            raise UsageError(f"cannot start {command[0]}: {error.strerror}") from None
        talk = _Talk(child)
        faults: list[str] = []
        try:
            async with asyncio.timeout(deadline_s):
                faults += await talk.hold(conversation.send)
        except TimeoutError:
            faults.append(f"it hung: after {deadline_s:g} s {talk.doing} ({talk.so_far()})")
        except Breach as breach:
            faults.append(str(breach))
        finally:
            await child.kill()
        log = _end_of(stderr)
    if faults and child.exit_code is not None and log.strip():
        faults[0] += f" (the last line on stderr: {shown(log.strip().splitlines()[-1])})"
    judgement = _judge(conversation, child, shapes, is_whole=talk.has_ended)
    elapsed_ms = round((time.monotonic() - began) * 1000)
    all_faults = [*faults, *([judgement] if judgement else [])]
    return Outcome(conversation.name, all_faults, talk.dialogue, len(child.lines), child.exit_code, elapsed_ms, log)


class _Talk:
    """The host's side: does the steps, and knows what it is waiting for."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._told = 0
        self.dialogue: list[str] = []
        self.doing = ""
        self.has_ended = False
        """Whether the process has ended by itself."""

    async def hold(self, send: list[Any]) -> list[str]:
        """Do the steps, close stdin, wait for the end. Returns what was wrong with the end."""
        faults: list[str] = []
        waiting: list[bytes] = []
        for step in send:
            if not isinstance(step, dict) or "$await" not in step:
                waiting.append(bytes_of(step))
                continue
            self._send(waiting)
            if not await self._awaited(step["$await"]):
                faults.append(f"stdout ended while a line was awaited: {shown(step['$await'])}")
                break
        self._send(waiting)
        self._child.close_stdin()
        self.dialogue.append("→ (stdin is closed)")
        self.doing = "stdin was closed and stdout had not ended"
        while not self._child.is_at_end:
            await self._news()
        self._tell()
        if self._child.fault:
            raise self._child.fault
        self.doing = "stdout had ended and the process had not"
        code = await self._child.wait()
        self.has_ended = True
        self.dialogue.append(f"  ({_end_in_words(code)})")
        if code != 0:
            faults.insert(0, f"{_end_in_words(code)}, expected exit code 0")
        return faults

    def _send(self, waiting: list[bytes]) -> None:
        """What stands between two awaited lines goes out in one piece: the sidecar may meet it all at once."""
        self.dialogue += ["→ " + line.decode("utf-8", "backslashreplace").rstrip("\n") for line in waiting]
        self._child.write(b"".join(waiting))
        waiting.clear()

    async def _awaited(self, matcher: Any) -> bool:
        """Whether a line came that matches, counted from the beginning; False: stdout ended without."""
        self.doing = f"a line was still awaited: {shown(matcher)}"
        while not any(matches(matcher, line) for line in self._child.lines):
            if self._child.is_at_end:
                return False
            await self._news()
        return True

    async def _news(self) -> None:
        try:
            await self._child.news()
        finally:
            self._tell()

    def _tell(self) -> None:
        new = self._child.lines[self._told :]
        self._told += len(new)
        self.dialogue += [f"← {shown(line)}" for line in new]

    def so_far(self) -> str:
        lines = self._child.lines
        return f"{in_words(len(lines))} came, the last was {shown(lines[-1])}" if lines else "nothing came"


def _judge(conversation: Conversation, child: Child, shapes: Shapes, *, is_whole: bool) -> str | None:
    """The first thing that is wrong with the lines; where the conversation was cut off, with those that came."""
    if child.fault:
        return None
    try:
        promises.check(conversation.send, child.lines, shapes, is_whole=is_whole)
        reason = mismatch(conversation.expect, child.lines, is_whole=is_whole)
        demand(reason is None, str(reason))
        joined = promises.texts(child.lines) if is_whole else conversation.texts
        for name, text in conversation.texts.items():
            came = joined.get(name)
            demand(came == text, f"the tokens of inference {shown(name)} give {shown(came)}, expected {shown(text)}")
    except Breach as breach:
        return str(breach)
    return None


def _environment(home: Path) -> dict[str, str]:
    """This environment without what configures a sidecar, and with a data folder of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LLM_SIDECAR_") and not name.endswith(_SETTINGS)
    }
    return {**kept, "LLM_SIDECAR_HOME": str(home)}


def _end_of(file: Path) -> str:
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - _KEPT_OF_STDERR))
        return content.read().decode("utf-8", "replace")


def _end_in_words(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it was ended by signal {-code}"
