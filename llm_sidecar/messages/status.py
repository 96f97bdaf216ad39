"""`llm:get-status`: what the sidecar is doing now, in real figures."""

from __future__ import annotations

from typing import Any

from llm_sidecar.messages.shape import Shape


class ServiceStatus(Shape, kw_only=True):
    """Counts since the start unless said otherwise; bytes and milliseconds as named."""

    total_sessions: int
    active_sessions: int
    active_inferences: int
    """Now holding one of the `maxConcurrentInferences` slots."""
    queued_inferences: int
    total_inferences: int
    total_tokens: int
    """Prompt and completion tokens of every ended inference, as reported or estimated."""
    uptime_ms: int
    rss_bytes: int
    """Resident memory now; 0 where the platform does not say."""
    outbox_bytes: int
    """Written by the sidecar, not yet taken by the host."""
    loop_lag_ms: float
    """How late the event loop served its last timer."""
    cache: dict[str, Any]
    providers: dict[str, Any]
    """By provider id: requests, failures, tokens, and what its last failure was."""
