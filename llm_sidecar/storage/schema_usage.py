"""The tables of usage."""

from __future__ import annotations

from typing import Final

SQL: Final = ""
