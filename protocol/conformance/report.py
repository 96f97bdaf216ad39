"""What people and programs read about a run."""

from __future__ import annotations

import json
from collections.abc import Sequence

from conformance.player import Outcome
from conformance.shapes import Shapes


def failure(outcome: Outcome) -> str:
    """A line for a conversation that failed: its name, and what came and what was expected."""
    return f"FAILED {outcome.name}: {'; '.join(outcome.faults)}"


def dialogue(outcome: Outcome) -> str:
    """All that was said in a conversation, and the end of stderr."""
    parts = [f"{'FAILED' if outcome.faults else 'passed'} {outcome.name} ({outcome.elapsed_ms} ms)"]
    parts += [f"    {line}" for line in outcome.dialogue]
    parts += [f"    stderr: {line}" for line in outcome.stderr.splitlines()]
    parts += [f"    {fault}" for fault in outcome.faults]
    return "\n".join(parts)


def closing(outcomes: Sequence[Outcome], shapes: Shapes) -> str:
    """The last lines: what was not checked, and the counts."""
    failed = sum(1 for outcome in outcomes if outcome.faults)
    counts = f"{len(outcomes) - failed} passed" + (f", {failed} failed" if failed else "")
    lines = [f"{len(outcomes)} conversation{'' if len(outcomes) == 1 else 's'}: {counts}"]
    if shapes.checks_left_out:
        lines.insert(0, f"not checked: whether {shapes.checks_left_out} results, errors and notifications fit their "
                        "JSON Schemas (install `jsonschema`)")  # fmt: skip
    return "\n".join(lines)


def machine_readable(command: Sequence[str], outcomes: Sequence[Outcome], shapes: Shapes) -> str:
    """The run as one JSON object."""
    conversations = [
        {
            "name": outcome.name,
            "passed": not outcome.faults,
            "faults": outcome.faults,
            "lines": outcome.lines,
            "exitCode": outcome.exit_code,
            "elapsedMs": outcome.elapsed_ms,
            "stderr": outcome.stderr,
        }
        for outcome in outcomes
    ]
    passed = sum(1 for outcome in outcomes if not outcome.faults)
    report = {
        "command": list(command),
        "passed": passed,
        "failed": len(outcomes) - passed,
        "schemaChecks": {"made": shapes.checks_made, "leftOut": shapes.checks_left_out},
        "conversations": conversations,
    }
    return json.dumps(report, ensure_ascii=False, indent=2)
