"""Every bound and default of the program, in one frozen struct, each with its reason.

Law: a limit lives here or nowhere. A field's name in camelCase is its name in `config.toml`, in
`initialize.limits` and on the wire; in capitals after `LLM_SIDECAR_` it is its environment variable.
Later wins: default, file, environment, handshake. Values are checked against `BOUNDS`, and a wrong one is
refused by name: a typo in a limit must not become "no limit".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from llm_sidecar.errors import FieldProblem, InvalidParams

KIB: Final = 1024
MIB: Final = 1024 * KIB


class Limits(Struct, frozen=True):
    # --- the wire ---
    max_message_bytes: int = 16 * MIB
    """One line, either direction. Room for a few images in base64; still parsed in well under a second."""
    max_batch_items: int = 1_000
    """Requests in one JSON-RPC batch: their replies must fit one line."""
    max_in_flight_requests: int = 10_000
    """Requests admitted and not yet answered. Above it the sidecar answers `OVERLOADED`."""
    max_reply_bytes: int = 32 * MIB
    """Answered but unread replies. Above it the sidecar stops reading stdin until the host reads stdout."""
    max_event_bytes: int = 8 * MIB
    """Notifications queued for a host that does not read. Above it reading from the providers pauses."""
    max_token_event_bytes: int = 64 * KIB
    """Text merged into one `llm:token`: more would delay the host's first look at it."""
    invalid_messages_per_second: int = 5_000
    """Pace at which id-null errors are answered; a flood of garbage slows its sender, nobody else."""
    # --- inferences ---
    max_concurrent_inferences: int = 5
    """Streams at once (the seeds' number). Local servers rarely have more slots."""
    max_queued_inferences: int = 100
    """Inferences waiting for a slot with `queue: true`."""
    max_requests_per_minute: int = 0
    """Inferences a minute and window; 0 is off."""
    journal_bytes: int = 4 * MIB
    """Events kept per inference for `llm:inference:attach`: about a million characters of answer."""
    journal_total_bytes: int = 32 * MIB
    """Events kept over all inferences; the oldest finished ones go first."""
    journal_finished: int = 64
    """Finished inferences that can still be attached to: a window that reloads finds its last answers."""
    max_answer_bytes: int = 12 * MIB
    """Text, reasoning and tool arguments of one answer. No model writes this much; a lying server might."""
    # --- sessions and jobs ---
    max_sessions: int = 20
    """Sessions live at once (the seeds' number); the others rest in the database."""
    max_sessions_per_window: int = 10
    max_running_jobs: int = 2
    """Jobs at work at once: they leave slots to the people in front of the windows."""
    max_running_batches: int = 16
    """Batches at providers at once: each only asks from time to time how it goes."""
    max_queued_jobs: int = 10_000
    max_finished_jobs: int = 1_000
    """Jobs kept with their results after their end; those that ended first go first."""
    max_audit_entries: int = 10_000
    """Security events kept; the oldest go first. Years of a desktop application."""
    max_profiles: int = 1_000
    max_test_prompts_per_minute: int = 10
    # --- time, milliseconds ---
    session_checkpoint_ms: int = 500
    """How often the text of a running turn is saved: a crash loses at most this much and a write."""
    persist_timeout_ms: int = 2_000
    """What a terminal waits for its row to be on the disk before it says `persisted: false`."""
    test_prompt_timeout_ms: int = 10_000
    probe_timeout_ms: int = 2_000
    """What each local port has to answer when servers are looked for."""
    discovery_cache_ms: int = 300_000
    batch_poll_ms: int = 30_000
    """How often a batch at a provider is asked about; it takes minutes to hours."""
    inference_timeout_ms: int = 120_000
    first_token_timeout_ms: int = 60_000
    """A local model may need most of a minute to read a long prompt."""
    chunk_timeout_ms: int = 30_000
    connect_timeout_ms: int = 10_000
    """TCP and TLS. A server that does not even accept within this is not there."""
    list_models_timeout_ms: int = 10_000
    """What a provider has to list its models. A person waits for a menu to open."""
    retry_base_ms: int = 1_000
    retry_max_ms: int = 30_000
    """Longest wait of our own choosing; a provider's Retry-After may ask for more."""
    circuit_cooldown_ms: int = 10_000
    """How long an origin that fails again and again is left alone; a local server that was started meanwhile waits no
    longer than this."""
    shutdown_grace_ms: int = 1_000
    """What `shutdown` waits for running inferences when it names no `deadlineMs`."""
    exit_flush_ms: int = 1_500
    """What is left for a host to read the last lines after EOF or a signal; the whole exit stays within 2 s."""
    # --- provider answers ---
    circuit_failures: int = 5
    """Failures in a row after which an origin is left alone; 0: never. More than the retries of one inference."""
    max_provider_event_bytes: int = 8 * MIB
    """One SSE event or NDJSON line. A whole tool call or image fits; an endless line does not."""
    max_error_body_bytes: int = 64 * KIB
    """Read of an error response before the rest is thrown away."""
    # --- tokens ---
    token_batch_delay_ms: int = 0
    """0: a token is written as soon as the writer can; else merged for this long after the first one."""
    token_batch_tokens: int = 0
    """Flush a waiting batch at this many tokens; 0: only the delay counts."""

    def with_changes(self, changes: Mapping[str, Any], *, where: str) -> Limits:
        """Return these limits with `changes` (camelCase name → integer) applied.

        Raises `InvalidParams` that names every field at fault below `where` (for example `limits.journalBytes`).
        """
        problems: list[FieldProblem] = []
        accepted: dict[str, int] = {}
        for wire_name, value in changes.items():
            path = f"{where}.{wire_name}" if where else wire_name
            name = _FIELD_OF_WIRE_NAME.get(wire_name)
            if name is None:
                problems.append(FieldProblem(path, "no such limit"))
                continue
            low, high = BOUNDS[name]
            if isinstance(value, bool) or not isinstance(value, int):
                problems.append(FieldProblem(path, "must be an integer"))
            elif not low <= value <= high:
                problems.append(FieldProblem(path, f"must be from {low} to {high}"))
            else:
                accepted[name] = value
        if problems:
            raise InvalidParams(problems)
        return replace(self, **accepted)

    def to_wire(self) -> dict[str, int]:
        """The limits in force, by their camelCase names."""
        return {wire: getattr(self, name) for wire, name in _FIELD_OF_WIRE_NAME.items()}


def camel(name: str) -> str:
    """`max_batch_items` → `maxBatchItems`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


_NAMES: Final = Limits.__struct_fields__
_FIELD_OF_WIRE_NAME: Final = {camel(name): name for name in _NAMES}

BOUNDS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(_NAMES, (1, 2**31 - 1)),
    "max_message_bytes": (4 * KIB, 256 * MIB),  # any event without its text fits
    "max_reply_bytes": (64 * KIB, 1024 * MIB),
    "max_event_bytes": (64 * KIB, 1024 * MIB),
    "max_token_event_bytes": (64, 1 * MIB),
    "max_concurrent_inferences": (1, 1_000),
    "max_queued_inferences": (0, 100_000),
    "max_requests_per_minute": (0, 1_000_000),
    "max_test_prompts_per_minute": (0, 1_000_000),
    "max_running_jobs": (0, 100),
    "max_running_batches": (0, 1_000),
    "max_queued_jobs": (0, 1_000_000),
    "max_finished_jobs": (1, 1_000_000),
    "max_sessions": (1, 100_000),
    "max_sessions_per_window": (1, 100_000),
    "session_checkpoint_ms": (50, 60_000),
    "persist_timeout_ms": (1, 60_000),
    "discovery_cache_ms": (0, 86_400_000),
    "batch_poll_ms": (10, 3_600_000),
    "journal_bytes": (0, 1024 * MIB),
    "journal_total_bytes": (0, 4096 * MIB),
    "journal_finished": (0, 10_000),
    "inference_timeout_ms": (1_000, 600_000),
    "list_models_timeout_ms": (1, 600_000),
    "shutdown_grace_ms": (0, 600_000),
    "exit_flush_ms": (0, 1_800),
    "retry_base_ms": (0, 60_000),
    "circuit_failures": (0, 1_000_000),
    "circuit_cooldown_ms": (0, 3_600_000),
    "token_batch_delay_ms": (0, 1_000),
    "token_batch_tokens": (0, 100_000),
}
"""Smallest and largest accepted value of each limit."""


def limits_from_environment(base: Limits, environment: Mapping[str, str]) -> Limits:
    """Apply every `LLM_SIDECAR_<NAME>` that names a limit. Raises `InvalidParams` for a value that is no integer."""
    changes: dict[str, Any] = {}
    for wire_name, name in _FIELD_OF_WIRE_NAME.items():
        text = environment.get(f"LLM_SIDECAR_{name.upper()}")
        if text is not None:
            try:
                changes[wire_name] = int(text)
            except ValueError:
                changes[wire_name] = text
    return base.with_changes(changes, where="environment")
