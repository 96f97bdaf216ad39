"""Turns: what a host asked in a session, and what it was answered; and the answer while it is being written.

Law:
1.  A turn is its new messages and one answer, whose row is made with it: what is listed has its id from the start.
2.  A turn is running, until it is ended (complete, cancelled or interrupted) or taken back whole.
3.  While it runs, only what is new of its text is written. A running turn that nobody runs (the process died, the disk
    failed) becomes interrupted, with the text that was saved.
4.  What a session used is added to its row in the transaction that ends the turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from llm_sidecar.messages.content import Message, ToolCall
from llm_sidecar.storage import kept_message, sessions
from llm_sidecar.storage.clock import now_ms
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.sessions import StoredSession

KeptState = Literal["complete", "cancelled", "interrupted"]
EndState = Literal[KeptState, "failed"]


class PastTurn(NamedTuple):
    """A turn that is over. `answer` is None where there was none (the session was forked before it)."""

    messages: list[Message]
    answer: Message | None


class Conversation(NamedTuple):
    """A session, and all that was said in it."""

    session: StoredSession
    turns: list[PastTurn]


class Ending(NamedTuple):
    """How a turn ended; `failed`: it is taken back. What it used is counted either way."""

    answer: Message
    state: EndState
    provider_id: str
    model_id: str
    total_tokens: int
    cost: float | None


class TurnTable:
    """Every method raises what `Database` does; used from the event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def conversation(self, session_id: str) -> Conversation:
        """Raises `SESSION_NOT_FOUND`. Nobody may be running it: a turn that is running was left so."""

        def work(connection: sqlite3.Connection) -> Conversation | None:
            session = sessions.find(connection, session_id)
            return None if _running(connection, session.id) else Conversation(session, _turns(connection, session.id))

        def settle(connection: sqlite3.Connection) -> None:
            interrupt(connection, sessions.find(connection, session_id).id)

        found = await self._database.read(work)
        if found is None:
            await self._database.write(settle)
            found = await self._database.read(work)
            assert found is not None
        return found

    async def begin(self, session: int, inference_id: str, messages: list[Message], window_id: str | None) -> int:
        """A turn that runs; returns its id. Raises `SESSION_NOT_FOUND`."""

        def work(connection: sqlite3.Connection) -> int:
            sessions.touch(connection, session, window_id)
            turn = _insert_turn(connection, session, "running", inference_id)
            answer = Message(role="assistant", content="")
            add_messages(connection, session, turn, [*((message, False) for message in messages), (answer, True)])
            return turn

        return await self._database.write(work)

    def save(self, turn: int, text: str, calls: list[ToolCall] | None) -> None:
        """More of its answer has come: `text`, and with `calls` these tool calls instead of those before."""

        def work(connection: sqlite3.Connection) -> None:
            running = "SELECT 1 FROM turns WHERE id = ? AND state = 'running'"
            if connection.execute(running, (turn,)).fetchone() is None:
                return
            if text:
                connection.execute("INSERT INTO partial_texts (turn, text) VALUES (?, ?)", (turn, text))
            if calls is not None:
                kept = kept_message.encoded_calls(calls)
                connection.execute("UPDATE turns SET partial_calls = ? WHERE id = ?", (kept, turn))

        self._database.post(work, "the text of a running turn")

    async def end(self, session: int, turn: int, ending: Ending) -> None:
        """It is over. Does nothing where the session was destroyed meanwhile."""
        await self._database.write(lambda connection: _end(connection, session, turn, ending))

    async def take_back(self, turn: int) -> None:
        """It was never asked: nothing of it is left."""
        await self._database.write(lambda connection: _take_back(connection, turn))

    def take_back_soon(self, turn: int) -> None:
        """As `take_back`, without waiting."""
        self._database.post(lambda connection: _take_back(connection, turn), "that a turn was not asked")

    def interrupt_all(self) -> int:
        """End what ran when the process before this one died; returns how many that were. For the start: everything
        waits."""

        def work(connection: sqlite3.Connection) -> int:
            left = connection.execute("SELECT DISTINCT session FROM turns WHERE state = 'running'").fetchall()
            for (session,) in left:
                interrupt(connection, session)
            return len(left)

        return self._database.write_now(work)


def interrupt(connection: sqlite3.Connection, session: int) -> None:
    """End the running turns of a session as they are."""
    for turn, calls in connection.execute(
        "SELECT id, partial_calls FROM turns WHERE session = ? AND state = 'running'", (session,)
    ).fetchall():
        _settle(connection, turn, "interrupted", partial_answer(connection, turn, calls))


def partial_answer(connection: sqlite3.Connection, turn: int, calls: bytes | None) -> Message:
    """What was saved of the answer of a running turn."""
    pieces = connection.execute("SELECT text FROM partial_texts WHERE turn = ? ORDER BY id", (turn,))
    text = "".join(piece for (piece,) in pieces)
    return Message(role="assistant", content=text, tool_calls=kept_message.decoded_calls(calls))


def add_messages(
    connection: sqlite3.Connection, session: int, turn: int, messages: Sequence[tuple[Message, bool]]
) -> None:
    """Messages, each with whether it is the answer."""
    now = now_ms()
    connection.executemany(
        "INSERT INTO messages (session, turn, is_answer, created_at, body) VALUES (?, ?, ?, ?, ?)",
        [(session, turn, is_answer, now, kept_message.encoded(message)) for message, is_answer in messages],
    )
    _count_messages(connection, session, len(messages))


def _insert_turn(connection: sqlite3.Connection, session: int, state: str, inference_id: str | None) -> int:
    sql = "INSERT INTO turns (session, state, inference_id) VALUES (?, ?, ?)"
    turn = connection.execute(sql, (session, state, inference_id)).lastrowid
    assert turn is not None
    return turn


def _running(connection: sqlite3.Connection, session: int) -> bool:
    sql = "SELECT 1 FROM turns WHERE session = ? AND state = 'running'"
    return connection.execute(sql, (session,)).fetchone() is not None


def _turns(connection: sqlite3.Connection, session: int) -> list[PastTurn]:
    turns: dict[int, PastTurn] = {}
    sql = "SELECT turn, is_answer, body FROM messages WHERE session = ? ORDER BY id"
    for turn, is_answer, body in connection.execute(sql, (session,)):
        past = turns.setdefault(turn, PastTurn([], None))
        message = kept_message.decoded(body)
        if is_answer:
            turns[turn] = past._replace(answer=message)
        else:
            past.messages.append(message)
    return list(turns.values())


def _end(connection: sqlite3.Connection, session: int, turn: int, ending: Ending) -> None:
    exists = connection.execute("SELECT 1 FROM turns WHERE id = ?", (turn,)).fetchone() is not None
    if not exists:
        return
    if ending.state == "failed":
        _take_back(connection, turn)
    else:
        _settle(connection, turn, ending.state, ending.answer)
        used = "UPDATE turns SET model_id = ?, total_tokens = ?, cost = ? WHERE id = ?"
        connection.execute(used, (ending.model_id, ending.total_tokens, ending.cost, turn))
    sessions.touch(connection, session)
    _count_used(connection, session, ending)


def _settle(connection: sqlite3.Connection, turn: int, state: KeptState, answer: Message) -> None:
    body = kept_message.encoded(answer)
    connection.execute("UPDATE messages SET body = ? WHERE turn = ? AND is_answer", (body, turn))
    connection.execute("UPDATE turns SET state = ?, partial_calls = NULL WHERE id = ?", (state, turn))
    connection.execute("DELETE FROM partial_texts WHERE turn = ?", (turn,))


def _take_back(connection: sqlite3.Connection, turn: int) -> None:
    row: Any = connection.execute("SELECT session FROM turns WHERE id = ?", (turn,)).fetchone()
    if row is not None:
        removed = connection.execute("DELETE FROM messages WHERE turn = ?", (turn,)).rowcount
        _count_messages(connection, row[0], -removed)
        connection.execute("DELETE FROM turns WHERE id = ?", (turn,))


def _count_messages(connection: sqlite3.Connection, session: int, more: int) -> None:
    connection.execute("UPDATE sessions SET message_count = message_count + ? WHERE id = ?", (more, session))


def _count_used(connection: sqlite3.Connection, session: int, ending: Ending) -> None:
    connection.execute(
        "UPDATE sessions SET total_tokens = total_tokens + ?, answered_by_provider = ?, answered_by_model = ?, "
        "total_cost = CASE WHEN ? IS NULL THEN total_cost ELSE coalesce(total_cost, 0) + ? END WHERE id = ?",
        (ending.total_tokens, ending.provider_id, ending.model_id, ending.cost, ending.cost, session),
    )
