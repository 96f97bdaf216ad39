"""A summary of usage as a table with a bar for each row.

Law: it decides what is told, in which words and what the bars measure; the screen decides what fits and how it looks.
What is not known is `?`, never a zero.
"""

from __future__ import annotations

from typing import Final

from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.received import duration
from llm_sidecar.cli.screen import Column, Table
from llm_sidecar.messages.usage import GroupBy, UsageSummary, UsageSummaryRow

_NONE: Final[dict[str, str]] = {
    "profile": "no profile",
    "session": "no session",
    "model": "no model",
    "provider": "no provider",
    "day": "no day",
}
_THOUSAND: Final = 1_000


def usage_table(group_by: GroupBy, summary: UsageSummary, *, most_rows: int) -> Table:
    """The rows that cost most (of days: the newest), and the total of all."""
    rows = summary.rows[-most_rows:] if group_by == "day" else summary.rows[:most_rows]
    by_cost = summary.total.cost > 0
    measured = [row.cost if by_cost else float(row.total_tokens) for row in rows]
    most = max(measured, default=0.0) or 1.0
    left_out = len(summary.rows) - len(rows)
    notes = [f"{left_out:,} more rows with --all"] * (left_out > 0)
    notes += ["the rest is in the total only"] * summary.truncated
    notes += ["+ what has no known price"] * (by_cost and summary.total.unpriced > 0)
    everything = [*rows, summary.total]
    return Table(
        labels=[*(printable(row.key or _NONE[group_by]) for row in rows), "total"],
        label_title=group_by,
        columns=[
            Column("requests", [f"{row.requests:,}" for row in everything], rank=2),
            Column("tokens in", [tokens(row.prompt_tokens) for row in everything], rank=3),
            Column("tokens out", [tokens(row.completion_tokens) for row in everything], rank=3),
            Column("cost", _costs(everything), rank=1),
            Column("errors", [f"{row.errors:,}" if row.errors else "" for row in everything], rank=4),
            Column("first token", [_time(row.first_token_ms) for row in everything], rank=5),
        ],
        bars=[value / most for value in measured],
        measure="cost" if by_cost else "tokens",
        note="; ".join(notes),
    )


def dollars(amount: float) -> str:
    """`$12.30`; small amounts with what says something of them."""
    if amount == 0 or amount >= 0.1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.0001 else "<$0.0001"


def tokens(count: int) -> str:
    """`1,234`; from 100,000 on `123k`, `1.2M`, `1.2G`."""
    if count < 100 * _THOUSAND:
        return f"{count:,}"
    for unit, size in (("k", _THOUSAND), ("M", _THOUSAND**2), ("G", _THOUSAND**3)):
        if count < 999.5 * size or unit == "G":
            return f"{count / size:,.1f}{unit}" if count < 100 * size else f"{count / size:,.0f}{unit}"
    raise AssertionError(count)


def _costs(rows: list[UsageSummaryRow]) -> list[str]:
    """Aligned, whether something comes on top or not."""
    known = ["?" if row.cost == 0 and row.unpriced else dollars(row.cost) for row in rows]
    on_top = ["+" if row.cost > 0 and row.unpriced else " " for row in rows]
    return [cost + more for cost, more in zip(known, on_top, strict=True)] if "+" in on_top else known


def _time(milliseconds: float | None) -> str:
    return "" if milliseconds is None else duration(milliseconds / _THOUSAND)
