"""`llm:get-status`: what the sidecar is doing now, in real figures."""

from __future__ import annotations

from typing import Literal

from llm_sidecar.messages.shape import Shape


class CacheFigures(Shape, kw_only=True):
    """The response cache: what it holds now, and how often it was asked (only with `cache: true`) since the start."""

    entries: int
    bytes: int
    hits: int
    misses: int


class ProviderState(Shape, kw_only=True):
    """What happened with one provider since the start."""

    requests: int
    failures: int
    cancelled: int
    tokens: int
    last_error: str | None
    """The code of the last failure."""


class CircuitState(Shape, kw_only=True):
    """One origin's circuit breaker. `open`: nothing is sent for `retryAfterMs`; `half-open`: one request may try."""

    origin: str
    state: Literal["closed", "open", "half-open"]
    failures: int
    """In a row, until now."""
    retry_after_ms: int | None = None


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
    cache: CacheFigures
    providers: dict[str, ProviderState]
    """By provider id."""
    circuits: list[CircuitState]
    """Of every origin that was asked."""
