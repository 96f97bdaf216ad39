"""The tables of sessions."""

from __future__ import annotations

from typing import Final

SQL: Final = ""
