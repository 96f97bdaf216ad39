"""`llm-sidecar usage`: a table and a plot on a terminal, plain text in a pipe, JSON for programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.cli.usage_table import dollars, tokens, usage_table
from llm_sidecar.messages.usage import UsageSummary, UsageSummaryRow
from llm_sidecar.storage.clock import now_ms
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.usage import UsageRows
from tests.cli.commands import Terminal, run_to_end
from tests.hosts import into_python
from tests.storage.test_usage_rows import row

DAY = 86_400_000


def kept(home: Path, *changes: dict[str, Any]) -> str:
    """A data folder with a row of usage for each of `changes`; its path."""
    folder = home / "kept"

    async def main() -> None:
        folder.mkdir(exist_ok=True)
        database = Database.open(str(folder))
        for change in changes:
            await UsageRows(database).add(row(**{"at": now_ms(), **change}))
        await database.aclose()

    asyncio.run(main())
    return str(folder)


def test_in_a_pipe_it_is_an_aligned_table_without_control_codes(tmp_path: Path) -> None:
    folder = kept(tmp_path, {"cost": 12.0}, {"model_id": "local", "provider_id": "ollama", "cost": 0.0})
    said = run_to_end(tmp_path, "usage", "--by", "model", "--data-dir", folder)
    assert (said.returncode, said.stdout.splitlines()) == (
        0,
        [
            "model   requests  tokens in  tokens out    cost  errors  first token",
            "gpt-4o         1         10           5  $12.00               100 ms",
            "local          1         10           5   $0.00               100 ms",
            "total          2         20          10  $12.00               100 ms",
        ],
    )
    assert said.stderr == "usage: the last 30 days, by model; bars are cost\n"


@pytest.mark.parametrize("width", [40, 60, 100])
def test_on_a_terminal_it_fits_and_has_a_bar_for_each_row(tmp_path: Path, width: int) -> None:
    long = "meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo-and-so-on"
    folder = kept(tmp_path, {"cost": 8.0}, {"model_id": long, "cost": 4.0}, {"model_id": "\x1b[31mred", "cost": 0.001})
    with Terminal(tmp_path, "usage", "--by", "model", "--data-dir", folder, width=width) as terminal:
        assert terminal.wait_for_exit() == 0
        lines = [line.rstrip() for line in terminal.shown.splitlines()]
    assert max(map(len, lines)) <= width
    bars = [line.count("█") for line in lines if "█" in line or "▏" in line]
    assert bars[0] == pytest.approx(2 * bars[1], abs=1)
    assert len(bars) == 3
    assert "\x1b[31mred" not in terminal.output


def test_without_colour_the_bars_are_still_there(tmp_path: Path) -> None:
    folder = kept(tmp_path, {})
    with Terminal(tmp_path, "usage", "--data-dir", folder, NO_COLOR="1") as terminal:
        assert terminal.wait_for_exit() == 0
    assert "█" in terminal.output
    assert "\x1b[3" not in terminal.output


@into_python
def test_a_terminal_without_unicode_gets_bars_it_can_show(tmp_path: Path) -> None:
    folder = kept(tmp_path, {})
    ascii_only = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    with Terminal(tmp_path, "usage", "--data-dir", folder, **ascii_only) as terminal:
        assert terminal.wait_for_exit() == 0
    assert "####" in terminal.shown


def test_as_json_the_answer_is_all_that_goes_to_stdout(tmp_path: Path) -> None:
    folder = kept(tmp_path, {}, {"at": now_ms() - 40 * DAY})
    last_month = json.loads(run_to_end(tmp_path, "usage", "--json", "--data-dir", folder).stdout)
    assert last_month["total"]["requests"] == 1
    everything = json.loads(run_to_end(tmp_path, "usage", "--json", "--from", "all", "--data-dir", folder).stdout)
    assert everything["total"]["requests"] == 2
    assert len(everything["rows"]) == 2


def test_the_last_day_is_included_and_the_first_too(tmp_path: Path) -> None:
    noon = 1_795_867_200_000  # 2026-11-28 12:00 UTC
    folder = kept(tmp_path, *({"at": noon + day * DAY} for day in (-2, -1, 0, 1)))
    span = ("--from", "2026-11-27", "--to", "2026-11-28")
    said = run_to_end(tmp_path, "usage", *span, "--data-dir", folder, TZ="UTC")
    assert [line.split()[0] for line in said.stdout.splitlines()] == ["day", "2026-11-27", "2026-11-28", "total"]
    assert "from 2026-11-27 to 2026-11-28" in said.stderr


def test_only_the_first_rows_are_shown_unless_all_are_asked_for(tmp_path: Path) -> None:
    folder = kept(tmp_path, *({"session_id": f"s-{number}"} for number in range(40)))
    few = run_to_end(tmp_path, "usage", "--by", "session", "--data-dir", folder)
    assert len(few.stdout.splitlines()) == 32
    assert "10 more rows with --all" in few.stderr
    every = run_to_end(tmp_path, "usage", "--by", "session", "--all", "--data-dir", folder)
    assert len(every.stdout.splitlines()) == 42


def test_nothing_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    said = run_to_end(tmp_path, "usage", "--data-dir", str(tmp_path / "new"))
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "usage: the last 30 days, nothing was used\n")
    said = run_to_end(tmp_path, "usage", "--data-dir", str(tmp_path / "misspelt"))
    assert (said.returncode, said.stdout) == (2, "")
    assert "there is no folder" in said.stderr
    assert not (tmp_path / "misspelt").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--from", "yesterday"], "name a day like 2026-11-01"),
        (["--to", "0001-01-01"], "name a day of this century"),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "--from is after --to"),
        (["--by", "hour"], "invalid choice"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path: Path, arguments: list[str], why: str) -> None:
    said = run_to_end(tmp_path, "usage", *arguments)
    assert said.returncode == 2
    assert why in said.stderr
    assert "Traceback" not in said.stderr


def test_a_price_that_is_not_known_is_no_zero() -> None:
    def told(cost: float, unpriced: int) -> UsageSummaryRow:
        return UsageSummaryRow(
            key=None, requests=3, errors=0, cancelled=0, prompt_tokens=1, completion_tokens=1, total_tokens=2,
            cached_prompt_tokens=0, reasoning_tokens=0, cost=cost, unpriced=unpriced, first_token_ms=None,
            total_ms=None,
        )  # fmt: skip

    rows = [told(2.0, 1), told(1.0, 0), told(0.0, 1), told(0.0, 0)]
    table = usage_table("model", UsageSummary(rows=rows, total=told(3.0, 2), truncated=True), most_rows=9)
    (cost,) = [column.cells for column in table.columns if column.title == "cost"]
    assert cost == ["$2.00+", "$1.00 ", "? ", "$0.00 ", "$3.00+"]
    assert table.bars == [1.0, 0.5, 0.0, 0.0]
    assert "no known price" in table.note
    assert "total only" in table.note


@given(st.integers(0, 10**15), st.floats(0, 1e9))
def test_figures_stay_short(count: int, amount: float) -> None:
    assert len(tokens(count)) <= 10
    assert len(dollars(amount)) <= 17
    assert dollars(amount) != "$0.00" or amount == 0
