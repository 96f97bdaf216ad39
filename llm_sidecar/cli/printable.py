"""Text of a model or a stranger's server, made harmless for a terminal.

Law: no control character but the line end and the tab gets through: an escape sequence in an answer could recolour,
rename or type into the terminal it is shown in.
"""

from __future__ import annotations

from typing import Final

_CONTROL: Final = [*range(0x20), *range(0x7F, 0xA0)]
_REPLACED: Final = {code: "\ufffd" for code in _CONTROL if chr(code) not in "\n\t"} | {ord("\r"): None}


def printable(text: str) -> str:
    """`text` without carriage returns, and with every other control character replaced by U+FFFD."""
    return text if text.isprintable() else text.translate(_REPLACED)
