"""One peer: its bytes in, through the framer, to the dispatcher, at the pace its own reading allows.

Law: reading stops while the peer leaves too many replies unread, and a sender of garbage is slowed to
`invalid_messages_per_second`; nothing it sent is lost by either. Events never stop the reading: `llm:cancel`, `ping`
and `shutdown` are served however far the peer is behind with tokens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from llm_sidecar.limits import Limits
from llm_sidecar.rpc.dispatcher import Dispatcher
from llm_sidecar.rpc.outbox import Outbox
from llm_sidecar.wire.framing import LineFramer, LineTooLong

_LINES_PER_TURN: Final = 200
"""Handled before the event loop gets its turn: streams must not wait for a long burst of requests."""


class ByteSource(Protocol):
    """Where the bytes come from. `start` once; then `on_data` and at last `on_end`, from the event loop."""

    on_data: Callable[[bytes], None]
    on_end: Callable[[], None]

    def start(self) -> None: ...

    def pause(self, *, may_leave: bool) -> None:
        """Stop reading. With `may_leave`, a hang-up that the platform tells meanwhile ends the input, unread bytes and
        all: nobody will read the answers."""
        ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


class Connection:
    """Reads `source` until it ends, then calls `on_end` once everything read has been dispatched.

    `drain`: the end of the input hurries nothing, and a last line without its ending counts as complete (files often
    lack it).
    """

    def __init__(
        self,
        source: ByteSource,
        dispatcher: Dispatcher,
        outbox: Outbox,
        limits: Callable[[], Limits],
        on_end: Callable[[], None],
        *,
        drain: bool,
    ) -> None:
        self._source = source
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._framer = LineFramer(limits().max_message_bytes)
        self._on_end = on_end
        self._drain = drain
        self._lines: deque[bytes | LineTooLong] = deque()
        self._ended = False
        self._closed = False
        self._scheduled: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._garbage_paid_at = 0.0
        source.on_data = self._take
        source.on_end = self._end

    def start(self) -> None:
        """Begin to read."""
        self._source.start()

    def limits_changed(self) -> None:
        """Apply the limits in force now, from the next byte on."""
        self._framer.max_line_bytes = self._limits().max_message_bytes

    def close(self) -> None:
        """Read nothing more, and forget what was read and not dispatched."""
        self._closed = True
        self._lines.clear()
        self._source.close()

    def _take(self, data: bytes) -> None:
        self._lines += self._framer.feed(data)
        self._pump()

    def _end(self) -> None:
        self._ended = True
        if self._drain:
            self._lines += self._framer.finish()
        self._pump()

    def _pump(self) -> None:
        """Dispatch what has been read, as far as that is allowed now."""
        if self._closed or (self._scheduled is not None and not self._ended):
            return
        self._stop_waiting()
        # Two seconds after the end the process must be gone: what was read before is bounded, and answered at once.
        hurry = self._ended and not self._drain
        budget = _LINES_PER_TURN
        while self._lines and budget:
            budget -= 1
            if self._outbox.replies_full and not hurry:
                self._source.pause(may_leave=not self._drain)
                self._outbox.when_reply_room(self._pump)
                return
            delay = self._delay_for(self._dispatcher.handle_line(self._lines.popleft()))
            if delay > 0 and not hurry:
                self._source.pause(may_leave=not self._drain)
                self._later(delay)
                return
        if self._lines:
            self._source.pause(may_leave=False)
            self._later(0)
        elif self._ended:
            self._closed = True
            self._on_end()
        else:
            self._source.resume()

    def _delay_for(self, garbage: int) -> float:
        """Seconds to wait after so much garbage: what exceeds a second's allowance is paid for with time."""
        if not garbage:
            return 0.0
        now = self._loop.time()
        price = garbage / self._limits().invalid_messages_per_second
        self._garbage_paid_at = max(self._garbage_paid_at, now - 1) + price
        return self._garbage_paid_at - now

    def _later(self, delay: float) -> None:
        self._scheduled = self._loop.call_later(delay, self._again)

    def _again(self) -> None:
        self._scheduled = None
        self._pump()

    def _stop_waiting(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
