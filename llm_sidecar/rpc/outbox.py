"""The single writer's queue: everything that leaves the process passes here, in order.

Law:
1.  First in, first out. What is queued in one turn of the event loop goes out as one chunk, however many messages it
    holds, unless somebody cannot wait that long (`flush`).
2.  An event is encoded when the writer takes it, not when it is queued: until then its owner may still add to it
    (that is how tokens merge while a host does not read), so no byte of it is fixed and no number of it given out.
3.  Memory is bounded by its users: who publishes events waits for `room` when `congested`; who admits requests
    reserves a place for each reply first (`reserve`) and stops admitting when `replies_full`.
4.  Nothing is dropped while the sink works. Once it is broken, everything is, at once.
5.  No secret that is live in the process leaves, whoever put it into a message.
It knows no token and no method; it is handed things that can `take` themselves into a message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from llm_sidecar import log
from llm_sidecar.limits import Limits
from llm_sidecar.redaction import redact_json
from llm_sidecar.wire.envelope import encode_notification

_CHUNK_BYTES: Final = 128 * 1024
"""Written at once: enough to amortise a system call, little enough to keep later merging possible."""
RESERVED_PER_REPLY: Final = 512
"""Counted for an admitted request until its reply is known."""


class ByteSink(Protocol):
    """Where the bytes go. At most one `send` is under way; `on_ready` tells when the next may come."""

    ready: bool
    on_ready: Callable[[], None]
    on_broken: Callable[[], None]

    def send(self, data: bytes) -> None:
        """Write `data`. `ready` is False afterwards if that could not be finished at once."""
        ...

    def close(self) -> None:
        """Stop writing, whatever is unfinished."""
        ...


class Event(Protocol):
    """A notification that will be sent."""

    @property
    def weight(self) -> int:
        """About how many bytes it will be; its owner may raise it until it is taken, telling `Outbox.grew`."""
        ...

    def take(self) -> tuple[str, Any]:
        """The method and the params, final from now on. Called once."""
        ...


class Reply:
    """A response that will be sent."""

    __slots__ = ("weight",)
    weight: int

    def encode(self) -> bytes:
        """Its bytes, without the line ending. Called once; never raises."""
        raise NotImplementedError


class Outbox:
    """See the law above. One per connection; used from the event loop only."""

    def __init__(self, sink: ByteSink, limits: Callable[[], Limits]) -> None:
        self._sink = sink
        self._limits = limits
        self._queue: deque[Event | Reply] = deque()
        self._event_bytes = 0
        self._reply_bytes = 0
        self._reserved = 0
        self._sending = 0
        self._flush_scheduled = False
        self._broken = False
        self._waiters: list[asyncio.Future[None]] = []
        self._loop = asyncio.get_running_loop()
        self._on_reply_room: Callable[[], None] | None = None
        self.on_broken: Callable[[], None] = _nothing
        sink.on_ready = self.flush
        sink.on_broken = self._break

    # --- events ---

    def publish(self, event: Event) -> None:
        """Queue a notification. Never waits; check `congested` before making the next one."""
        if self._broken:
            return
        self._event_bytes += event.weight
        self._queue.append(event)
        self._schedule()

    def grew(self, by: int) -> None:
        """A queued event became `by` bytes heavier."""
        self._event_bytes += by

    @property
    def congested(self) -> bool:
        """Whether more events should wait for `room`."""
        return self._event_bytes > self._limits().max_event_bytes and not self._broken

    async def room(self) -> None:
        """Return when the queue of events is below its bound again (or will never be needed again)."""
        while self.congested:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    # --- replies ---

    def reserve(self) -> None:
        """Keep a place for the reply of a request that is being admitted. `answer` gives it back."""
        self._reserved += RESERVED_PER_REPLY

    def answer(self, reply: Reply, reservations: int = 1) -> None:
        """Queue a reply in exchange for its reservations."""
        self._reserved -= RESERVED_PER_REPLY * reservations
        if self._broken:
            return
        self._reply_bytes += reply.weight
        self._queue.append(reply)
        self._schedule()
        self._tell_reply_room()

    @property
    def replies_full(self) -> bool:
        """Whether no further request should be read."""
        return self._reply_bytes + self._reserved > self._limits().max_reply_bytes and not self._broken

    def when_reply_room(self, action: Callable[[], None]) -> None:
        """Run `action` once, soon after `replies_full` has become false."""
        self._on_reply_room = action

    # --- the writer ---

    @property
    def queued_bytes(self) -> int:
        """What the host has not taken yet, about."""
        return self._event_bytes + self._reply_bytes + self._sending

    @property
    def is_idle(self) -> bool:
        """Whether everything queued has been written (or never can be)."""
        return self._broken or (not self._queue and self._sink.ready)

    async def drained(self) -> None:
        """Return when everything queued has been written, or never can be."""
        while not self.is_idle:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def flush(self) -> None:
        """Write what the sink takes, now, without waiting for the turn to end."""
        self._flush_scheduled = False
        while self._queue and self._sink.ready and not self._broken:
            chunk = self._next_chunk()
            self._sending = len(chunk)
            self._sink.send(chunk)
        if self._sink.ready:
            self._sending = 0
        if self._waiters and (not self.congested or self.is_idle):
            self._wake()
        self._tell_reply_room()

    def _schedule(self) -> None:
        if not self._flush_scheduled and self._sink.ready:
            self._flush_scheduled = True
            self._loop.call_soon(self.flush)

    def _next_chunk(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        queue = self._queue
        while queue and size < _CHUNK_BYTES:
            item = queue.popleft()
            data = self._encode(item)
            if data is not None:
                parts.append(data)
                size += len(data) + 1
        parts.append(b"")
        return redact_json(b"\n".join(parts))

    def _encode(self, item: Event | Reply) -> bytes | None:
        if isinstance(item, Reply):
            self._reply_bytes -= item.weight
            return item.encode()
        self._event_bytes -= item.weight
        try:
            method, params = item.take()
            return encode_notification(method, params)
        except Exception as error:  # an event that cannot be encoded must not take the others with it
            log.error("event lost", exception=type(error).__name__)
            return None

    def _tell_reply_room(self) -> None:
        if self._on_reply_room is not None and not self.replies_full:
            action, self._on_reply_room = self._on_reply_room, None
            self._loop.call_soon(action)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _break(self) -> None:
        if self._broken:
            return
        self._broken = True
        self._queue.clear()
        self._event_bytes = self._reply_bytes = self._sending = 0
        self._wake()
        self._tell_reply_room()
        self.on_broken()


def _nothing() -> None:
    pass
