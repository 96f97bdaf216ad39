"""What every test may use, and what a run says at its end."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.hosts import Host

_PATIENCE = 10.0

hypothesis.settings.register_profile("project", deadline=None, database=None, derandomize=True, max_examples=100)
hypothesis.settings.register_profile("fuzz", deadline=None, database=None, max_examples=5_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))

_DATA = os.environ.get("LLM_SIDECAR_CONFORMANCE_DATA")
CONFORMANCE_DATA = Path(_DATA) if _DATA else Path(__file__).parents[2] / "shared" / "data"


_folder_numbers = itertools.count()


@pytest.fixture(autouse=True)
def data_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test meets the data folder of who runs it, or another test's: sidecars spawned without one have a new one."""
    base = tmp_path_factory.getbasetemp() / "data-folders"
    monkeypatch.setenv("LLM_SIDECAR_HOME", str(base / str(next(_folder_numbers))))


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run an asynchronous test to its end, within a deadline that only a broken program meets."""

    def run_to_end(main: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(asyncio.wait_for(main, _PATIENCE))

    return run_to_end


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start sidecars that end with the test: `spawn(*options, environment=…, stdin=…, stdout=…)`. Each has a data
    folder of its own (the first: `data`), unless `data_dir` says which."""
    hosts: list[Host] = []

    def start(*options: str, **more: Any) -> Host:
        more.setdefault("data_dir", tmp_path / (f"data-{len(hosts)}" if hosts else "data"))
        host = Host(*options, stderr=tmp_path / f"stderr-{len(hosts)}", **more)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.close()


@pytest.fixture(scope="session")
def conformance_data() -> Callable[[str], Path]:
    """A folder of other people's test data; the test is skipped, and the run says so, where it is absent."""

    def find(name: str) -> Path:
        folder = CONFORMANCE_DATA / name
        if not folder.is_dir():
            pytest.skip(f"no {name}: put it below LLM_SIDECAR_CONFORMANCE_DATA")
        return folder

    return find


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name every reason for a skip: a check that did not run must not look like one that passed."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason] = reasons.get(reason, 0) + 1
    _write_corpus(terminalreporter)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"not run ({count}): {reason}")


_CORPUS_HEAD = (
    "vendor",
    "stream",
    "deltas",
    "reasoning",
    "tool calls",
    "in/out",
    "cached/written/thought",
    "state",
    "end",
)


def _write_corpus(terminalreporter: Any) -> None:
    """The recorded streams that were run, by vendor, and what each came to."""
    reports = terminalreporter.stats.get("passed", [])
    rows = [tuple(value) for report in reports for name, value in report.user_properties if name == "corpus"]
    if not rows:
        return
    terminalreporter.write_sep("-", f"{len(rows)} recorded streams")
    table = [_CORPUS_HEAD, *sorted(rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line("  ".join(cells).rstrip())
