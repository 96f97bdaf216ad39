r"""Characters that a server cut in two.

Law: JSON writes a character outside the basic plane as two escapes (`\ud83d\ude00`), and some servers send the halves
in two deltas. The first half is held back until its other half comes; a half that stays alone becomes U+FFFD.
"""

from __future__ import annotations


def mended(text: str) -> str:
    """`text` with its pairs joined and lone halves replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class SurrogateJoiner:
    """One per answer; `channel` tells apart texts that are interleaved."""

    def __init__(self) -> None:
        self._halves: dict[int, str] = {}

    def __bool__(self) -> bool:
        """Whether a half is waiting."""
        return bool(self._halves)

    def join(self, channel: int, text: str) -> str:
        """`text` with the waiting half before it and without a half at its end; valid Unicode, maybe empty."""
        text = self._halves.pop(channel, "") + text
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves[channel] = text[-1]
            text = text[:-1]
        return mended(text)

    def abandon(self) -> list[int]:
        """The channels whose half will not come any more."""
        channels = list(self._halves)
        self._halves.clear()
        return channels
