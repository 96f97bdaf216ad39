"""The command line for tests: run to its end, or on a terminal that a test types into.

Law: every wait has a deadline. A terminal's output is what a person would see scroll by, escape sequences and all;
`shown` is the same without them.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.hosts import IS_PACKAGED, PATIENCE, SIDECAR, HostTimeout, child_environment, wait_until

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_SETTINGS_OF_THE_TESTER = ("PYTHONUNBUFFERED", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM")


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the tester's own providers or terminal, and `extra`."""
    kept = child_environment(home, {})
    for name in list(kept):
        if name in _SETTINGS_OF_THE_TESTER or name.endswith("_BASE_URL"):
            del kept[name]
    return {**kept, **extra}


def run_to_end(home: Path, *arguments: str, stdin: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal; `extra` are environment variables."""
    return subprocess.run(
        [*SIDECAR, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(home, extra),
        timeout=PATIENCE,
        check=False,
    )


class Terminal:
    """A command on a terminal of its own. Use it as a context manager."""

    def __init__(self, home: Path, *arguments: str, width: int = 100, height: int = 30, **extra: str) -> None:
        self._screen, keyboard = pty.openpty()
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self._process = subprocess.Popen(
            [*SIDECAR, *arguments],
            stdin=keyboard,
            stdout=keyboard,
            stderr=keyboard,
            env=environment(home, {"TERM": "xterm-256color", **extra}),
            start_new_session=True,
            preexec_fn=_take_the_terminal,  # noqa: PLW1509  # it uses nothing that a thread could hold a lock of
        )
        os.close(keyboard)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.output = ""
        self._looked_at = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        os.close(self._screen)

    @property
    def shown(self) -> str:
        """All output so far, without escape sequences; a line drawn over another is a new line."""
        return _ESCAPES.sub("", self.output).replace("\r\n", "\n").replace("\r", "\n")

    @property
    def pid(self) -> int:
        return self._process.pid

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` is shown, after what was waited for before."""
        deadline = time.monotonic() + PATIENCE
        while (place := self.shown.find(text, self._looked_at)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"it ended without {text!r}:\n{self.shown}")
        self._looked_at = place + len(text)

    def wait_for_prompt(self, prompt: str) -> None:
        """Wait until `prompt` is shown and somebody waits for a key: a Ctrl-C before that is another matter."""
        self.wait_for(prompt)
        wait_until(self._waits_for_a_key, "nobody waits for a key")

    def wait_for_exit(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE)

    def _waits_for_a_key(self) -> bool:
        # By readline, which the package has not.
        edits_lines = IS_PACKAGED or not termios.tcgetattr(self._screen)[3] & termios.ICANON
        return edits_lines and psutil.Process(self.pid).status() == psutil.STATUS_SLEEPING

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise HostTimeout(f"nothing more came:\n{self.shown}")
        try:
            data = os.read(self._screen, 65_536)
        except OSError:  # Linux: nobody holds the other end any more
            return False
        self.output += self._decoder.decode(data)
        return bool(data)


def _take_the_terminal() -> None:
    """Be reached by a typed Ctrl-C, also where the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
