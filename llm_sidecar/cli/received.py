"""What has come of one answer so far, and how fast it comes.

Law: fed with events, asked by whoever shows it (also from another thread); it prints nothing. Texts are printable.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from llm_sidecar.cli.printable import printable
from llm_sidecar.client import AnswerEvent, DoneEvent, ErrorEvent, ThinkingEvent, TokenEvent, ToolCallEvent

_LEAST_SECONDS = 0.02
"""A rate over less than this says nothing."""


class ReceivedAnswer:
    """One answer, from the request on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = "connecting"
        """What it is doing, in a word or two."""
        self.tokens = 0
        self.terminal: DoneEvent | ErrorEvent | None = None
        self._clock = clock
        self._asked_at = clock()
        self._first_at: float | None = None
        self._first_text_at: float | None = None
        self._ended_at: float | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    def take(self, event: AnswerEvent) -> str:
        """Take the next event; returns the answer's text in it, if any."""
        if isinstance(event, TokenEvent):
            self._begin("answering")
            self._first_text_at = self._first_text_at or self._clock()
            self.tokens += event.count
            text = printable(event.token)
            self._text.append(text)
            return text
        if isinstance(event, ThinkingEvent):
            self._take_thinking(event)
        elif isinstance(event, ToolCallEvent):
            self._begin("calling a tool")
        elif isinstance(event, DoneEvent | ErrorEvent):
            self.terminal = event
            self._ended_at = self._clock()
        return ""

    def figures(self) -> list[str]:
        """Rate, time to the first token, tokens and time elapsed, as far as they are known now."""
        now = self._ended_at or self._clock()
        figures = []
        if self._first_text_at is not None and now - self._first_text_at >= _LEAST_SECONDS:
            figures.append(f"{self.tokens / (now - self._first_text_at):,.0f} tokens/s")
        if self._first_at is not None:
            figures.append(f"first token {duration(self._first_at - self._asked_at)}")
        if self.tokens:
            figures.append(f"{self.tokens:,} token{'' if self.tokens == 1 else 's'}")
        figures.append(duration(now - self._asked_at))
        return figures

    def _begin(self, state: str) -> None:
        self.state = state
        if self._first_at is None:
            self._first_at = self._clock()

    def _take_thinking(self, event: ThinkingEvent) -> None:
        if event.status == "reasoning":
            self._begin("reasoning")
            self._reasoning.append(printable(event.text or ""))
        elif event.status == "retrying":
            wait = duration((event.retry_after_ms or 0) / 1000)
            self.state = f"trying again in {wait} ({event.code})"
        elif event.status == "queued":
            self.state = "waiting for a slot"
        elif event.status == "processing":
            self.state = "reading the prompt"


def duration(seconds: float) -> str:
    """`281 ms`, `1.93 s`, `72.0 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
