"""When to try again, and after how long. Pure: the failure in, the wait out.

Law: only what the error table calls retryable, only before the first content (the caller's business), never past
`max_retries`. The wait is the provider's own where it named one, else exponential with full jitter
("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

from collections.abc import Callable

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits


def retry_delay_ms(
    error: SidecarError, attempt: int, max_retries: int, limits: Limits, uniform: Callable[[float, float], float]
) -> int | None:
    """Milliseconds to wait after failed attempt number `attempt` (from 1), or None to give up."""
    if not error.retryable or attempt > max_retries:
        return None
    if error.retry_after_ms is not None:
        return error.retry_after_ms
    ceiling = min(limits.retry_max_ms, limits.retry_base_ms * 2 ** (attempt - 1))
    return int(uniform(0, ceiling))
