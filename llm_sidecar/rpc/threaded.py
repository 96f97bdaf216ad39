"""Descriptors nobody can wait for: everything on Windows; regular files, terminals and shared open files elsewhere.

Law: a daemon thread makes the blocking call, and the event loop never does. One chunk is read ahead at most, one
written. A thread that never returns from its call keeps nobody from leaving.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Final

_READ_BYTES: Final = 64 * 1024


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

    def pause(self, *, may_leave: bool) -> None:
        # A hang-up cannot be seen here without reading; the host's death is, by `parent`.
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
