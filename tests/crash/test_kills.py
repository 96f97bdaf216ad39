"""SIGKILL at random points while everything that is kept is written: nothing that was acknowledged is lost.

`LLM_SIDECAR_KILLS` is how many kills there are at least (1,000 in `make crash`).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.crash.kill_machine import KillMachine
from tests.crash.session_facts import SessionFacts

KILLS = int(os.environ.get("LLM_SIDECAR_KILLS", "20"))


class AllFacts(SessionFacts):
    """Every topic, on one folder."""


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() -> None:
    """Each example ends with a kill; there are as many examples as there must be kills."""
    KillMachine.kills = 0
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        AllFacts, settings=settings(max_examples=KILLS, stateful_step_count=20, suppress_health_check=slow)
    )
    print(f"{KillMachine.kills} kills")
    assert KillMachine.kills >= KILLS
