"""The connection to the database: no secret that is live in the process goes into a row, whoever puts it there.

Law: a provider may say a key back, and a person may paste one into a question; neither is kept. What is looked for is
masked in the same way, so that what was stored under a name is found under it. Text that is stored piece by piece is
masked when it is stored as a whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from llm_sidecar.redaction import redact_json, redact_text


class MaskingConnection(sqlite3.Connection):
    """Rows are changed and asked for through `execute` and `executemany`: nothing else is used (a test sees to it)."""

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        return super().execute(sql, _all_masked(parameters))

    def executemany(self, sql: str, parameters: Iterable[Any]) -> sqlite3.Cursor:
        return super().executemany(sql, map(_all_masked, parameters))


def _all_masked(values: Any) -> Any:
    """A sequence, or a mapping where the statement names them."""
    if isinstance(values, Mapping):
        return {name: _masked(value) for name, value in values.items()}
    return tuple(map(_masked, values))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    return redact_json(value) if isinstance(value, bytes) else value
