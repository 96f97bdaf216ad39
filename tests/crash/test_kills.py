"""SIGKILL at random points while everything that is kept is written: nothing that was acknowledged is lost.

`LLM_SIDECAR_KILLS` is how many kills there are at least (1,000 in `make crash`).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.crash.job_facts import JobFacts
from tests.crash.kill_machine import KillMachine
from tests.crash.session_facts import SessionFacts
from tests.crash.usage_facts import UsageFacts

KILLS = int(os.environ.get("LLM_SIDECAR_KILLS", "20"))

KILLS_OF_ONE = 6
"""Of one machine, about."""


class AllFacts(UsageFacts, SessionFacts, JobFacts):
    """Every topic, on one folder."""


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() -> None:
    """(A process dies where it dies: a failure comes with its seeds, and may need some tries to come again.)"""
    KillMachine.kills = 0
    while KillMachine.kills < KILLS:
        examples = max(1, (KILLS - KillMachine.kills) // KILLS_OF_ONE)
        run_state_machine_as_test(
            AllFacts,
            settings=settings(
                max_examples=examples,
                stateful_step_count=8,
                derandomize=False,
                report_multiple_bugs=False,
                suppress_health_check=[HealthCheck.too_slow],
                phases=[Phase.generate],
            ),
        )
    print(f"{KillMachine.kills} kills")
