"""SIGKILL between any two writes of a change: the profile has the key it had, or the one it gets; no key is bound to
another's origin, none lies about in plaintext, and what is nobody's is thrown away at the next start, from the backups,
too."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services import profile_crash_program as program
from tests.services.profile_crash_program import NEW, OLD, VAULT_KEY, open_profiles


def run_program(folder: Path, what: str, step: int) -> int:
    return subprocess.run(
        [sys.executable, "-m", program.__name__, str(folder), what, str(step)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=30,
        check=False,
    ).returncode


def records_in(vault: Path) -> set[str]:
    return set(json.loads(vault.read_bytes().split(b"\n")[1])["records"])


async def found_in(folder: Path) -> tuple[tuple[str, str | None], int, int, bool]:
    """Address and key of the profile; records of the vault, keys that are nobody's, whether there is plaintext."""
    database, keys, profiles = open_profiles(str(folder), VAULT_KEY)
    await profiles.settled()
    try:
        (profile_id,) = profiles.rows
        endpoint, _ = profiles.target(profile_id)
        loose = len(await profiles._table.loose_keys())
        kept = records_in(folder / "vault" / "keys.vault")
        for backup in (folder / "vault").glob("keys.vault.*"):
            assert records_in(backup) <= kept, "it holds a key that was thrown away"
        return (endpoint.base_url, endpoint.api_key), keys.vault.status().records, loose, keys.plain.exists
    finally:
        await database.aclose()


@pytest.mark.parametrize(("what", "is_plain"), [("move", 0), ("absorb", 1)])
def test_a_crash_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, what: str, is_plain: int) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir(mode=0o700)
    assert run_program(prepared, "prepare", is_plain) == 0
    outcomes: list[Any] = []
    for step in range(40):
        folder = tmp_path / f"step-{step}"
        shutil.copytree(prepared, folder)
        code = run_program(folder, what, step)
        outcome, records, loose, has_plaintext = asyncio.run(found_in(folder))
        assert outcome in (OLD, NEW), (step, outcome)
        assert (records, loose, has_plaintext) == (1, 0, False), step
        outcomes.append(outcome)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    else:
        raise AssertionError("it never came to its end")
    assert len(outcomes) >= 4, "there are steps to be killed at"
    assert outcomes[0] == OLD
    assert outcomes[-1] == (NEW if what == "move" else OLD)
    assert outcomes == sorted(outcomes, key=[OLD, NEW].index), "never back again"
