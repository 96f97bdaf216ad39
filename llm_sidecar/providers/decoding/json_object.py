"""A JSON object from someone who is not trusted to keep to a shape: each field is what it should be, or nothing.

Law: for answers that are small, rare and differ from server to server (lists of models), never for a stream. A field
of a wrong type is as good as none.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import msgspec

_MAX_CHILDREN: Final = 5_000
"""Of one list; the longest lists of models (OpenRouter's) have some hundreds."""
_MAX_TEXT: Final = 300
"""The longest model id a host may name."""
_MAX_NUMBER: Final = 2**53
"""What a host's JSON parser can hold."""


class JsonObject:
    """Its fields, read leniently."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    @classmethod
    def decode(cls, body: bytes, *, bare_list: str | None = None) -> JsonObject:
        """A list without an object around it is taken as its field `bare_list`, where one is named.

        Raises one of `exchange.UNREADABLE` for what is no JSON object.
        """
        fields = msgspec.json.decode(body)
        if bare_list is not None and isinstance(fields, list):
            fields = {bare_list: fields}
        if not isinstance(fields, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 (what was sent is wrong, not an argument)
        return cls(fields)

    def __contains__(self, name: str) -> bool:
        """Whether the field is there and says something (not null, false, zero or empty)."""
        return bool(self._fields.get(name))

    def text(self, name: str) -> str:
        """A text of at most 300 characters; "" for anything else."""
        value = self._fields.get(name)
        return value if isinstance(value, str) and len(value) <= _MAX_TEXT else ""

    def number(self, name: str) -> int | None:
        """A count above zero; None for anything else."""
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= _MAX_NUMBER:
            return None
        return int(value)

    def texts(self, name: str) -> list[str]:
        """The texts of a list; empty for anything else."""
        value = self._fields.get(name)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    def child(self, name: str) -> JsonObject:
        """An object; an empty one for anything else."""
        value = self._fields.get(name)
        return JsonObject(value if isinstance(value, dict) else {})

    def children(self, name: str) -> list[JsonObject]:
        """The objects of a list, at most 5,000; empty for anything else."""
        value = self._fields.get(name)
        items = islice(value, _MAX_CHILDREN) if isinstance(value, list) else ()
        return [JsonObject(item) for item in items if isinstance(item, dict)]

    def listed(self, name: str) -> list[JsonObject]:
        """As `children`, for the list an answer is about. Raises `ValueError` where something else stands there."""
        if not isinstance(self._fields.get(name, []), list | None):
            raise ValueError("not a list")  # noqa: TRY004 (what was sent is wrong, not an argument)
        return self.children(name)
