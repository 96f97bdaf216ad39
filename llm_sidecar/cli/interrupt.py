"""Ctrl-C while an answer streams.

Law: the first is a wish (stop this answer), the second is what it always was.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def on_interrupt(action: Callable[[], None]) -> Generator[None]:
    """Run `action` in the event loop at the first Ctrl-C within the block. From the main thread only."""
    loop = asyncio.get_running_loop()
    previous = signal.getsignal(signal.SIGINT)

    def interrupted(*_: Any) -> None:
        signal.signal(signal.SIGINT, previous)
        loop.call_soon_threadsafe(action)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
