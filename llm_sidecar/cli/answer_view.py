"""An answer while it streams, shown to a person.

Law: a view is entered before the question is asked and left after its terminal (or whatever ended it). On a terminal it
redraws what fits the window, and leaves the whole answer behind; anywhere else it writes text and nothing but text.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

from llm_sidecar.cli.interrupt import on_interrupt
from llm_sidecar.cli.received import ReceivedAnswer
from llm_sidecar.client import AnswerEvent, DoneEvent, ErrorEvent, SidecarProcess

if TYPE_CHECKING:
    from rich.console import Console


class AnswerView(Protocol):
    """Where the events of one answer go."""

    def __enter__(self) -> AnswerView: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, event: AnswerEvent) -> None: ...


class PlainView:
    """Text as it comes, for pipes and files."""

    def __init__(self) -> None:
        self._received = ReceivedAnswer()

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *_: object) -> None:
        if self._received.text and not self._received.text.endswith("\n"):
            print(flush=True)

    def show(self, event: AnswerEvent) -> None:
        text = self._received.take(event)
        if text:
            print(text, end="", flush=True)


async def stream_answer(
    sidecar: SidecarProcess, params: dict[str, Any], view: AnswerView
) -> tuple[DoneEvent | ErrorEvent, str]:
    """Ask, show the answer, and return its terminal and its text. Ctrl-C cancels it: the terminal says so.

    Raises `SidecarError` if the question is refused or the sidecar dies.
    """
    text: list[str] = []
    with view:
        async with sidecar.inference(params) as events:
            with on_interrupt(events.cancel):
                async for event in events:
                    view.show(event)
                    ...
