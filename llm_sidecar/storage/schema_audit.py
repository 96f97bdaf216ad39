"""The table of the audit log. Its ids only grow: the newest row is never deleted."""

from __future__ import annotations

from typing import Final

SQL: Final = """
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    profile_id TEXT,
    details TEXT,
    repeated INTEGER NOT NULL
);
CREATE INDEX audit_action ON audit (action);
"""
