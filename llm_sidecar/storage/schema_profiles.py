"""The tables of profiles."""

from __future__ import annotations

from typing import Final

SQL: Final = ""
