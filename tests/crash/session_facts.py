"""Sessions under SIGKILL: what a host was told is there, the rest is whole or not at all.

The model of a turn is what may be found of it. A turn whose `llm:done` came is there, word for word; one whose
`llm:error` came is not; one that was accepted and not told the end of is there, as far as it was saved: a beginning of
its answer, never anything else.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.crash.kill_machine import KillMachine

WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
PAGE = 7
"""Messages of a page: less than a session has, so that paging is played, too."""


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
    def __init__(self, turns: list[Turn]) -> None:
        self.turns = turns
        self.is_there: bool | None = None
        """None: in doubt."""
        self.is_ending = False
        self.is_fork_of_doubt = False
        self.tokens = 0


class SessionFacts(KillMachine):
    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.turns: dict[str, Turn] = {}
        super().__init__()

    def _choose(self, number: int) -> str | None:
        names = [name for name, session in self.sessions.items() if session.is_there is not False]
        return names[number % len(names)] if names else None

    # --- what a host does ---

    @rule()
    def create(self) -> None:
        name = f"s{next(self.numbers)}\x00é"
        self.sessions[name] = Session([])
        self.ask("llm:session:create", {"sessionId": name, "providerId": "demo", "idleTimeoutMs": 1_000})

    @rule(
        which=st.integers(0, 99),
        words=st.integers(0, 16),
        rate=st.sampled_from(["max", "500", "150"]),
        fails_after=st.one_of(st.none(), st.integers(0, 8)),
    )
    def run(self, which: int, words: int, rate: str, fails_after: int | None) -> None:
        name = self._choose(which)
        if name is None:
            return
        number = next(self.numbers)
        answer = " ".join([f"a{number}", *WORDS[:words]])
        fault = "" if fails_after is None else f" error=SERVER_ERROR@{fails_after}"
        question = f'q{number} [[demo: text="{answer}" rate={rate} connect=0 firstToken=0{fault}]]'
        turn = self.turns[f"i{number}"] = Turn(question, answer, fails_after is not None)
        self.sessions[name].turns.append(turn)
        params = {"sessionId": name, "inferenceId": f"i{number}", "retry": {"maxRetries": 0}}
        self.ask("llm:session:run", {**params, "messages": [{"role": "user", "content": question}]})

    @rule(which=st.integers(0, 99))
    def cancel(self, which: int) -> None:
        running = [name for name, turn in self.turns.items() if turn.state in ("asked", "accepted")]
        if running:
            name = running[which % len(running)]
            self.turns[name].is_cancelled = True
            self.ask("llm:cancel", {"inferenceId": name})

    @rule(which=st.integers(0, 99))
    def destroy(self, which: int) -> None:
        name = self._choose(which)
        if name is not None and len(self.sessions) > 1:
            self.sessions[name].is_ending = True
            for turn in self.sessions[name].turns:
                turn.is_cancelled = True
            self.ask("llm:session:destroy", {"sessionId": name})

    @precondition(lambda self: not self.asked)
    @rule(which=st.integers(0, 99))
    def fork(self, which: int) -> None:
        """Of a session of which everything is known."""
        name = self._choose(which)
        if name is None or any(turn.state in ("asked", "accepted") for turn in self.sessions[name].turns):
            return
        copy = f"f{next(self.numbers)}"
        self.sessions[copy] = Session(list(self.sessions[name].turns))
        self.sessions[copy].is_there = None
        self.ask("llm:session:fork", {"sessionId": name, "newSessionId": copy})

    @rule(which=st.integers(0, 99))
    def look(self, which: int) -> None:
        """At what is being written: what was shown once is not lost any more."""
        name = self._choose(which)
        if name is not None:
            self.ask("llm:session:history", {"sessionId": name, "limit": 200})

    # --- what it is told ---

    def heard(self, message: dict[str, Any], method: str | None, params: dict[str, Any]) -> None:
        super().heard(message, method, params)
        event = message.get("method")
        if event is not None:
            turn = self.turns.get(message["params"].get("inferenceId", ""))
            if turn is not None:
                self._heard_event(turn, event, message["params"])
        elif method is not None and method.startswith("llm:session:"):
            self._heard_answer(method, params, message)

    def _heard_event(self, turn: Turn, event: str, params: dict[str, Any]) -> None:
        if event == "llm:token":
            turn.received += params["token"]
        elif event in ("llm:done", "llm:error"):
            assert params.get("persisted", True), params
            turn.state = "failed" if event == "llm:error" else "cancelled" if params.get("cancelled") else "done"
            self.sessions[params["sessionId"]].tokens += params["usage"]["totalTokens"]

    def _heard_answer(self, method: str, params: dict[str, Any], message: dict[str, Any]) -> None:
        session = self.sessions[params["sessionId"]]
        if method == "llm:session:run":
            turn = self.turns[params["inferenceId"]]
            if "error" in message:
                turn.state = "failed"
            elif turn.state == "asked":
                turn.state = "accepted"
        elif method == "llm:session:history" and "result" in message:
            self._heard_history(message["result"]["messages"])
        elif method == "llm:session:destroy":
            session.is_there = False
        elif method == "llm:session:create":
            assert "result" in message, message
            session.is_there = True if not session.is_ending else None
        elif method == "llm:session:fork":
            copy = self.sessions[params["newSessionId"]]
            if "error" in message:
                copy.is_there = False
            elif not copy.is_ending:
                copy.is_there = True

    def _heard_history(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            turn = self.turns.get(message.get("inferenceId", ""))
            if turn is not None:
                assert turn.answer.startswith(message["content"])
                turn.seen = max(turn.seen, message["content"], key=len)

    # --- what is there ---

    def check(self) -> None:
        super().check()
        listed = self._listed()
        for name, session in list(self.sessions.items()):
            if session.is_there is not None and not session.is_ending:
                assert (name in listed) == session.is_there, name
            if session.is_there is False:
                assert name not in listed, name
            if name in listed:
                self._check_session(session, listed.pop(name), self._history(name))
                session.is_there, session.is_ending = True, False
            else:
                del self.sessions[name]
        assert not listed, "sessions that nobody made"

    def _listed(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        cursor = None
        while True:
            page = self.host.call("llm:session:list", {"limit": 3, **({"cursor": cursor} if cursor else {})})
            for info in page["sessions"]:
                assert info["sessionId"] not in found
                found[info["sessionId"]] = info
            cursor = page["nextCursor"]
            if cursor is None:
                return found

    def _history(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = self.host.call("llm:session:history", {"sessionId": name, "limit": PAGE, **more})
            found += page["messages"]
            cursor = page["nextCursor"]
            if cursor is None:
                return found

    def _check_session(self, session: Session, info: dict[str, Any], history: list[dict[str, Any]]) -> None:
        assert info["messageCount"] == len(history)
        assert info["totalTokens"] >= session.tokens
        assert not info["isActive"]
        ids = [int(message["messageId"].removeprefix("m")) for message in history]
        assert ids == sorted(set(ids))
        found = [(history[at], history[at + 1]) for at in range(0, len(history), 2)]
        by_question = {question["content"]: answer for question, answer in found}
        assert len(by_question) == len(found), "a turn is there twice"
        kept: list[Turn] = []
        for turn in session.turns:
            answer = by_question.pop(turn.question, None)
            if answer is None:
                assert turn.may_be_absent, (turn.question, turn.state)
                continue
            turn.check(answer.get("state", "complete"), answer["content"])
            self._settle(turn, answer)
            kept.append(turn)
        assert not by_question, "turns that nobody asked"
        assert [turn.question for turn in kept] == [question["content"] for question, _ in found]
        session.turns = kept
        session.tokens = info["totalTokens"]

    def _settle(self, turn: Turn, answer: dict[str, Any]) -> None:
        """From now on it stays as it was found."""
        state = answer.get("state", "complete")
        turn.state = "done" if state == "complete" else "cancelled"
        if state == "interrupted":
            turn.check = lambda s, t: _same((s, t), ("interrupted", answer["content"]))  # type: ignore[method-assign]
        turn.received = answer["content"]
        turn.fails = False


def _same(found: tuple[str, str], expected: tuple[str, str]) -> None:
    assert found == expected
