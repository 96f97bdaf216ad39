"""The tables of audit."""

from __future__ import annotations

from typing import Final

SQL: Final = ""
