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
        self.waiting: dict[int, str] = {}
        """Those that wait, by channel."""

    def join(self, channel: int, text: str) -> str:
        """`text` with the waiting half before it and without a half at its end; valid Unicode, maybe empty."""
        text = self.waiting.pop(channel, "") + text
        if "\ud800" <= text[-1:] <= "\udbff":
            self.waiting[channel] = text[-1]
            text = text[:-1]
        return mended(text)

    def abandon(self) -> list[int]:
        """The channels whose half will not come any more."""
        channels = list(self.waiting)
        self.waiting.clear()
        return channels
