"""The stdio transport: two private descriptors ↔ bytes on the event loop.

Law: reading and writing never block the loop. Where the platform lets the loop wait for a descriptor (pipes and sockets
on POSIX) it does; everywhere else (Windows, regular files, terminals, a stdout that shares its open file with stderr) a
daemon thread does the blocking call. Both forms have the same interface, and either can be forced. At most one chunk
is ever read ahead, and one written.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import stat
import sys
import threading
from collections.abc import Callable
from typing import Final, Protocol

_READ_BYTES: Final = 64 * 1024
_HANGUP_CHECK_SECONDS: Final = 0.25


class ByteSource(Protocol):
    """Where the bytes come from. `start` once; then `on_data` and at last `on_end`, from the event loop."""

    on_data: Callable[[bytes], None]
    on_end: Callable[[], None]

    def start(self) -> None: ...

    def pause(self) -> None:
        """Stop reading. A hang-up is still noticed where the platform tells."""
        ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


def open_source(descriptor: int, *, force_thread: bool = False, leave_on_hangup: bool = True) -> ByteSource:
    """The right reader for `descriptor`. With `leave_on_hangup`, a peer that is gone ends the input even while it is
    paused, unread bytes and all; without, they are read first."""
    if force_thread or not _is_pollable(descriptor):
        return ThreadedSource(descriptor)
    return PolledSource(descriptor, leave_on_hangup)


def open_sink(descriptor: int, *, force_thread: bool = False) -> PolledSink | ThreadedSink:
    """The right writer for `descriptor`."""
    if force_thread or not _is_pollable(descriptor) or _is_same_file(descriptor, 2):
        return ThreadedSink(descriptor)
    return PolledSink(descriptor)


def _is_pollable(descriptor: int) -> bool:
    if sys.platform == "win32":
        return False
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _is_same_file(descriptor: int, other: int) -> bool:
    """Whether both lead to one file (`2>&1`): then O_NONBLOCK on one would make the other's writes fail."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.fstat(other))
    except OSError:
        return False


class PolledSource:
    """Reads when the event loop says there is something."""

    def __init__(self, descriptor: int, leave_on_hangup: bool) -> None:
        self._descriptor = descriptor
        self._leave_on_hangup = leave_on_hangup
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._hangup_check: asyncio.TimerHandle | None = None
        self._closed = False
        self.on_data: Callable[[bytes], None] = _ignore
        self.on_end: Callable[[], None] = _nothing

    def start(self) -> None:
        os.set_blocking(self._descriptor, False)
        self._loop.add_reader(self._descriptor, self._read)

    def pause(self) -> None:
        if self._closed or self._paused:
            return
        self._paused = True
        self._loop.remove_reader(self._descriptor)
        if self._leave_on_hangup:
            self._hangup_check = self._loop.call_later(_HANGUP_CHECK_SECONDS, self._check_hangup)

    def resume(self) -> None:
        if self._closed or not self._paused:
            return
        self._paused = False
        if self._hangup_check is not None:
            self._hangup_check.cancel()
            self._hangup_check = None
        self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._hangup_check is not None:
                self._hangup_check.cancel()
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


class ThreadedSource:
    """Reads in a daemon thread: for what the loop cannot wait for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._may_read = threading.Event()
        self._closed = False
        self.on_data: Callable[[bytes], None] = _ignore
        self.on_end: Callable[[], None] = _nothing

    def start(self) -> None:
        self._may_read.set()
        threading.Thread(target=self._run, name="stdin", daemon=True).start()

    def pause(self) -> None:
        self._may_read.clear()

    def resume(self) -> None:
        self._may_read.set()

    def close(self) -> None:
        self._closed = True
        self._may_read.set()

    def _run(self) -> None:
        data = b"?"
        while data and not self._closed:
            self._may_read.wait()
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except OSError:
                data = b""
            delivered = threading.Event()
            try:
                self._loop.call_soon_threadsafe(self._deliver, data, delivered)
            except RuntimeError:  # the loop is closed
                return
            delivered.wait()

    def _deliver(self, data: bytes, delivered: threading.Event) -> None:
        try:
            if self._closed:
                return
            if data:
                self.on_data(data)
            else:
                self._closed = True
                self.on_end()
        finally:
            delivered.set()


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


class ThreadedSink:
    """Writes in a daemon thread: for what the loop cannot wait for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._work = threading.Event()
        self._data: bytes | None = None
        self._closed = False
        self._started = False
        self.ready = True
        self.on_ready: Callable[[], None] = _nothing
        self.on_broken: Callable[[], None] = _nothing

    def send(self, data: bytes) -> None:
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="stdout", daemon=True).start()
        self.ready = False
        self._data = data
        self._work.set()

    def close(self) -> None:
        self._closed = True
        self._work.set()

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            if self._closed or self._data is None:
                return
            rest = memoryview(self._data)
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                outcome = self._finished
            except OSError:
                outcome = self._failed
            try:
                self._loop.call_soon_threadsafe(outcome)
            except RuntimeError:  # the loop is closed
                return

    def _finished(self) -> None:
        if not self._closed:
            self._data = None
            self.ready = True
            self.on_ready()

    def _failed(self) -> None:
        if not self._closed:
            self.close()
            self.on_broken()


def _ignore(_: bytes) -> None:
    pass


def _nothing() -> None:
    pass
