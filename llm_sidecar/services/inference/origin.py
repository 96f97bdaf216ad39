"""On whose behalf an inference runs."""

from __future__ import annotations

from typing import NamedTuple


class Origin(NamedTuple):
    """Ids of what asked for it; without any it was the host itself."""

    session_id: str | None = None
    job_id: str | None = None
    is_test: bool = False
    """A person wants to know whether it answers now: an open circuit does not stand in the way."""


HOST = Origin()
