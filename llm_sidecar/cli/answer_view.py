"""An answer on its way to a person: asked for, shown as it streams, cancelled by Ctrl-C.

Law: a view is entered before the question is asked and left when the answer has ended, whatever ended it. How it shows
the answer is its own business (`plain_screen`, `terminal_view`).
"""

from __future__ import annotations

from typing import Any, Protocol

from llm_sidecar.cli.keyboard import on_interrupt
from llm_sidecar.cli.received import ReceivedAnswer
from llm_sidecar.client import DoneEvent, ErrorEvent, SidecarProcess


class AnswerView(Protocol):
    """Shows one answer. `show` is told the text that came, after it was added to `received`."""

    received: ReceivedAnswer

    def __enter__(self) -> AnswerView: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, text: str) -> None: ...


async def stream_answer(sidecar: SidecarProcess, params: dict[str, Any], view: AnswerView) -> DoneEvent | ErrorEvent:
    """Ask, show the answer, and return its terminal; after a Ctrl-C that is a `DoneEvent` with `cancelled`.

    Raises `SidecarError` if the question is refused or the sidecar dies.
    """
    with view:
        async with sidecar.inference(params) as events:
            with on_interrupt(events.cancel):
                async for event in events:
                    view.show(view.received.take(event))
    terminal = view.received.terminal
    assert terminal is not None, "a stream of events ends with its terminal, or raises"
    return terminal
