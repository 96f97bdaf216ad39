"""The tables of jobs: what is to be done, how it went, and the requests and answers of batches.

Law: rows are ordered by their ids, never by the clock; `ending` counts up with every job that ends. `costs_money` says
of the attempt that runs whether it may go to a provider that charges for it: it is on the disk before anything is sent.
The long columns come last in their rows: they are only read where they are asked for.
"""

from __future__ import annotations

from typing import Final

SQL: Final = """
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
    priority INTEGER NOT NULL,
    if_interrupted TEXT NOT NULL,
    window_id TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    ending INTEGER UNIQUE,
    attempts INTEGER NOT NULL DEFAULT 0,
    costs_money INTEGER NOT NULL DEFAULT 0,
    may_have_been_paid INTEGER NOT NULL DEFAULT 0,
    is_cancelled INTEGER NOT NULL DEFAULT 0,
    progress BLOB,
    error BLOB,
    metadata BLOB,
    params BLOB,
    result BLOB
);
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_kind ON jobs (kind, id);
CREATE INDEX queued_jobs ON jobs (priority DESC, id) WHERE state = 'queued';

CREATE TABLE batches (
    job INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    total INTEGER NOT NULL,
    items INTEGER NOT NULL DEFAULT 0,
    token TEXT,
    batch_id TEXT
);

CREATE TABLE batch_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    custom_id TEXT NOT NULL,
    request BLOB NOT NULL,
    UNIQUE (job, custom_id)
);
CREATE INDEX batch_requests_of_job ON batch_requests (job, id);

CREATE TABLE batch_items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    custom_id TEXT NOT NULL,
    item BLOB NOT NULL,
    UNIQUE (job, custom_id)
);
CREATE INDEX batch_items_of_job ON batch_items (job, id);
"""
