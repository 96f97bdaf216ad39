"""The list of sessions and what was said in one, in pages that always fit one message.

Law: a page ends where the next item would not fit. An item that would fit no page is shown without what makes it so
long, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from llm_sidecar.limits import Limits
from llm_sidecar.messages.session import (
    SessionHistory,
    SessionHistoryParams,
    SessionList,
    SessionListParams,
    SessionMessage,
)
from llm_sidecar.services.pages import DEFAULT_PAGE, ENVELOPE_BYTES, Cursors, unknown_cursor
from llm_sidecar.services.sessions.service import SessionService
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.history import HistoryTable, row_of_message
from llm_sidecar.storage.sessions import SessionTable, StoredSession

_SESSIONS: Final = Cursors("sessions")
_BESIDE: Final = 32
"""Of an item: a comma, and what is filled in later."""
_NAMES_BYTES: Final = 1_900
"""Of a session that does not say who answers, or names a profile: the names of a provider and a model (300 characters,
of six bytes at most)."""


class _Room:
    """What is left of a page."""

    def __init__(self, limits: Limits) -> None:
        self._whole = self._left = limits.max_message_bytes - ENVELOPE_BYTES

    def fits_a_page(self, item: msgspec.Struct) -> bool:
        return len(msgspec.json.encode(item)) + _BESIDE <= self._whole

    def takes(self, item: msgspec.Struct, beside: int = 0) -> bool:
        """Whether there is room for it, and `beside` bytes more; then it is taken. The first one always is."""
        size = len(msgspec.json.encode(item)) + _BESIDE + beside
        if size > self._left and self._left < self._whole:
            return False
        self._left -= size
        return True


class SessionPages:
    """Used from the event loop only. Everything may raise what `Database` does."""

    def __init__(self, database: Database, sessions: SessionService, limits: Callable[[], Limits]) -> None:
        self._table = SessionTable(database)
        self._history = HistoryTable(database)
        self._sessions = sessions
        self._limits = limits

    async def list(self, params: SessionListParams) -> SessionList:
        """Raises `VALIDATION_ERROR` for a cursor that no page gave."""
        room = _Room(self._limits())

        def takes(session: StoredSession) -> bool:
            if not room.fits_a_page(session.info):
                session.info.metadata = None
            is_said = session.info.model_id is not None and session.info.profile_id is None
            return room.takes(session.info, 0 if is_said else _NAMES_BYTES)

        (before,) = (None,) if params.cursor is None else _SESSIONS.read(params.cursor)
        page, has_more = await self._table.page(before, params.limit or DEFAULT_PAGE, takes)
        return SessionList(
            sessions=[self._sessions.shown(session) for session in page],
            next_cursor=_SESSIONS.at(page[-1].activity) if has_more else None,
        )

    async def history(self, params: SessionHistoryParams) -> SessionHistory:
        """Raises `SESSION_NOT_FOUND`, and `VALIDATION_ERROR` for a cursor that no page gave."""
        room = _Room(self._limits())

        def takes(message: SessionMessage) -> SessionMessage | None:
            shown = message if room.fits_a_page(message) else _without_content(message)
            return shown if room.takes(shown) else None

        after = 0 if params.cursor is None else row_of_message(params.cursor)
        if after is None:
            raise unknown_cursor()
        messages, has_more = await self._history.page(
            params.session_id,
            after,
            params.limit or DEFAULT_PAGE,
            takes,
            is_run=lambda: self._sessions.is_running(params.session_id),
        )
        return SessionHistory(messages=messages, next_cursor=messages[-1].message_id if has_more else None)


def _without_content(message: SessionMessage) -> SessionMessage:
    return SessionMessage(
        message_id=message.message_id,
        role=message.role,
        content="",
        created_at=message.created_at,
        state=message.state,
        omitted_bytes=len(msgspec.json.encode(message)),
    )
