"""What was used, what it cost, what it may cost, and what happened that a security reviewer would ask about."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from llm_sidecar.messages.session import Cursor, PageSize
from llm_sidecar.messages.shape import Params, Shape

Instant = Annotated[int, Meta(ge=0, le=2**53)]
UtcOffset = Annotated[int, Meta(ge=-840, le=840, multiple_of=15)]
"""Minutes; every time zone of today is a multiple of a quarter of an hour away from UTC."""
GroupBy = Literal["provider", "model", "day", "session", "profile"]
Outcome = Literal["done", "cancelled", "error"]


class UsageSummaryParams(Params, kw_only=True):
    """From `from` (included) to `to` (excluded), epoch milliseconds; without: everything. `utcOffsetMinutes` says where
    a day begins."""

    from_: Instant | None = None
    to: Instant | None = None
    group_by: GroupBy | None = None
    utc_offset_minutes: UtcOffset = 0


class UsageSummaryRow(Shape, kw_only=True):
    """The inferences of one group. `key`: the provider, model, day (`2026-11-28`), session or profile; null for the
    group of those that have none, and where nothing groups them. `cost`: US dollars of those whose price is known;
    `unpriced` is how many others used something that may have one. `firstTokenMs` and `totalMs` are means in
    milliseconds, of the answers that had a token and of those that are complete (but for items of batches, which nobody
    measured); null where there are none. An answer from the cache used nothing: it is one of the requests, and nothing
    else."""

    key: str | None
    requests: int
    errors: int
    cancelled: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_prompt_tokens: int
    reasoning_tokens: int
    cost: float
    unpriced: int
    first_token_ms: float | None
    total_ms: float | None


class UsageSummary(Shape, kw_only=True):
    """`rows` by what they cost, days in their order. `truncated`: there are more groups than fit; those that cost least
    (the oldest days) are left out, but not of the `total`."""

    rows: list[UsageSummaryRow]
    total: UsageSummaryRow
    truncated: bool = False


class UsageListParams(Params, kw_only=True):
    """`limit` defaults to 50. Newest first."""

    from_: Instant | None = None
    to: Instant | None = None
    provider_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    session_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class UsageRow(Shape, kw_only=True):
    """One inference."""

    inference_id: str
    at: int
    """When it ended, epoch milliseconds."""
    provider_id: str
    model_id: str
    profile_id: str | None = None
    session_id: str | None = None
    job_id: str | None = None
    outcome: Outcome
    code: str | None = None
    """Of the error."""
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_prompt_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    source: Literal["reported", "estimated", "partial"]
    cost: float | None
    """US dollars; null where a price is not known, 0 where there is none to pay (models of this machine, the cache)."""
    first_token_ms: int | None
    total_ms: int | None
    """Null where it was not measured (of an item of a batch)."""
    attempts: int
    cached: bool = False


class UsageList(Shape, kw_only=True):
    rows: list[UsageRow]
    next_cursor: str | None


class SetBudgetParams(Params, kw_only=True):
    """A limit in US dollars for each day or month, of one profile or (without `profileId`) of everything; null removes
    it. A day and a month begin at `utcOffsetMinutes` from UTC."""

    period: Literal["day", "month"]
    limit: Annotated[float, Meta(ge=0, le=1_000_000)] | None
    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    utc_offset_minutes: UtcOffset = 0


class Budget(Shape, kw_only=True):
    """`spent` and `remaining` are of the present period, which ends at `resetsAt`. At 0 remaining, paid inferences are
    refused with `BUDGET_EXCEEDED`; what runs goes on. Inferences whose price is not known do not count."""

    period: Literal["day", "month"]
    profile_id: str | None
    limit: float
    spent: float
    remaining: float
    resets_at: int
    utc_offset_minutes: int = 0


class BudgetList(Shape, kw_only=True):
    budgets: list[Budget]


AuditAction = Literal[
    "profile.created",
    "profile.changed",
    "profile.deleted",
    "profile.activated",
    "profile.tested",
    "key.used",
    "key.dropped",
    "vault.created",
    "vault.unlocked",
    "vault.unlock-failed",
    "vault.rotated",
    "storage.plaintext",
    "endpoint.refused",
]


class AuditListParams(Params, kw_only=True):
    """`limit` defaults to 50. Newest first."""

    action: AuditAction | None = None
    from_: Instant | None = None
    to: Instant | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class AuditEntry(Shape, kw_only=True):
    """A security event. `details` are small facts, never a secret."""

    id: int
    at: int
    action: AuditAction
    profile_id: str | None = None
    details: dict[str, Any] | None = None
    repeated: int = 1
    """How often it happened in a row (the use of a key is told once an hour)."""


class AuditList(Shape, kw_only=True):
    entries: list[AuditEntry]
    next_cursor: str | None
