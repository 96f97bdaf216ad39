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


class Column(NamedTuple):
    """A column of figures: one for each row. Where not all columns fit, the highest `rank` goes first."""

    title: str
    cells: list[str]
    rank: int


class Table(NamedTuple):
    """Rows of figures, with a bar for each (from 0 to 1, of `measure`), and a last row without one: the total."""

    label_title: str
    labels: list[str]
    columns: list[Column]
    bars: list[float]
    measure: str
    note: str = ""


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

    def text(self, text: str) -> None:
        """What was written elsewhere, as it stands; its lines may be broken between words."""
        ...

    def rows(self, rows: Sequence[Row]) -> None:
        """A table."""
        ...

    def table(self, table: Table) -> None:
        """A table of figures, and a plot of it where there is room for one."""
        ...

    def failure(self, error: SidecarError | ErrorEvent) -> None:
        """What went wrong, and a hint."""
        ...
