"""The wall clock, to stamp rows with: nothing is ordered or timed by it (it may jump)."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000
