"""Token buckets: so many a minute, per key.

Law: an allowance refills evenly; a refusal says when the next one is due. Buckets that are full again are forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from llm_sidecar.errors import SidecarError


class MinuteLimit:
    """`clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def spend(self, key: str, per_minute: int) -> None:
        """Use one of `per_minute` (0: no limit). Raises `RATE_LIMIT` with `retryAfterMs`."""
        if per_minute <= 0:
            return
        now = self._clock()
        interval = 60.0 / per_minute
        full_at = max(now, self._full_at.get(key, now)) + interval
        missing = full_at - now - 60.0
        if missing > 1e-9:
            raise SidecarError(
                "RATE_LIMIT",
                f"More than {per_minute} requests a minute.",
                retry_after_ms=math.ceil(missing * 1000),
                details={"scope": "sidecar", "limit": per_minute},
            )
        if len(self._full_at) > 1_000:
            self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        self._full_at[key] = full_at
