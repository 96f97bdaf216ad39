"""The tables of sessions: who, what was said in which turn, and the text of turns that are being answered.

Law: rows are ordered by their ids, never by the clock; `activity` counts up with every use of a session. The long
columns come last in their rows: they are only read where they are asked for.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL UNIQUE,
    activity INTEGER NOT NULL,
    window_id TEXT,
    is_ephemeral INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_activity INTEGER NOT NULL,
    message_count INTEGER NOT NULL DEFAULT 0,
    total_tokens INTEGER NOT NULL DEFAULT 0,
    total_cost REAL,
    provider_id TEXT,
    profile_id TEXT,
    model_id TEXT,
    answered_by_provider TEXT,
    answered_by_model TEXT,
    options BLOB NOT NULL,
    metadata BLOB,
    system_prompt TEXT
);
CREATE UNIQUE INDEX sessions_by_activity ON sessions (activity);
CREATE INDEX ephemeral_sessions ON sessions (window_id) WHERE is_ephemeral;

CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'cancelled', 'interrupted')),
    inference_id TEXT,
    model_id TEXT,
    total_tokens INTEGER,
    cost REAL,
    partial_calls BLOB
);
CREATE INDEX turns_of_session ON turns (session);
CREATE INDEX running_turns ON turns (session) WHERE state = 'running';

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    turn INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    is_answer INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX messages_of_session ON messages (session);
CREATE INDEX messages_of_turn ON messages (turn);

CREATE TABLE partial_texts (
    id INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
    text TEXT NOT NULL
);
CREATE INDEX partial_texts_of_turn ON partial_texts (turn);
"""
