"""SIGKILL between any two system calls of a save; `make crash` does it 1,000 times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

RUNS = int(os.environ.get("LLM_SIDECAR_CRASHES", "0"))
"""At least so many; 0: each place once."""


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system: crashes of a save")
    # A process without threads, so that forking is safe.
    command = [sys.executable, "-m", "tests.vault.crashes", str(RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return dict(json.loads(done.stdout))


def test_a_crash_leaves_the_old_vault_or_the_new_one(outcome: dict[str, Any]) -> None:
    assert outcome["failures"] == []
    assert outcome["runs"] >= max(RUNS, outcome["places"])


def test_the_crashes_happen_on_both_sides_of_the_replacement(outcome: dict[str, Any]) -> None:
    assert outcome["places"] > 250
    assert outcome["old"] > 100
    assert outcome["new"] > 20
