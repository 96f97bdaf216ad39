"""A session and its turns as a host knows them, which says what may be found of them.

The model of a turn is what may be found of it. A turn whose `llm:done` came is there, word for word; one whose
`llm:error` came is not; one that was accepted and not told the end of is there, as far as it was saved: a beginning of
its answer, never anything else.
"""

from __future__ import annotations


class Turn:
    """A turn as the host knows it. `state` is `asked`, `accepted` or how it ended: `done`, `cancelled`, `failed`."""

    def __init__(self, question: str, answer: str, fails: bool) -> None:
        self.question = question
        self.answer = answer
        self.fails = fails
        self.state = "asked"
        self.is_cancelled = False
        self.received = ""
        self.seen = ""
        """What a page of history showed of its answer."""

    def check(self, state: str, text: str) -> None:
        """It is in the history, with this answer."""
        assert self.state != "failed", self.question
        assert self.answer.startswith(text), (self.answer, text)
        assert text.startswith(self.seen), (self.seen, text)
        if self.state == "done":
            assert (state, text) == ("complete", self.answer)
        elif self.state == "cancelled":
            assert (state, text) == ("cancelled", self.received)
        elif state == "complete":
            assert text == self.answer
            assert not self.fails
        elif state == "cancelled":
            assert self.is_cancelled
        else:
            assert state == "interrupted"

    @property
    def may_be_absent(self) -> bool:
        return self.state in ("asked", "failed") or (self.state == "accepted" and self.fails)


class Session:
    """`is_ephemeral`: it ends with the process."""

    def __init__(self, turns: list[Turn], *, is_ephemeral: bool = False) -> None:
        self.turns = turns
        self.is_ephemeral = is_ephemeral
        self.is_there: bool | None = None
        """None: in doubt."""
        self.is_made = False
        """Its making was answered."""
        self.is_ending = False
        self.tokens = 0

    @property
    def is_busy(self) -> bool:
        return any(turn.state in ("asked", "accepted") for turn in self.turns)
