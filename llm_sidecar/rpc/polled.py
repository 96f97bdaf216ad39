"""Descriptors the event loop can wait for: pipes and sockets on POSIX.

Law: nothing here blocks. What the kernel does not take or give at once is waited for by the loop, and the descriptor is
left blocking again at the end, as it was found.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Callable
from typing import Final

_READ_BYTES: Final = 64 * 1024
_HANGUP_CHECK_SECONDS: Final = 0.25


class PolledSource:
    """Reads when the event loop says there is something."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._hangup_check: asyncio.TimerHandle | None = None
        self._closed = False
        self.on_data: Callable[[bytes], None] = _ignore
        self.on_end: Callable[[], None] = _nothing

    def start(self) -> None:
        os.set_blocking(self._descriptor, False)
        self._loop.add_reader(self._descriptor, self._read)

    def pause(self, *, may_leave: bool) -> None:
        if self._closed:
            return
        if not self._paused:
            self._paused = True
            self._loop.remove_reader(self._descriptor)
        if not may_leave:
            self._stop_hangup_check()
        elif self._hangup_check is None:
            self._hangup_check = self._loop.call_later(_HANGUP_CHECK_SECONDS, self._check_hangup)

    def resume(self) -> None:
        if self._closed or not self._paused:
            return
        self._paused = False
        self._stop_hangup_check()
        self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._stop_hangup_check()
            self._loop.remove_reader(self._descriptor)
            with contextlib.suppress(OSError):
                os.set_blocking(self._descriptor, True)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.on_data(data)
        else:
            self._end()

    def _stop_hangup_check(self) -> None:
        if self._hangup_check is not None:
            self._hangup_check.cancel()
            self._hangup_check = None

    def _check_hangup(self) -> None:
        """The host may be gone while nobody reads; the data it left behind is not worth staying for."""
        self._hangup_check = self._loop.call_later(_HANGUP_CHECK_SECONDS, self._check_hangup)
        poll = select.poll()
        # A socket whose peer only closed its writing side reports POLLRDHUP, which is Linux's own.
        poll.register(self._descriptor, getattr(select, "POLLRDHUP", 0))
        if poll.poll(0):
            self._end()

    def _end(self) -> None:
        if not self._closed:
            self.close()
            self.on_end()


class PolledSink:
    """Writes at once what the descriptor takes, and the rest when the event loop says so."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._rest = memoryview(b"")
        self._closed = False
        self.ready = True
        self.on_ready: Callable[[], None] = _nothing
        self.on_broken: Callable[[], None] = _nothing
        os.set_blocking(descriptor, False)

    def send(self, data: bytes) -> None:
        self._rest = memoryview(data)
        if not self._write():
            self.ready = False
            if not self._closed:
                self._loop.add_writer(self._descriptor, self._continue)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_writer(self._descriptor)
            with contextlib.suppress(OSError):
                os.set_blocking(self._descriptor, True)

    def _continue(self) -> None:
        if self._write():
            self._loop.remove_writer(self._descriptor)
            self.ready = True
            self.on_ready()

    def _write(self) -> bool:
        """Write on; return whether all of it is out."""
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._descriptor, self._rest) :]
        except BlockingIOError:
            return False
        except OSError:  # nobody will ever read it
            self.close()
            self.on_broken()
            return False
        return True


def _ignore(_: bytes) -> None:
    pass


def _nothing() -> None:
    pass
