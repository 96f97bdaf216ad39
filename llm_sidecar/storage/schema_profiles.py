"""The tables of profiles: the connections, and what ties them to the vault. No key is in any of them.

Law: at most one profile is active; the database itself sees to that. A profile names its key by `key_id`, which is
never
used again for another: a key that was written before its profile, or outlived it, is in `loose_keys` and belongs to
nobody. `vault_mark` holds the generation of the vault that was saved last: an older file was put back by somebody.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
CREATE TABLE profiles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    profile_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    provider_type TEXT NOT NULL,
    endpoint_url TEXT NOT NULL,
    key_id TEXT,
    model_id TEXT,
    is_active INTEGER NOT NULL DEFAULT 0 CHECK (is_active IN (0, 1)),
    consent_timestamp INTEGER,
    allow_insecure INTEGER NOT NULL CHECK (allow_insecure IN (0, 1)),
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX active_profile ON profiles (is_active) WHERE is_active;

CREATE TABLE loose_keys (
    profile_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    PRIMARY KEY (profile_id, key_id)
) WITHOUT ROWID;

CREATE TABLE vault_mark (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL
);
"""
