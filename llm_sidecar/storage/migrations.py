"""How a database becomes what this version expects, one numbered step after the other.

Law: append-only: a step that was released is never changed. Each step is one transaction with its number, so that a
crash leaves either the version before or the one after.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from llm_sidecar.storage import schema_audit, schema_jobs, schema_profiles, schema_sessions, schema_usage


class Migration(NamedTuple):
    """A step to version `number` (`PRAGMA user_version`)."""

    number: int
    name: str
    sql: str


MIGRATIONS: Final = (
    Migration(1, "sessions", schema_sessions.SQL),
    Migration(2, "usage", schema_usage.SQL),
    Migration(3, "jobs", schema_jobs.SQL),
    Migration(4, "profiles", schema_profiles.SQL),
    Migration(5, "audit", schema_audit.SQL),
    Migration(6, "usage that nobody timed", schema_usage.UNMEASURED_SQL),
)
NEWEST: Final = MIGRATIONS[-1].number


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a database; 0 of a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> int:
    """Take the steps that are missing; returns how many. Raises `sqlite3.Error`, with the version before kept."""
    missing = [step for step in MIGRATIONS if step.number > version_of(connection)]
    for step in missing:
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version = {step.number};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise
    return len(missing)
