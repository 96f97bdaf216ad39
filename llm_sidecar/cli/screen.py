"""Where a command for people writes: a terminal that can redraw, or anything else.

Law: one interface, two forms. Here is the plain one: no control codes, answers and tables on stdout, everything said
about them on stderr, so that a pipe gets what was asked for. `rich_screen` is the other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from llm_sidecar.cli.answer_view import AnswerView, PlainView
from llm_sidecar.cli.failure import describe
from llm_sidecar.cli.printable import printable
from llm_sidecar.client import ErrorEvent, SidecarError

Tone = Literal["plain", "good", "warning", "bad"]


class Row(NamedTuple):
    """A line of a table of two columns."""

    label: str
    value: str
    tone: Tone = "plain"


class Screen(Protocol):
    """What the commands say."""

    def heading(self, title: str, note: str) -> None:
        """Who speaks, and a remark about it."""
        ...

    def question(self, text: str) -> None:
        """What will be asked, where the person has not just typed it."""
        ...

    def view(self, title: str, *, framed: bool) -> AnswerView:
        """A place for one answer, set apart from what surrounds it if `framed`."""
        ...

    def rows(self, rows: Sequence[Row]) -> None:
        """A table."""
        ...

    def failure(self, error: SidecarError | ErrorEvent) -> None:
        """What went wrong, and a hint."""
        ...


class PlainScreen:
    """For pipes, files and simple terminals."""

    def heading(self, title: str, note: str) -> None:
        print(printable(f"{title}: {note}"), file=sys.stderr, flush=True)

    def question(self, text: str) -> None:
        pass

    def view(self, title: str, *, framed: bool) -> AnswerView:
        return PlainView(set_apart=framed)

    def rows(self, rows: Sequence[Row]) -> None:
        width = max(len(row.label) for row in rows)
        print("\n".join(f"{row.label:<{width}}  {row.value}" for row in rows), flush=True)

    def failure(self, error: SidecarError | ErrorEvent) -> None:
        print("\n".join(describe(error)), file=sys.stderr, flush=True)


def open_screen() -> Screen:
    """The right screen for this process's stdout."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return PlainScreen()
    from llm_sidecar.cli.rich_screen import RichScreen

    return RichScreen()
