"""The tables of jobs."""

from __future__ import annotations

from typing import Final

SQL: Final = ""
