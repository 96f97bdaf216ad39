"""The screen of a terminal: colours, a frame around an answer, tables that wrap.

Law: what comes from outside is text, never rich's markup. It imports rich, so it is imported only where it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from llm_sidecar.cli.answer_view import AnswerView
from llm_sidecar.cli.failure import describe
from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.rich_figures import figures
from llm_sidecar.cli.screen import Row, Table, Tone
from llm_sidecar.cli.terminal_view import TerminalView
from llm_sidecar.client import ErrorEvent, SidecarError

_STYLES: Final[dict[Tone, str]] = {"plain": "", "good": "green", "warning": "yellow", "bad": "red"}


class RichScreen:
    """Implements `Screen`."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def heading(self, title: str, note: str) -> None:
        self._console.print(Text.assemble((printable(title), "bold cyan"), "  ", (printable(note), "dim")))
        self._console.print()

    def question(self, text: str) -> None:
        line = Grid.grid(padding=(0, 1))
        line.add_row(Text("❯", style="bold cyan"), Text(printable(text), style="bold"))
        self._console.print(line)
        self._console.print()

    def view(self, title: str, *, framed: bool) -> AnswerView:
        return TerminalView(self._console, printable(title), framed=framed)

    def text(self, text: str) -> None:
        self._console.print(Text(text))

    def rows(self, rows: Sequence[Row]) -> None:
        table = Grid.grid(padding=(0, 2))
        for row in rows:
            table.add_row(
                Text(row.label, style="dim", no_wrap=True), Text(row.value, style=_STYLES[row.tone], overflow="fold")
            )
        self._console.print(Padding(table, (0, 1)))

    def table(self, table: Table) -> None:
        self._console.print(Padding(figures(table, self._console), (0, 1, 1, 1)))
        if table.note:
            self._console.print(Padding(Text(table.note, style="dim"), (0, 1, 1, 1)))

    def failure(self, error: SidecarError | ErrorEvent) -> None:
        sentence, *hints = describe(error)
        lines = [Text(f"✗ {sentence}", style="red"), *(Text(f"  {hint}", style="dim") for hint in hints)]
        self._console.print(Padding(Text("\n").join(lines), (0, 1, 1, 1)))
