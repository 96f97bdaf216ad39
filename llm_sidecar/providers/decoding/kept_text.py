"""A text that is put together to be replayed in the next turn, as far as it is worth keeping.

Law: bounded: a text longer than `max_chars` is forgotten whole, since half of it would be of no use.
"""

from __future__ import annotations

from llm_sidecar.providers.decoding.surrogates import mended


class KeptText:
    """One answer's."""

    def __init__(self, max_chars: int) -> None:
        self._room = max_chars
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        self._room -= len(piece)
        if self._room >= 0:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    @property
    def text(self) -> str:
        """All of it; "" where there was none, or too much."""
        return mended("".join(self._pieces)) if self._room >= 0 else ""
