"""The end of an answer in figures, as rows for a person.

Law: what the sidecar reported, nothing measured here; what is not known is called unknown, not nothing.
"""

from __future__ import annotations

from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.received import duration
from llm_sidecar.cli.screen import Row
from llm_sidecar.client import DoneEvent, ErrorEvent

_WORTH_TELLING_MS = 10
"""A shorter wait for a slot is none."""


def summary(terminal: DoneEvent | ErrorEvent) -> list[Row]:
    """Finish, model, usage, cost, speed and timings."""
    return [
        _finish(terminal),
        Row("model", printable(f"{terminal.provider_id} · {terminal.model_id}")),
        Row("tokens", _tokens(terminal)),
        Row("cost", _cost(terminal)),
        Row("speed", _speed(terminal)),
        Row("time", _time(terminal)),
    ]


def _finish(terminal: DoneEvent | ErrorEvent) -> Row:
    if isinstance(terminal, ErrorEvent):
        return Row("finish", terminal.code, "bad")
    if terminal.cancelled:
        return Row("finish", "cancelled", "warning")
    raw = terminal.raw_finish_reason
    reason = terminal.finish_reason
    return Row("finish", reason if raw in (None, reason) else f"{reason} ({printable(raw or '')})", "good")


def _tokens(terminal: DoneEvent | ErrorEvent) -> str:
    usage = terminal.usage
    cached = f" ({usage.cached_prompt_tokens:,} cached)" if usage.cached_prompt_tokens else ""
    reasoning = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
    prompt, completion = f"{usage.prompt_tokens:,} prompt{cached}", f"{usage.completion_tokens:,} completion{reasoning}"
    return f"{prompt} + {completion} = {usage.total_tokens:,}, {usage.source}"


def _cost(terminal: DoneEvent | ErrorEvent) -> str:
    cost = terminal.cost
    if cost == 0 or terminal.provider_id == "demo":
        return "free"
    return "unknown" if cost is None else f"${cost:.6f}"


def _speed(terminal: DoneEvent | ErrorEvent) -> str:
    timings = terminal.timings
    streaming_ms = 0 if timings.first_token_ms is None else timings.total_ms - timings.first_token_ms
    if streaming_ms == 0:
        return "too short to tell"
    about = "" if terminal.usage.source == "reported" else "about "
    return f"{about}{terminal.usage.completion_tokens / streaming_ms * 1000:,.1f} tokens/s"


def _time(terminal: DoneEvent | ErrorEvent) -> str:
    timings = terminal.timings
    first = "none" if timings.first_token_ms is None else duration(timings.first_token_ms / 1000)
    parts = [f"first token {first}", f"total {duration(timings.total_ms / 1000)}"]
    if timings.queued_ms >= _WORTH_TELLING_MS:
        parts.append(f"queued {duration(timings.queued_ms / 1000)}")
    if terminal.attempts > 1:
        parts.append(f"{terminal.attempts} attempts")
    return ", ".join(parts)
