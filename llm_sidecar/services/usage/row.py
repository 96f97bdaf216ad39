"""The row that a terminal leaves behind.

Law: everything but when it was, who asked and what it costs is the terminal's to say.
"""

from __future__ import annotations

from llm_sidecar.messages.events import ErrorEvent, Terminal
from llm_sidecar.messages.usage import UsageRow
from llm_sidecar.services.inference.origin import Origin


def usage_row(outcome: Terminal, origin: Origin, at: int, *, cost: float | None, is_timed: bool = True) -> UsageRow:
    """`at`: epoch milliseconds; `cost`: US dollars. Not `is_timed`: nobody knows how long it took."""
    usage, timings = outcome.usage, outcome.timings
    return UsageRow(
        inference_id=outcome.inference_id,
        at=at,
        provider_id=outcome.provider_id,
        model_id=outcome.model_id,
        profile_id=outcome.profile_id,
        session_id=origin.session_id,
        job_id=origin.job_id,
        outcome="error" if isinstance(outcome, ErrorEvent) else "cancelled" if outcome.cancelled else "done",
        code=outcome.code if isinstance(outcome, ErrorEvent) else None,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        cached_prompt_tokens=usage.cached_prompt_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        source=usage.source,
        cost=cost,
        first_token_ms=timings.first_token_ms if is_timed else None,
        total_ms=timings.total_ms if is_timed else None,
        attempts=outcome.attempts,
        cached=not isinstance(outcome, ErrorEvent) and outcome.cached,
    )
