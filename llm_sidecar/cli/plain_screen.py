"""The screen of pipes, files and simple terminals.

Law: no control codes. Answers and tables go to stdout, everything said about them to stderr, so that a pipe gets what
was asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from llm_sidecar.cli.answer_view import AnswerView
from llm_sidecar.cli.failure import describe
from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.received import ReceivedAnswer
from llm_sidecar.cli.screen import Row, Table
from llm_sidecar.client import ErrorEvent, SidecarError


class PlainView:
    """Text as it comes; `set_apart`, with an empty line below."""

    def __init__(self, *, set_apart: bool) -> None:
        self.received = ReceivedAnswer()
        self._set_apart = set_apart

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *_: object) -> None:
        if self.received.text and not self.received.text.endswith("\n"):
            print(flush=True)
        if self.received.text and self._set_apart:
            print(flush=True)

    def show(self, text: str) -> None:
        if text:
            print(text, end="", flush=True)


class PlainScreen:
    """Implements `Screen`."""

    def heading(self, title: str, note: str) -> None:
        print(printable(f"{title}: {note}"), file=sys.stderr, flush=True)

    def question(self, text: str) -> None:
        pass

    def view(self, title: str, *, framed: bool) -> AnswerView:
        return PlainView(set_apart=framed)

    def text(self, text: str) -> None:
        print(text, flush=True)

    def rows(self, rows: Sequence[Row]) -> None:
        width = max(len(row.label) for row in rows)
        print("\n".join(f"{row.label:<{width}}  {row.value}" for row in rows), flush=True)

    def table(self, table: Table) -> None:
        cells = [[table.label_title, *table.labels], *([column.title, *column.cells] for column in table.columns)]
        widths = [max(map(len, column)) for column in cells]
        for label, *figures in zip(*cells, strict=True):
            shown = [label.ljust(widths[0]), *(f.rjust(w) for f, w in zip(figures, widths[1:], strict=True))]
            print("  ".join(shown).rstrip())
        if table.note:
            print(table.note, file=sys.stderr)
        sys.stdout.flush()

    def failure(self, error: SidecarError | ErrorEvent) -> None:
        print("\n".join(describe(error)), file=sys.stderr, flush=True)
