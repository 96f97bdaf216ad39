"""Sessions under SIGKILL: what a host was told is there, the rest is whole or not at all.

A session is in doubt from the moment that something was asked which nobody answered; see `session_model` for its turns.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.crash.kill_machine import Fate, KillMachine
from tests.crash.session_model import Session, Turn

WORDS = [f"word{number}" for number in range(16)]
PAGE = 7
"""Messages of a page: less than a session has, so that paging is played, too."""


class SessionFacts(KillMachine):
    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.turns: dict[str, Turn] = {}
        super().__init__()

    # --- what a host does ---

    def wishes(self) -> list[Fate]:
        return [*super().wishes(), self._create, self._run, self._destroy, self._fork]

    def work(self, random: Random) -> None:
        super().work(random)
        for _ in range(random.randrange(3, 25)):
            step = random.choice(_STEPS)
            step(self, random)

    def _listen(self, random: Random) -> None:
        self.let_it_work(random.randrange(40))

    def _await_an_end(self, _random: Random) -> None:
        """Of the first of the answers that are coming."""
        running = next((turn for turn in self.turns.values() if turn.state == "accepted"), None)
        while running is not None and running.state == "accepted":
            self.hear()

    def _choose(self, random: Random, *, may_be_busy: bool = True) -> str | None:
        names = [
            name
            for name, session in self.sessions.items()
            if session.is_there is not False and (may_be_busy or not session.is_busy)
        ]
        return random.choice(names) if names else None

    def fates(self) -> list[Fate]:
        return [*super().fates(), self.die_in_the_middle_of_a_long_answer]

    def die_in_the_middle_of_a_long_answer(self, random: Random) -> None:
        """Of which several pieces were saved, one after the other: they are put together again."""
        name = self._create(random, is_ephemeral=False)
        turn = self._ask(name, [f"{number:03}" for number in range(80)], rate="150")
        enough = random.randrange(40, 300)
        while turn.state in ("asked", "accepted") and len(turn.received) < enough:
            self.hear()
        self.kill()

    def _create(self, random: Random, *, is_ephemeral: bool | None = None) -> str:
        name = f"s{next(self.numbers)}\x00é"
        ends_soon = random.random() < 0.1 if is_ephemeral is None else is_ephemeral
        self.sessions[name] = Session([], is_ephemeral=ends_soon)
        config = {"providerId": "demo", "idleTimeoutMs": 1_000, "ephemeral": ends_soon}
        self.ask("llm:session:create", {"sessionId": name, **config})
        return name

    def _run(self, random: Random) -> None:
        name = self._choose(random, may_be_busy=random.random() < 0.1)
        if name is None:
            return
        words = WORDS[: random.randrange(len(WORDS))]
        rate = random.choice(["max", "400", "60"])
        fault = f" error=SERVER_ERROR@{random.randrange(8)}" if random.random() < 0.25 else ""
        self._ask(name, words, rate, fault)

    def _ask(self, name: str, words: list[str], rate: str, fault: str = "") -> Turn:
        number = next(self.numbers)
        answer = " ".join([f"a{number}", *words])
        question = f'q{number} [[demo: text="{answer}" rate={rate} connect=0 firstToken=0{fault}]]'
        turn = self.turns[f"i{number}"] = Turn(question, answer, fails=bool(fault))
        self.sessions[name].turns.append(turn)
        params = {"sessionId": name, "inferenceId": f"i{number}", "retry": {"maxRetries": 0}}
        self.ask("llm:session:run", {**params, "messages": [{"role": "user", "content": question}]})
        return turn

    def _cancel(self, random: Random) -> None:
        running = [name for name, turn in self.turns.items() if turn.state in ("asked", "accepted")]
        if running:
            name = random.choice(running)
            self.turns[name].is_cancelled = True
            self.ask("llm:cancel", {"inferenceId": name})

    def _destroy(self, random: Random) -> None:
        name = self._choose(random)
        if name is not None and len(self.sessions) > 1:
            self.sessions[name].is_ending = True
            for turn in self.sessions[name].turns:
                turn.is_cancelled = True
            self.ask("llm:session:destroy", {"sessionId": name})

    def _fork(self, random: Random) -> None:
        """Of a session of which everything is known."""
        name = self._choose(random, may_be_busy=False)
        if name is not None and self.sessions[name].is_there:
            copy = f"f{next(self.numbers)}"
            turns = [turn for turn in self.sessions[name].turns if turn.state != "failed"]
            self.sessions[copy] = Session(turns, is_ephemeral=self.sessions[name].is_ephemeral)
            self.ask("llm:session:fork", {"sessionId": name, "newSessionId": copy})

    def _look(self, random: Random) -> None:
        """At what is being written: what was shown once is not lost any more."""
        name = self._choose(random)
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
            # A fork reads first: what was asked after it may be done, and answered, before it.
            session.is_there = False if session.is_made or message["result"]["success"] else None
        elif method == "llm:session:create":
            assert "result" in message, message
            session.is_made = True
            session.is_there = True if not session.is_ending else None
        elif method == "llm:session:fork":
            copy = self.sessions[params["newSessionId"]]
            copy.is_made = True
            if "error" in message:
                copy.is_there = False
            else:
                copy.is_there = None if copy.is_ending else True

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
            if session.is_ephemeral:
                session.is_there = False
            if session.is_there is not None and not session.is_ending:
                assert (name in listed) == session.is_there, name
            if session.is_there is False:
                assert name not in listed, name
            if name in listed:
                self._check_session(session, listed.pop(name), self._history(name))
                session.is_there, session.is_made, session.is_ending = True, True, False
            else:
                del self.sessions[name]
        assert not listed, "sessions that nobody made"
        for turn in self.turns.values():
            if turn.state in ("asked", "accepted"):
                turn.state = "failed"  # it is nowhere, and nobody answers it any more

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


_STEPS: list[Callable[[SessionFacts, Random], object]] = [
    *[SessionFacts._run] * 8,
    *[SessionFacts._listen] * 3,
    *[SessionFacts._await_an_end] * 2,
    *[SessionFacts._look] * 2,
    *[SessionFacts._create] * 2,
    SessionFacts._cancel,
    SessionFacts._destroy,
    SessionFacts._fork,
]
"""As often as they are in it."""
