"""Requests admitted and not yet answered.

Law: an id is here from admission until its response is queued, and only once. A null id is allowed any
number of times (it cannot be told apart, so it cannot be cancelled).
"""

from __future__ import annotations

import asyncio
from typing import Any

from llm_sidecar.errors import SidecarError
from llm_sidecar.wire.envelope import RequestId


class Ticket:
    """The right to one response. `task` is set while an asynchronous handler works."""

    __slots__ = ("request_id", "task")

    def __init__(self, request_id: RequestId) -> None:
        self.request_id = request_id
        self.task: asyncio.Future[Any] | None = None


class InFlight:
    """The tickets of one connection."""

    def __init__(self) -> None:
        self._by_id: dict[RequestId, Ticket] = {}
        self._all: set[Ticket] = set()

    def admit(self, request_id: RequestId, most: int) -> Ticket:
        """A ticket for a new request. Raises `DUPLICATE_ID`, or `OVERLOADED` above `most`."""
        if request_id is not None and request_id in self._by_id:
            raise SidecarError("DUPLICATE_ID", "A request with this id is still in flight.")
        if len(self._all) >= most:
            raise SidecarError("OVERLOADED", "Too many requests are in flight.", retry_after_ms=1_000)
        ticket = Ticket(request_id)
        self._all.add(ticket)
        if request_id is not None:
            self._by_id[request_id] = ticket
        return ticket

    def release(self, ticket: Ticket) -> None:
        """The response of `ticket` is queued."""
        self._all.discard(ticket)
        if ticket.request_id is not None:
            self._by_id.pop(ticket.request_id, None)

    def cancel(self, request_id: RequestId) -> None:
        """Cancel the work for `request_id`, if there is any left."""
        ticket = self._by_id.get(request_id)
        if ticket is not None and ticket.task is not None:
            ticket.task.cancel()

    def tasks(self) -> list[asyncio.Future[Any]]:
        """The work under way."""
        return [ticket.task for ticket in self._all if ticket.task is not None]
