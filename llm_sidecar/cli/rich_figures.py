"""A table of figures with bars, in the width there is.

Law: columns go by their rank until label, figures and a bar fit; a bar needs no colour, and no Unicode where the
terminal has none.
"""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from llm_sidecar.cli.screen import Column, Table

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_GAP: Final = 2
_SHORTEST_BAR: Final = 8
_LONGEST_BAR: Final = 40
_SHORTEST_LABEL: Final = 24
"""A session's id."""
_LONGEST_LABEL: Final = 40


def figures(table: Table, console: Console) -> Grid:
    """What rich prints."""
    room = console.width - _GAP
    label_width = min(max(map(len, [table.label_title, *table.labels])), _LONGEST_LABEL)
    columns = _fitting(table.columns, room - min(label_width, _SHORTEST_LABEL) - _SHORTEST_BAR - _GAP)
    left = room - sum(map(_width, columns)) - _GAP
    bar_width = min(max(left - label_width, _SHORTEST_BAR), _LONGEST_BAR)
    grid = Grid(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim", show_footer=True)
    *labels, total = table.labels
    grid.add_column(
        table.label_title, Text(total, "bold"), no_wrap=True, overflow="ellipsis", max_width=max(left - bar_width, 1)
    )
    for column in columns:
        grid.add_column(column.title, Text(column.cells[-1], "bold"), justify="right", no_wrap=True)
    grid.add_column("", no_wrap=True)
    for number, label in enumerate(labels):
        cells = [_cell(column, number) for column in columns]
        bar = _bar(table.bars[number], bar_width, ascii_only=console.options.ascii_only)
        grid.add_row(Text(label, "cyan"), *cells, Text(bar, "green"))
    return grid


def _fitting(columns: list[Column], room: int) -> list[Column]:
    kept = list(columns)
    while len(kept) > 1 and sum(map(_width, kept)) > room:
        kept.remove(max(reversed(kept), key=lambda column: column.rank))
    return kept


def _width(column: Column) -> int:
    return max(map(len, [column.title, *column.cells])) + _GAP


def _cell(column: Column, number: int) -> Text:
    return Text(column.cells[number], "red" if column.title == "errors" else "")


def _bar(share: float, width: int, *, ascii_only: bool) -> str:
    """Of what is more than nothing, there is something to see."""
    if share <= 0:
        return ""
    if ascii_only:
        return "#" * max(round(share * width), 1)
    whole, rest = divmod(max(round(share * width * 8), 1), 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")
