"""What was said in a session, in pages; and its copy, up to a message.

Law: ordered by row id, a page after the message of its cursor. Nothing of a page is read that the page does not take.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.messages.content import Message
from llm_sidecar.messages.session import SessionMessage
from llm_sidecar.storage import kept_message, sessions
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.sessions import StoredSession
from llm_sidecar.storage.turns import partial_answer

_PAGE: Final = (
    "SELECT messages.id, is_answer, created_at, body, turn, state, inference_id, model_id, total_tokens, cost, "
    "partial_calls FROM messages JOIN turns ON turns.id = turn "
    "WHERE messages.session = ? AND messages.id > ? ORDER BY messages.id LIMIT ?"
)
_COPY_TURN: Final = (
    "INSERT INTO turns (session, state, inference_id, model_id, total_tokens, cost) "
    "SELECT ?, CASE state WHEN 'running' THEN 'interrupted' ELSE state END, inference_id, model_id, total_tokens, cost "
    "FROM turns WHERE id = ?"
)
_COPY_MESSAGES: Final = (
    "INSERT INTO messages (session, turn, is_answer, created_at, body) SELECT ?, ?, is_answer, created_at, body "
    "FROM messages WHERE turn = ? AND id <= ? ORDER BY id"
)
_LAST: Final = 2**63 - 1
_MOST_DIGITS: Final = 18


class HistoryTable:
    """Every method raises what `Database` does; used from the event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        session_id: str,
        after: int,
        limit: int,
        takes: Callable[[SessionMessage], SessionMessage | None],
        *,
        is_run: Callable[[], bool],
    ) -> tuple[list[SessionMessage], bool]:
        """At most `limit` messages after the id `after`, each as `takes` gives it back, up to the first for which that
        is None; and whether more follow. `is_run()`: somebody is answering in it (else, what is running was left so).
        Raises `SESSION_NOT_FOUND`."""

        def work(connection: sqlite3.Connection) -> tuple[list[SessionMessage], bool]:
            session = sessions.find(connection, session_id).id
            page: list[SessionMessage] = []
            for message in _messages(connection, session, after, limit + 1, is_run=is_run()):
                taken = takes(message) if len(page) < limit else None
                if taken is None:
                    return page, True
                page.append(taken)
            return page, False

        return await self._database.read(work)

    async def fork(self, session_id: str, new_session_id: str, at_message: int | None) -> StoredSession:
        """A copy up to and with the message `at_message`; None: of every turn that is over. It has used nothing yet.
        Raises `SESSION_NOT_FOUND`, `SESSION_EXISTS`, or `VALIDATION_ERROR` where there is no such message, or it is
        still being written."""

        def work(connection: sqlite3.Connection) -> StoredSession:
            session = sessions.find(connection, session_id)
            fork = sessions.insert(connection, new_session_id, session.config)
            if at_message is not None:
                _check_at(connection, session.id, at_message)
            _copy(connection, session.id, fork, at_message)
            return sessions.find(connection, new_session_id)

        return await self._database.write(work)


def message_id(row: int) -> str:
    """The host's name of a message."""
    return f"m{row}"


def row_of_message(name: str) -> int | None:
    """The id of its row; None where no message is called so."""
    digits = name.removeprefix("m")
    is_one = name != digits and digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    return int(digits) if is_one else None


def _messages(
    connection: sqlite3.Connection, session: int, after: int, limit: int, *, is_run: bool
) -> Iterator[SessionMessage]:
    for row in connection.execute(_PAGE, (session, after, limit)):
        yield _message(connection, row, is_run=is_run)


def _message(connection: sqlite3.Connection, row: tuple[Any, ...], *, is_run: bool) -> SessionMessage:
    row_id, is_answer, created_at, body, turn, state, inference_id, model_id, total_tokens, cost, calls = row
    is_coming = is_answer and state == "running"
    message: Message = partial_answer(connection, turn, calls) if is_coming else kept_message.decoded(body)
    shown = SessionMessage(
        message_id=message_id(row_id),
        role=message.role,
        content=message.content,
        tool_calls=message.tool_calls,
        tool_call_id=message.tool_call_id,
        provider_state=message.provider_state,
        created_at=created_at,
    )
    if is_answer:
        shown.state = "interrupted" if is_coming and not is_run else state
        shown.inference_id = inference_id
        shown.model_id = model_id
        shown.total_tokens = total_tokens
        shown.cost = cost
    return shown


def _check_at(connection: sqlite3.Connection, session: int, message: int) -> None:
    sql = (
        "SELECT is_answer AND state = 'running' FROM messages JOIN turns ON turns.id = turn "
        "WHERE messages.id = ? AND messages.session = ?"
    )
    found = connection.execute(sql, (message, session)).fetchone()
    if found is None:
        raise InvalidParams([FieldProblem("atMessageId", "the session has no such message")])
    if found[0]:
        raise InvalidParams([FieldProblem("atMessageId", "this answer is still being written")])


def _copy(connection: sqlite3.Connection, session: int, fork: int, at_message: int | None) -> None:
    if at_message is None:
        turns = connection.execute(
            "SELECT id FROM turns WHERE session = ? AND state != 'running' ORDER BY id", (session,)
        ).fetchall()
    else:
        turns = connection.execute(
            "SELECT DISTINCT turn FROM messages WHERE session = ? AND id <= ? ORDER BY turn", (session, at_message)
        ).fetchall()
    copied = 0
    for (turn,) in turns:
        new_turn = connection.execute(_COPY_TURN, (fork, turn)).lastrowid
        last = _LAST if at_message is None else at_message
        copied += connection.execute(_COPY_MESSAGES, (fork, new_turn, turn, last)).rowcount
    connection.execute("UPDATE sessions SET message_count = ? WHERE id = ?", (copied, fork))
