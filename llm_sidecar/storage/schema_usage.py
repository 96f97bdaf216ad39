"""The tables of usage: a row per inference, the sums of them, and the budgets.

Law: the sums are written by a trigger, in the transaction of the row, so that they cannot disagree. Money is an integer
of nano-dollars: integers add up the same in whatever order and grouping, so that a sum of sums, a budget counted in
memory and the sum of the rows are equal, always; a float's sum of a million tiny costs is none of these. (A nano-dollar
is what a token costs at $0.001 a million; a row is off by half of one at most.)

The sums are by the quarter of an hour: every time zone of today is a multiple of that away from UTC, so a day or a
month of anybody's is made of whole ones. '' stands for none, where a key may not be null.
"""

from __future__ import annotations

from typing import Final

QUARTER_MS: Final = 900_000

SUMS: Final = (
    "requests",
    "errors",
    "cancelled",
    "prompt_tokens",
    "completion_tokens",
    "cached_prompt_tokens",
    "reasoning_tokens",
    "cost",
    "unpriced",
    "first_token_ms",
    "first_tokens",
    "total_ms",
    "answers",
)
"""What is added up; most names are the row's. An answer from the cache is a request and nothing else: it used nothing.
`first_tokens` is how many have a part in the sum of `first_token_ms`; `answers`, how many (the complete ones whose time
was measured) in that of `total_ms`."""


def as_sums(row: str, *keys: str) -> str:
    """What a row of `usage` adds: the columns of a table of sums, as expressions."""
    values = ", ".join(f"ifnull({row}.{key}, '')" for key in keys)
    return f"""
        {row}.at / {QUARTER_MS}, {values},
        1, {row}.outcome = 'error', {row}.outcome = 'cancelled',
        CASE WHEN {row}.cached THEN 0 ELSE {row}.prompt_tokens END,
        CASE WHEN {row}.cached THEN 0 ELSE {row}.completion_tokens END,
        CASE WHEN {row}.cached THEN 0 ELSE ifnull({row}.cached_prompt_tokens, 0) END,
        CASE WHEN {row}.cached THEN 0 ELSE ifnull({row}.reasoning_tokens, 0) END,
        ifnull({row}.cost, 0), {row}.cost IS NULL AND {row}.prompt_tokens + {row}.completion_tokens > 0,
        CASE WHEN {row}.cached THEN 0 ELSE ifnull({row}.first_token_ms, 0) END,
        NOT {row}.cached AND {row}.first_token_ms IS NOT NULL,
        CASE WHEN {row}.cached OR {row}.outcome <> 'done' THEN 0 ELSE ifnull({row}.total_ms, 0) END,
        NOT {row}.cached AND {row}.outcome = 'done' AND {row}.total_ms IS NOT NULL"""


def _table(total_ms: str) -> str:
    return f"""
CREATE TABLE usage (
    id INTEGER PRIMARY KEY,
    inference_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    provider_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    profile_id TEXT,
    session_id TEXT,
    job_id TEXT,
    outcome TEXT NOT NULL,
    code TEXT,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_prompt_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    source TEXT NOT NULL,
    cost INTEGER,
    first_token_ms INTEGER,
    total_ms {total_ms},
    attempts INTEGER NOT NULL,
    cached INTEGER NOT NULL
);"""


def _sums_table(name: str, *keys: str) -> str:
    keyed = ", ".join(f"{key} TEXT NOT NULL" for key in keys)
    columns = ", ".join(f"{column} INTEGER NOT NULL" for column in SUMS)
    return f"""
CREATE TABLE {name} (
    quarter INTEGER NOT NULL, {keyed}, {columns},
    PRIMARY KEY (quarter, {", ".join(keys)})
) WITHOUT ROWID;"""


def _add_row(name: str, *keys: str) -> str:
    additions = ", ".join(f"{column} = {column} + excluded.{column}" for column in SUMS)
    return f"""
    INSERT INTO {name} VALUES ({as_sums("new", *keys)})
        ON CONFLICT (quarter, {", ".join(keys)}) DO UPDATE SET {additions};"""


QUARTERS: Final = ("usage_quarters", "provider_id", "model_id", "profile_id")
"""A table of sums, and what they are grouped by."""
SESSIONS: Final = ("usage_sessions", "session_id")
"""On their own: there are many, and nothing else is asked by session."""

_INDEXES: Final = """
CREATE INDEX usage_at ON usage (at);
CREATE INDEX usage_provider ON usage (provider_id);
CREATE INDEX usage_session ON usage (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX usage_profile ON usage (profile_id) WHERE profile_id IS NOT NULL;"""

_TRIGGER: Final = f"""
CREATE TRIGGER usage_is_added AFTER INSERT ON usage BEGIN{_add_row(*QUARTERS)}{_add_row(*SESSIONS)}
END;"""

SQL: Final = f"""
{_table("INTEGER NOT NULL")}
{_INDEXES}
{_sums_table(*QUARTERS)}
{_sums_table(*SESSIONS)}
{_TRIGGER}

CREATE TABLE budgets (
    profile_id TEXT NOT NULL,
    period TEXT NOT NULL,
    max_cost INTEGER NOT NULL,
    utc_offset_minutes INTEGER NOT NULL,
    PRIMARY KEY (profile_id, period)
) WITHOUT ROWID;
"""

_COLUMNS_BEFORE_TIME: Final = (
    "id, inference_id, at, provider_id, model_id, profile_id, session_id, job_id, outcome, code, prompt_tokens, "
    "completion_tokens, cached_prompt_tokens, cache_write_tokens, reasoning_tokens, source, cost, first_token_ms"
)

UNMEASURED_SQL: Final = f"""
ALTER TABLE usage RENAME TO usage_before;
DROP TRIGGER usage_is_added;
{_table("INTEGER")}
DELETE FROM {QUARTERS[0]};
DELETE FROM {SESSIONS[0]};
{_TRIGGER}
INSERT INTO usage SELECT {_COLUMNS_BEFORE_TIME},
    CASE WHEN total_ms = 0 AND first_token_ms IS NULL AND job_id IS NOT NULL THEN NULL ELSE total_ms END,
    attempts, cached FROM usage_before ORDER BY id;
DROP TABLE usage_before;
{_INDEXES}
"""
"""An item of a batch took nobody knows how long: that was a 0 before, and made the mean too short. The trigger adds
everything up anew."""
