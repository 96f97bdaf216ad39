"""Pages of lists: they always fit one message, and say where the next begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.limits import Limits

DEFAULT_PAGE: Final = 50
_ENVELOPE_BYTES: Final = 2_048
"""The message around the items, its id included."""
_is_cursor: Final = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?").fullmatch

Item = TypeVar("Item", bound=msgspec.Struct)


def fitting(items: Iterable[Item], limits: Limits) -> list[Item]:
    """The first of `items`, as many as one message takes; one of them in any case."""
    room = limits.max_message_bytes - _ENVELOPE_BYTES
    taken: list[Item] = []
    for item in items:
        room -= len(msgspec.json.encode(item)) + 1
        if room < 0 and taken:
            break
        taken.append(item)
    return taken


def number_of(cursor: str) -> int:
    """The number that a page gave as its cursor. Raises `VALIDATION_ERROR` for anything else."""
    first, last = numbers_of(cursor)
    if last is not None:
        raise _unknown()
    return first


def numbers_of(cursor: str) -> tuple[int, int | None]:
    """As `number_of`, of a cursor that may have two."""
    if not _is_cursor(cursor):
        raise _unknown()
    first, _, last = cursor.partition("-")
    return int(first), int(last) if last else None


def _unknown() -> InvalidParams:
    return InvalidParams([FieldProblem("cursor", "must be the nextCursor of a page before")])
