"""A command's sidecar on a data folder that is an application's: it does what the command asks, and none of the jobs
that wait there. It ends with the command; a job that it had begun would end as interrupted, and perhaps be paid for.
What ran when the application died is left as it is, too: the application is to be told of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NO_JOBS: Final = {"LLM_SIDECAR_MAX_RUNNING_JOBS": "0", "LLM_SIDECAR_MAX_RUNNING_BATCHES": "0"}


def without_jobs(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for such a sidecar."""
    return {**environment, **_NO_JOBS}
