"""The audit log: what happened that a security reviewer would ask about.

Law:
1.  Noting an event never blocks and never fails; what cannot be stored is said in the log on stderr.
2.  Details are small facts of known names. Every text is masked, then cut: no secret gets in, whoever passes it.
3.  What goes on and on (the use of a key, a wrong key, a refused address) is one entry an hour with a count: a flood of
    it pushes nothing else out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from llm_sidecar import log
from llm_sidecar.limits import Limits, camel
from llm_sidecar.messages.usage import AuditAction, AuditList, AuditListParams
from llm_sidecar.redaction import redact
from llm_sidecar.services.pages import DEFAULT_PAGE, Cursors, fitting
from llm_sidecar.storage.audit import HOUR_MS, AuditRows, Event
from llm_sidecar.storage.clock import now_ms

Detail = str | int | float | bool | None

ALLOWED_DETAILS: Final = frozenset(
    {
        "code",
        "count",
        "encrypted",
        "field",
        "fields",
        "generation",
        "kind",
        "model_id",
        "name",
        "origin",
        "port",
        "previous_profile_id",
        "provider_id",
        "reason",
        "source",
        "success",
    }
)
_ENTRIES: Final = Cursors("audit")
_LONGEST_TEXT: Final = 200
_LONGEST_NUMBER: Final = 2**53
_MERGED: Final = frozenset({"key.used", "vault.unlock-failed", "endpoint.refused"})
_MOST_GOING_ON: Final = 1_000
"""Events that are counted on; one more than so many different ones in an hour begins anew."""

_encode = msgspec.json.Encoder(order="sorted").encode


class AuditLog(Protocol):
    """What others need of it."""

    def record(self, action: AuditAction, profile_id: str | None = None, **details: Detail) -> None:
        """Note an event. `details` are among `ALLOWED_DETAILS`."""
        ...


class Audit:
    """Used from the event loop only; `clock` gives epoch milliseconds."""

    def __init__(self, rows: AuditRows, limits: Callable[[], Limits], clock: Callable[[], int] = now_ms) -> None:
        self._rows = rows
        self._limits = limits
        self._clock = clock
        self._going_on: dict[tuple[str, str | None, str | None], Event] = {}

    def record(self, action: AuditAction, profile_id: str | None = None, **details: Detail) -> None:
        """Note an event. `details` are among `ALLOWED_DETAILS`; others are left out."""
        told = {camel(name): _safe(value) for name, value in details.items() if _is_allowed(action, name, value)}
        self._rows.post(
            self._event(action, profile_id, _encode(told).decode() if told else None),
            self._limits().max_audit_entries,
        )

    async def entries(self, params: AuditListParams) -> AuditList:
        """A page, newest first. Raises `VALIDATION_ERROR` for a cursor that no page gave, or as the database does."""
        (below,) = (2**63 - 1,) if params.cursor is None else _ENTRIES.read(params.cursor)
        limit = params.limit or DEFAULT_PAGE
        found = await self._rows.page(params.action, params.from_, params.to, below, limit + 1)
        shown = fitting(found[:limit], self._limits())
        return AuditList(entries=shown, next_cursor=_ENTRIES.at(shown[-1].id) if len(shown) < len(found) else None)

    def _event(self, action: AuditAction, profile_id: str | None, details: str | None) -> Event:
        """A new event, or the one that goes on."""
        now = self._clock()
        if action not in _MERGED:
            return Event(action, now, profile_id, details, is_merged=False)
        key = (action, profile_id, details)
        event = self._going_on.get(key)
        if event is not None and event.at <= now < event.at + HOUR_MS:
            event.count += 1
            return event
        if len(self._going_on) >= _MOST_GOING_ON:
            self._going_on.clear()
        event = self._going_on[key] = Event(action, now, profile_id, details, is_merged=True)
        return event


def _is_allowed(action: str, name: str, value: Any) -> bool:
    is_number = isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _LONGEST_NUMBER
    if name in ALLOWED_DETAILS and (value is None or isinstance(value, str) or is_number):
        return value is not None
    log.warning("audit detail refused", action=action, detail=name)
    return False


def _safe(value: Detail) -> Detail:
    if not isinstance(value, str):
        return value
    return redact(value)[:_LONGEST_TEXT].encode("utf-8", "replace").decode()
