"""Where a command for people writes.

Law: one interface, two forms: `plain_screen` for pipes and files, `rich_screen` for terminals. A command says what, the
screen decides how it looks and on which stream it goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from llm_sidecar.cli.answer_view import AnswerView
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
