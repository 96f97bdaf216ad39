"""Pages of lists: they always fit one message, and say where the next begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.limits import Limits

DEFAULT_PAGE: Final = 50
ENVELOPE_BYTES: Final = 2_048
"""The message around the items, its id included."""

Item = TypeVar("Item", bound=msgspec.Struct)


def fits_a_page(item: msgspec.Struct, limits: Limits) -> bool:
    """Whether one message takes it."""
    return len(msgspec.json.encode(item)) + 1 <= limits.max_message_bytes - ENVELOPE_BYTES


def fitting(items: Iterable[Item], limits: Limits) -> list[Item]:
    """The first of `items`, as many as one message takes; one of them in any case."""
    room = limits.max_message_bytes - ENVELOPE_BYTES
    taken: list[Item] = []
    for item in items:
        room -= len(msgspec.json.encode(item)) + 1
        if room < 0 and taken:
            break
        taken.append(item)
    return taken


class Cursors:
    """The cursors of one list, each of so many numbers. Another list's is none of its own."""

    def __init__(self, name: str, numbers: int = 1) -> None:
        self._name = name
        self._is_one = re.compile(rf"{name}:([0-9]{{1,18}})" + r"-([0-9]{1,18})" * (numbers - 1)).fullmatch

    def at(self, *numbers: int) -> str:
        """The cursor of a place."""
        return f"{self._name}:{'-'.join(map(str, numbers))}"

    def read(self, cursor: str) -> tuple[int, ...]:
        """The numbers of a cursor that `at` made. Raises `VALIDATION_ERROR` for anything else."""
        found = self._is_one(cursor)
        if found is None:
            raise unknown_cursor()
        return tuple(map(int, found.groups()))


def unknown_cursor() -> InvalidParams:
    """For a cursor that no page of this list gave."""
    return InvalidParams([FieldProblem("cursor", "is none that a page of this list gave as `nextCursor`")])
