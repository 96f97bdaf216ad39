"""Where events go, as the services see it: what comes behind it is none of their business.

Law: it is asked for room before more is fetched; an event takes its final form when the writer takes it.
"""

from __future__ import annotations

from typing import Any, Protocol


class QueuedEvent(Protocol):
    """An event that waits for the writer."""

    @property
    def weight(self) -> int: ...

    def take(self) -> tuple[str, Any]: ...


class EventSink(Protocol):
    """Where events go. `rpc.Outbox` is one."""

    def publish(self, event: QueuedEvent) -> None: ...

    def grew(self, by: int) -> None: ...

    @property
    def congested(self) -> bool: ...

    async def room(self) -> None: ...

    def flush(self) -> None: ...
