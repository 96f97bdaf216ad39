"""What was used and what it cost, what it may cost, and what a security reviewer would ask about."""

from __future__ import annotations

from collections.abc import Awaitable

from llm_sidecar.messages import usage as shapes
from llm_sidecar.messages.shape import NoParams
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.services.audit import Audit
from llm_sidecar.services.usage.budgets import Budgets
from llm_sidecar.services.usage.service import UsageService


class UsageMethods:
    def __init__(self, usage: UsageService, budgets: Budgets, audit: Audit) -> None:
        self._usage = usage
        self._budgets = budgets
        self._audit = audit
        self.handlers: dict[str, Handler] = {
            "llm:usage:summary": self._summary,
            "llm:usage:list": self._list,
            "llm:budget:set": self._set_budget,
            "llm:budget:get": self._get_budgets,
            "llm:audit:list": self._list_audit,
        }

    def _summary(self, _context: Context, params: shapes.UsageSummaryParams) -> Awaitable[shapes.UsageSummary]:
        return self._usage.summary(params)

    def _list(self, _context: Context, params: shapes.UsageListParams) -> Awaitable[shapes.UsageList]:
        return self._usage.list(params)

    def _set_budget(self, _context: Context, params: shapes.SetBudgetParams) -> Awaitable[shapes.BudgetList]:
        return self._budgets.set(params)

    def _get_budgets(self, _context: Context, _params: NoParams) -> Awaitable[shapes.BudgetList]:
        return self._budgets.get()

    def _list_audit(self, _context: Context, params: shapes.AuditListParams) -> Awaitable[shapes.AuditList]:
        return self._audit.entries(params)
