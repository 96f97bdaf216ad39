"""The forms that pages are made of: tables, links, code.

Law: pure text. GitHub's Markdown, no HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

_WIDEST_LINE: Final = 100
"""Characters of an example that is shown on one line, as it travels."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell is escaped."""
    lines = [_row(head), f"|{'---|' * len(head)}"]
    lines += [_row([cell.replace("|", "\\|") for cell in row]) for row in rows]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def link(text: str, target: str) -> str:
    return f"[{text}]({target})"


def code(text: str) -> str:
    return f"`{text}`"


def example(message: dict[str, Any]) -> str:
    """A JSON-RPC message as a block of code: on one line where it is short, else laid out for reading."""
    whole = {"jsonrpc": "2.0", **message}
    line = json.dumps(whole, ensure_ascii=False)
    text = line if len(line) <= _WIDEST_LINE else json.dumps(whole, ensure_ascii=False, indent=2)
    return f"```json\n{text}\n```\n"


def anchor(heading: str) -> str:
    """The anchor GitHub makes of a heading."""
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")
