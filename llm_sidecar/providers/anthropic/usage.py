"""Tokens of one turn, as Anthropic counts them.

Law: sums only. Within a message the counts are cumulative: a later one replaces an earlier one, and one that is left
out stays. A turn that was paused is several messages, each paid for: they are added up. `input_tokens` counts only what
the cache had no part in, so that the whole prompt is the sum of three.
"""

from __future__ import annotations

from llm_sidecar.providers.anthropic.events import MessageUsage
from llm_sidecar.providers.events import UsageReport
from llm_sidecar.providers.token_counts import Number, count


class TurnUsage:
    """Counts while the turn streams."""

    def __init__(self) -> None:
        self._earlier = UsageReport()
        self._input: int | None = None
        self._cache_writes: int | None = None
        self._cache_reads: int | None = None
        self._output: int | None = None
        self._thinking: int | None = None

    def take(self, usage: MessageUsage) -> None:
        """The message that is coming reports this."""
        self._input = _newer(usage.input_tokens, self._input)
        self._cache_writes = _newer(usage.cache_creation_input_tokens, self._cache_writes)
        self._cache_reads = _newer(usage.cache_read_input_tokens, self._cache_reads)
        self._output = _newer(usage.output_tokens, self._output)
        details = usage.output_tokens_details
        self._thinking = _newer(details.thinking_tokens if details is not None else None, self._thinking)

    def begin_message(self) -> None:
        """What comes from now on belongs to the next message of the turn."""
        self._earlier = self._report()
        self._input = self._cache_writes = self._cache_reads = self._output = self._thinking = None

    def report(self) -> UsageReport | None:
        """The turn so far; None where nothing (or only zeros) was reported."""
        report = self._report()
        return report if report.prompt_tokens or report.completion_tokens else None

    def _report(self) -> UsageReport:
        earlier = self._earlier
        prompt = None
        if self._input is not None:
            prompt = self._input + (self._cache_writes or 0) + (self._cache_reads or 0)
        return UsageReport(
            prompt_tokens=_sum(earlier.prompt_tokens, prompt),
            completion_tokens=_sum(earlier.completion_tokens, self._output),
            cached_prompt_tokens=_sum(earlier.cached_prompt_tokens, self._cache_reads),
            cache_write_tokens=_sum(earlier.cache_write_tokens, self._cache_writes),
            reasoning_tokens=_sum(earlier.reasoning_tokens, self._thinking),
        )


def _newer(new: Number, old: int | None) -> int | None:
    known = count(new)
    return old if known is None else known


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)
