"""`llm-sidecar doctor`: is this installation able to work, and with what?

Law: exit code 0 if everything the sidecar needs is there, 1 if not; with `--json`, one JSON object is all that goes to
stdout. `checks` and `trial` find, this module shows.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Final

import msgspec

from llm_sidecar import __version__
from llm_sidecar.cli import checks
from llm_sidecar.cli.checks import Check
from llm_sidecar.cli.failure import FAILED, run_command
from llm_sidecar.cli.local_servers import find_local_servers
from llm_sidecar.cli.output import open_screen
from llm_sidecar.cli.screen import Row, Tone
from llm_sidecar.cli.trial import run_trial

_MARKS: Final[dict[str, tuple[str, Tone]]] = {
    "ok": ("✓", "good"),
    "note": ("·", "plain"),
    "warning": ("!", "warning"),
    "failed": ("✗", "bad"),
}


class _Report(msgspec.Struct):
    """What `--json` prints."""

    ok: bool
    version: str
    checks: list[Check]


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="llm-sidecar doctor", description="Check this installation: settings, a trial run, what can be used."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    return run_command(lambda: _doctor(as_json=options.json))


def _doctor(*, as_json: bool) -> int:
    found = asyncio.run(_examine())
    report = _Report(not any(check.status == "failed" for check in found), __version__, found)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        _show(report)
    return 0 if report.ok else FAILED


async def _examine() -> list[Check]:
    trial = await run_trial(os.environ)
    servers = await find_local_servers()
    return [
        *checks.installation(),
        *checks.settings(os.environ),
        *trial,
        *checks.surroundings(os.environ, servers),
    ]


def _show(report: _Report) -> None:
    screen = open_screen()
    failed = sum(check.status == "failed" for check in report.checks)
    verdict = "everything it needs is there" if report.ok else f"{failed} of {len(report.checks)} checks failed"
    screen.heading(f"llm-sidecar {report.version}", verdict)
    rows = []
    for check in report.checks:
        mark, tone = _MARKS[check.status]
        rows.append(Row(f"{mark} {check.name}", check.detail, "plain" if check.status == "ok" else tone))
    screen.rows(rows)
