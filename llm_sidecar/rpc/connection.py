"""One peer: its bytes in, through the framer, to the dispatcher, at the pace its own reading allows.

Law: reading stops while the peer leaves too many replies unread, and a sender of garbage is slowed to
`invalid_messages_per_second`; nothing it sent is lost by either. Events never stop the reading: `llm:cancel`, `ping`
and `shutdown` are served however far the peer is behind with tokens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from llm_sidecar.limits import Limits
from llm_sidecar.rpc.dispatcher import Dispatcher
from llm_sidecar.rpc.outbox import Outbox
from llm_sidecar.rpc.stdio import ByteSource
from llm_sidecar.wire.framing import LineFramer, LineTooLong

_LINES_PER_TURN: Final = 200
"""Handled before the event loop gets its turn: streams must not wait for a long burst of requests."""


class Connection:
    """Reads `source` until it ends, then calls `on_end` once everything read has been dispatched.

    `keep_last_line`: a last line without its ending counts as complete (files often lack it).
    """

    def __init__(
        self,
        source: ByteSource,
        dispatcher: Dispatcher,
        outbox: Outbox,
        limits: Limits,
        on_end: Callable[[], None],
        *,
        keep_last_line: bool,
    ) -> None:
        self._source = source
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._framer = LineFramer(limits.max_message_bytes)
        self._on_end = on_end
        self._keep_last_line = keep_last_line
        self._lines: deque[bytes | LineTooLong] = deque()
        self._ended = False
        self._closed = False
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        self._invalid_per_second = limits.invalid_messages_per_second
        self._invalid_credit = float(limits.invalid_messages_per_second)
        self._credited_at = self._loop.time()
        source.on_data = self._take
        source.on_end = self._end
        outbox.on_reply_room = self._pump

    def start(self) -> None:
        """Begin to read."""
        self._source.start()

    def set_max_message_bytes(self, value: int) -> None:
        """Change the limit of a line, from the next byte on."""
        self._framer.max_line_bytes = value

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
        if self._keep_last_line:
            self._lines += self._framer.finish()
        self._pump()

    def _pump(self) -> None:
        """Dispatch what has been read, as far as that is allowed now."""
        if self._scheduled or self._closed:
            return
        budget = _LINES_PER_TURN
        while self._lines and budget:
            budget -= 1
            if self._outbox.replies_full:
                self._source.pause()
                return  # the outbox calls back
            if not self._dispatcher.handle_line(self._lines.popleft()) and self._must_slow_down():
                self._source.pause()
                self._later(1 / 20)
                return
        if self._lines:
            self._source.pause()
            self._later(0)
        elif self._ended:
            self._closed = True
            self._on_end()
        else:
            self._source.resume()

    def _must_slow_down(self) -> bool:
        """Spend one unit of the credit for garbage; whether it is used up."""
        now = self._loop.time()
        most = float(self._invalid_per_second)
        self._invalid_credit = min(most, self._invalid_credit + (now - self._credited_at) * most)
        self._credited_at = now
        self._invalid_credit -= 1
        return self._invalid_credit < 0

    def _later(self, delay: float) -> None:
        self._scheduled = True
        self._loop.call_later(delay, self._again)

    def _again(self) -> None:
        self._scheduled = False
        self._pump()
