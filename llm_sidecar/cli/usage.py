"""`llm-sidecar usage`: what was used and what it cost, as a table and a plot, with the budgets.

Law: it asks a sidecar on the same data folder as any host would (`llm:usage:summary`, `llm:budget:get`), and shows the
answer; with `--json`, the summary as it came is all that goes to stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from datetime import date, datetime, timedelta
from typing import Any, Final, get_args

import msgspec

from llm_sidecar.cli.bystander import without_jobs
from llm_sidecar.cli.failure import run_command
from llm_sidecar.cli.kept_folder import add_kept_folder
from llm_sidecar.cli.output import open_screen
from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.screen import Row, Tone
from llm_sidecar.cli.usage_table import dollars, usage_table
from llm_sidecar.client import SidecarProcess
from llm_sidecar.messages.profile import ProfileList
from llm_sidecar.messages.usage import Budget, BudgetList, GroupBy, UsageSummary
from llm_sidecar.storage.clock import now_ms

_DAYS: Final = 30
_ROWS: Final = 30
_QUARTER_S: Final = 900
_FIRST_DAY: Final = date(2000, 1, 1)
_LAST_DAY: Final = date(2099, 12, 31)


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="llm-sidecar usage",
        description="What was used and what it cost (US dollars at list price), of the last 30 days unless --from says "
        "otherwise. A data folder that an application uses right now can be asked through that application only.",
    )
    parser.add_argument("--by", choices=get_args(GroupBy), default="day", help="what to group by (default: day)")
    parser.add_argument("--from", dest="start", metavar="DATE", type=_date, help="the first day (2026-11-01), or `all`")
    parser.add_argument("--to", dest="end", metavar="DATE", type=_date, help="the last day (default: today)")
    parser.add_argument("--all", action="store_true", help=f"show every row, not the first {_ROWS}")
    parser.add_argument("--json", action="store_true", help="print the sidecar's answer as one JSON object")
    add_kept_folder(parser)
    options = parser.parse_args(arguments)
    if options.start and options.end and options.start > options.end:
        parser.error("--from is after --to")
    return run_command(lambda: _usage(options))


def _date(text: str) -> date:
    """A day; `all` is the first there is."""
    try:
        day = _FIRST_DAY if text == "all" else date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("name a day like 2026-11-01") from None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise argparse.ArgumentTypeError("name a day of this century")
    return day


def _usage(options: argparse.Namespace) -> int:
    summary, budgets, names = asyncio.run(_ask(options))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(summary)).decode())
    else:
        known = {item.id: item.name for item in msgspec.convert(names, ProfileList).profiles}
        _show(options, msgspec.convert(summary, UsageSummary), msgspec.convert(budgets, BudgetList).budgets, known)
    return 0


async def _ask(options: argparse.Namespace) -> tuple[Any, Any, Any]:
    arguments = ["--data-dir", options.data_dir] if options.data_dir else []
    async with SidecarProcess.start(arguments=arguments, environment=without_jobs(os.environ)) as sidecar:
        return (
            await sidecar.request("llm:usage:summary", _params(options)),
            await sidecar.request("llm:budget:get"),
            await sidecar.request("llm:profiles:list"),
        )


def _params(options: argparse.Namespace) -> dict[str, Any]:
    today = datetime.fromtimestamp(now_ms() / 1000).astimezone()
    offset = today.utcoffset() or timedelta()
    start = options.start or min(today.date(), options.end or _LAST_DAY) - timedelta(days=_DAYS - 1)
    params = {"groupBy": options.by, "utcOffsetMinutes": round(offset.total_seconds() / _QUARTER_S) * 15}
    if start > _FIRST_DAY:
        params["from"] = _midnight(start)
    if options.end is not None:
        params["to"] = _midnight(options.end + timedelta(days=1))
    return params


def _midnight(day: date) -> int:
    """Epoch milliseconds, here."""
    return round(datetime(day.year, day.month, day.day).astimezone().timestamp() * 1000)


def _show(
    options: argparse.Namespace, summary: UsageSummary, budgets: list[Budget], profile_names: dict[str, str]
) -> None:
    screen = open_screen()
    if options.by == "profile":
        for row in summary.rows:
            row.key = profile_names.get(row.key or "", row.key)
    table = usage_table(options.by, summary, most_rows=len(summary.rows) if options.all else _ROWS)
    what = "nothing was used" if not summary.rows else f"by {options.by}; bars are {table.measure}"
    screen.heading("usage", f"{_range(options)}, {what}")
    if summary.rows:
        screen.table(table)
    if budgets:
        screen.rows([_budget_row(budget, profile_names) for budget in budgets])


def _range(options: argparse.Namespace) -> str:
    if options.start is None:
        first = f"the last {_DAYS} days" if options.end is None else f"{_DAYS} days"
    else:
        first = "all" if options.start == _FIRST_DAY else f"from {options.start}"
    return first if options.end is None else f"{first} to {options.end}"


def _budget_row(budget: Budget, profile_names: dict[str, str]) -> Row:
    whose = profile_names.get(budget.profile_id or "", budget.profile_id)
    again = datetime.fromtimestamp(budget.resets_at / 1000).astimezone()
    left = f"{dollars(budget.spent)} of {dollars(budget.limit)} spent, until {again:%Y-%m-%d %H:%M}"
    is_low = budget.remaining < budget.limit / 5
    tone: Tone = "bad" if budget.remaining <= 0 else "warning" if is_low else "good"
    return Row(printable(f"budget of the {budget.period}" + (f", {whose}" if whose else "")), left, tone)
