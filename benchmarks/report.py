"""From sessions to one table and `last.json`: medians, pairwise ratios, goals.

Law: pure but for writing the one file. A ratio is the median of the ratios within each round, because the machine's
mood changes between rounds. A goal missed is said, never raised.
"""

from __future__ import annotations

import datetime
import json
import operator
import os
import platform
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import FULL_TOKENS, RATE, STREAMS, Numbers

Rounds = list[dict[str, Numbers]]
"""By round, by peer: the numbers of one session."""


class Goal(NamedTuple):
    """`sidecar / against <sign> bound`; without `against`, the sidecar's own figure."""

    against: str | None
    sign: str
    bound: float


class Figure(NamedTuple):
    key: str
    title: str
    goals: tuple[Goal, ...]


FIGURES = (
    Figure("start_ms", "spawn -> ready, ms", (Goal("floor", "<=", 1.3), Goal("openai", "<=", 1 / 5))),
    Figure("rss_idle_mb", "RSS idle, MiB", (Goal("floor", "<=", 1.3), Goal("openai", "<=", 1 / 2))),
    Figure("rss_50_mb", f"RSS with {STREAMS} streams, MiB", (Goal("floor", "<=", 1.5), Goal("node", "<=", 1 / 2))),
    Figure("tokens_per_s", "tokens/s", (Goal("floor", ">=", 0.4), Goal("openai", ">=", 20), Goal("node", ">=", 2))),
    Figure(
        "cpu_full_us",
        "CPU/token full speed, µs",
        (Goal("floor", "<=", 2.5), Goal("openai", "<=", 1 / 25), Goal("node", "<=", 1 / 3)),
    ),
    Figure("cpu_paced_us", "CPU/token paced, µs", (Goal("floor", "<=", 1.7), Goal("node", "<=", 0.75))),
    Figure("first_token_ms", "first token p50, ms", (Goal("floor", "<=", 2), Goal("node", "<=", 0.6))),
    Figure("lateness_p50_ms", "lateness paced p50, ms", (Goal("floor", "<=", 2), Goal("node", "<=", 1))),
    Figure("lateness_p99_ms", "lateness paced p99, ms", (Goal("floor", "<=", 3), Goal("node", "<=", 1))),
    Figure("cancel_p50_ms", "cancel -> closed p50, ms", ()),
    Figure("cancel_p99_ms", "cancel -> closed p99, ms", (Goal(None, "<=", 10),)),
)
SIGNS = {"<=": operator.le, ">=": operator.ge}
TITLES = {
    "sidecar": "sidecar",
    "floor": "floor",
    "openai": "openai SDK",
    "anthropic": "anthropic SDK",
    "node": "Node openai",
}


def summarise(rounds: Rounds) -> dict[str, Any]:
    """By figure: `peers` (medians), `ratios` (sidecar against each other peer), `goals` with `met`."""
    figures = {}
    for figure in FIGURES:
        measured = {name for numbers in rounds for name, each in numbers.items() if figure.key in each}
        if not measured:
            continue
        peers = {name: statistics.median(values_of(rounds, name, figure.key)) for name in TITLES if name in measured}
        ratios = {name: ratio(rounds, figure.key, name) for name in peers if name != "sidecar" and "sidecar" in peers}
        goals = []
        for goal in figure.goals:
            value = ratios.get(goal.against) if goal.against else peers.get("sidecar")
            if value is not None:
                goals.append({**goal._asdict(), "met": SIGNS[goal.sign](value, goal.bound)})
        figures[figure.key] = {"title": figure.title, "peers": peers, "ratios": ratios, "goals": goals}
    return figures


def values_of(rounds: Rounds, name: str, key: str) -> list[float]:
    return [numbers[name][key] for numbers in rounds if key in numbers.get(name, {})]


def ratio(rounds: Rounds, key: str, name: str) -> float:
    pairs = zip(values_of(rounds, "sidecar", key), values_of(rounds, name, key), strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(figure: dict[str, Any], against: str | None) -> str:
    """`1.21x (<= 1.3 met)`: the ratio against a peer, then the goal it has."""
    value = figure["ratios"].get(against)
    parts = [f"{value:.3g}x"] if value is not None else []
    parts += [
        f"({goal['sign']} {goal['bound']:.3g} {'met' if goal['met'] else 'MISSED'})"
        for goal in figure["goals"]
        if goal["against"] == against
    ]
    return " ".join(parts)


def table(figures: dict[str, Any]) -> str:
    names = [name for name in TITLES if any(name in figure["peers"] for figure in figures.values())]
    others = [name for name in names if name != "sidecar"] if "sidecar" in names else []
    rows = [["", *(TITLES[name] for name in names), *(f"vs {TITLES[name]}" for name in others), "absolute goal"]]
    for figure in figures.values():
        absolute = [number(figure["peers"][name]) if name in figure["peers"] else "" for name in names]
        rows.append([figure["title"], *absolute, *(verdict(figure, name) for name in others), verdict(figure, None)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = {0, *range(len(names) + 1, len(widths))}
    lines = [
        "  ".join(
            cell.ljust(width) if n in left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    goals = [goal for figure in figures.values() for goal in figure["goals"]]
    lines.append(f"\n{sum(goal['met'] for goal in goals)} of {len(goals)} goals met.")
    return "\n".join(lines)


def write_json(path: Path, figures: dict[str, Any], *, rounds: int, quick: bool) -> None:
    """The result without anything that names the machine."""
    result = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "quick": quick,
        "rounds": rounds,
        "load": f"{FULL_TOKENS} tokens in one stream; paced: {STREAMS} streams x {RATE} tokens/s",
        "figures": figures,
    }
    path.write_text(json.dumps(rounded(result), indent=2) + "\n")


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
