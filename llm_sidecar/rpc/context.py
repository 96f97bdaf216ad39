"""What a handler is told about its request, and what it may ask for in return.

Law: a handler is a plain function of (context, params). It returns a result, a `Late` result, or an awaitable of
either; it raises `SidecarError`. It decides at once where it can, and leaves the work to what it registers with
`after_reply`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from llm_sidecar import log
from llm_sidecar.wire.envelope import RequestId


class Late:
    """A result to be computed when the response is written, so that it agrees with what was written before it."""

    __slots__ = ("compute",)

    def __init__(self, compute: Callable[[], Any]) -> None:
        self.compute = compute


class Context:
    """One request in the making; `request_id` is None for a notification, too."""

    __slots__ = ("_after_reply", "request_id")

    def __init__(self, request_id: RequestId = None) -> None:
        self.request_id = request_id
        self._after_reply: list[Callable[[], object]] = []

    def after_reply(self, action: Callable[[], object]) -> None:
        """Run `action` right after the response has taken its place in the queue: what it sends follows the response.
        It does not run if the request fails."""
        self._after_reply.append(action)

    def replied(self) -> None:
        """The response is in the queue: run what waits for it."""
        for action in self._after_reply:
            try:
                action()
            except Exception as error:  # it has been answered: nobody is left to tell
                log.error("failed after the response", exception=type(error).__name__)


Handler = Callable[[Context, Any], Any | Awaitable[Any]]
"""A method's implementation: `(context, params) → result | Late | awaitable of either`."""
