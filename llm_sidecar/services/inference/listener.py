"""Who is told how an inference goes.

Law: told in order, from the event loop; after `stop` only the terminal comes, and `end` comes once. `TokenStream` tells
the host by notifications; methods that answer with a whole result have listeners of their own.
"""

from __future__ import annotations

from typing import Protocol

from llm_sidecar.messages.events import Terminal, ThinkingStatus


class Listener(Protocol):
    """One inference's listener."""

    inference_id: str
    window_id: str | None

    def thinking(
        self,
        status: ThinkingStatus,
        *,
        attempt: int | None = None,
        retry_after_ms: int | None = None,
        code: str | None = None,
        provider_id: str | None = None,
    ) -> None:
        """A change of state; the rest is for `retrying`."""
        ...

    def text(self, text: str, count: int) -> None:
        """A piece of the answer: `count` deltas of the provider."""
        ...

    def reasoning(self, text: str) -> None:
        """A piece of the model's reasoning."""
        ...

    def tool_call(self, index: int, call_id: str | None, name: str | None, arguments: str) -> None:
        """A piece of a tool call; `call_id` and `name` with its first piece."""
        ...

    def progress(self, current: float, total: float | None, message: str) -> None:
        """How far something has come."""
        ...

    def stop(self) -> None:
        """Nothing but the terminal follows."""
        ...

    def end(self, event: Terminal, text_bytes: int = 0) -> None:
        """The terminal; `text_bytes` is about how much of it is the model's."""
        ...
