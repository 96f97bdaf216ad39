"""The in-process twin of the stdio transport: the same interface, two byte queues instead of two descriptors.

Law: what holds over a pipe holds here (the contract tests run against both), including a reader that stops reading and
a peer that hangs up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class MemorySource:
    """The host writes into it with `write` and hangs up with `end`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._ended = False
        self._paused = True
        self._may_leave = False
        self._closed = False
        self.on_data: Callable[[bytes], None] = _ignore
        self.on_end: Callable[[], None] = _nothing

    def write(self, data: bytes) -> None:
        self._waiting.append(data)
        self._loop.call_soon(self._deliver)

    def end(self) -> None:
        self._ended = True
        self._loop.call_soon(self._deliver)

    def start(self) -> None:
        self.resume()

    def pause(self, *, may_leave: bool) -> None:
        self._paused = True
        self._may_leave = may_leave

    def resume(self) -> None:
        self._paused = self._may_leave = False
        self._loop.call_soon(self._deliver)

    def close(self) -> None:
        self._closed = True

    def _deliver(self) -> None:
        while self._waiting and not self._paused and not self._closed:
            self.on_data(self._waiting.pop(0))
        if self._ended and not self._closed and (not self._waiting or (self._paused and self._may_leave)):
            self._closed = True
            self.on_end()


class MemorySink:
    """The host takes from it with `read_line`; `stall` makes it a host that does not read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._received = bytearray()
        self._stalled = False
        self._held = b""
        self._closed = False
        self.ready = True
        self.on_ready: Callable[[], None] = _nothing
        self.on_broken: Callable[[], None] = _nothing

    def send(self, data: bytes) -> None:
        if self._stalled:
            self.ready = False
            self._held = data
        else:
            self._received += data
            self._arrived.set()

    def close(self) -> None:
        self._closed = True
        self._arrived.set()

    # --- the host's side ---

    def stall(self) -> None:
        """Stop reading."""
        self._stalled = True

    def unstall(self) -> None:
        """Read again."""
        self._stalled = False
        if not self.ready:
            self._received += self._held
            self._held = b""
            self.ready = True
            self._arrived.set()
            self._loop.call_soon(self.on_ready)

    def hang_up(self) -> None:
        """Close the reading end."""
        self._loop.call_soon(self.on_broken)

    async def read_line(self) -> bytes | None:
        """The next line, without its ending; None after the end."""
        while (end := self._received.find(b"\n")) < 0:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line


def _ignore(_: bytes) -> None:
    pass


def _nothing() -> None:
    pass
