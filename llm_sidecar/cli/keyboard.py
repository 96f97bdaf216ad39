"""The keyboard while an answer streams.

Law: the first Ctrl-C is a wish (stop this answer), the second is what it always was. What is typed meanwhile waits
for the next prompt, and is not drawn into the answer.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def on_interrupt(action: Callable[[], None]) -> Generator[None]:
    """Run `action` in the event loop at the first Ctrl-C within the block. From the main thread only."""
    loop = asyncio.get_running_loop()
    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.SIG_IGN:  # in the background of a shell
        yield
        return

    def interrupted(*_: Any) -> None:
        signal.signal(signal.SIGINT, previous)
        loop.call_soon_threadsafe(action)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def without_echo() -> Generator[None]:
    """Keep the terminal from showing what is typed (an echoed `^C` would shift a live display by a line)."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    silent = termios.tcgetattr(sys.stdin)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
