"""Usage: a row for every inference that was accepted, whoever asked for it; lists and summaries of them.

Law: a row is written when the inference has ended, before its terminal is told; routes of a fallback that failed have
none. What is told fits one message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import Terminal
from llm_sidecar.messages.usage import (
    GroupBy,
    UsageList,
    UsageListParams,
    UsageRow,
    UsageSummary,
    UsageSummaryParams,
    UsageSummaryRow,
)
from llm_sidecar.providers.prices import may_cost
from llm_sidecar.services.inference.run import InferenceRun
from llm_sidecar.services.pages import DEFAULT_PAGE, Cursors, fitting
from llm_sidecar.services.usage.budgets import Budgets
from llm_sidecar.services.usage.periods import day_name
from llm_sidecar.services.usage.row import usage_row
from llm_sidecar.storage.clock import now_ms
from llm_sidecar.storage.usage import NANO, Filter, Place, Range, Sums, UsageRows

_ROWS: Final = Cursors("usage", numbers=2)
_MOST_GROUPS: Final = 5_000
"""Thirteen years of days; more sessions than anybody looks through."""


class UsageService:
    """Used from the event loop only. `clock` gives epoch milliseconds. Everything may raise what the database does."""

    def __init__(
        self, rows: UsageRows, budgets: Budgets, limits: Callable[[], Limits], clock: Callable[[], int] = now_ms
    ) -> None:
        self._rows = rows
        self._budgets = budgets
        self._limits = limits
        self._clock = clock

    async def record(self, run: InferenceRun, outcome: Terminal) -> None:
        """Store what an inference used; returns when it is on the disk."""
        cost = 0.0 if outcome.cost is None and not may_cost(run.route.endpoint) else outcome.cost
        await self.add(usage_row(outcome, run.origin, self._clock(), cost=cost))

    async def add(self, row: UsageRow) -> None:
        """As `record`, for what was no inference here."""
        spent = self._budgets.add(row.profile_id, row.at, row.cost)
        await self._rows.add(row)
        await self._budgets.stored(spent)

    async def added(self, row: UsageRow) -> None:
        """As `add`, for a row that is stored already, together with what it belongs to (an item of a batch)."""
        await self._budgets.stored(self._budgets.add(row.profile_id, row.at, row.cost))

    async def list(self, params: UsageListParams) -> UsageList:
        """A page, newest first. Raises `VALIDATION_ERROR` for a cursor that no page gave."""
        after = None
        if params.cursor is not None:
            after = Place(*_ROWS.read(params.cursor))
        which = Filter(params.provider_id, params.session_id, params.profile_id)
        limit = params.limit or DEFAULT_PAGE
        found = await self._rows.page(which, Range(params.from_, params.to), after, limit + 1)
        shown = fitting([row for _, row in found[:limit]], self._limits())
        end = found[len(shown) - 1][0] if len(shown) < len(found) else None
        return UsageList(rows=shown, next_cursor=None if end is None else _ROWS.at(end.below, end.lowest))

    async def summary(self, params: UsageSummaryParams) -> UsageSummary:
        """Sums of a range, grouped as asked."""
        when = Range(params.from_, params.to)
        groups, total = await self._rows.sums(params.group_by, when, params.utc_offset_minutes, _MOST_GROUPS)
        rows = fitting([_summary_row(params.group_by, sums) for sums in groups[:_MOST_GROUPS]], self._limits())
        is_truncated = len(rows) < len(groups)
        if params.group_by == "day":
            rows.reverse()
        return UsageSummary(rows=rows, total=_summary_row(None, total), truncated=is_truncated)


def _summary_row(group_by: GroupBy | None, sums: Sums) -> UsageSummaryRow:
    key = day_name(sums.key) if group_by == "day" and isinstance(sums.key, int) else str(sums.key or "") or None
    return UsageSummaryRow(
        key=key,
        requests=sums.requests,
        errors=sums.errors,
        cancelled=sums.cancelled,
        prompt_tokens=sums.prompt_tokens,
        completion_tokens=sums.completion_tokens,
        total_tokens=sums.prompt_tokens + sums.completion_tokens,
        cached_prompt_tokens=sums.cached_prompt_tokens,
        reasoning_tokens=sums.reasoning_tokens,
        cost=sums.cost / NANO,
        unpriced=sums.unpriced,
        first_token_ms=_mean(sums.first_token_ms, sums.first_tokens),
        total_ms=_mean(sums.total_ms, sums.answers),
    )


def _mean(total: int, count: int) -> float | None:
    return round(total / count, 1) if count else None
