"""What is wrong with a command, said on stderr: where there is one."""

from __future__ import annotations

import sys


def complain(text: str) -> None:
    """Write one sentence for the person who gave the command."""
    if sys.stderr is not None:
        sys.stderr.write(f"llm-sidecar: {text}\n")
