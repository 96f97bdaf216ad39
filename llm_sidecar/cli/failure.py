"""What went wrong, for a person: a sentence, the code to search for, and what to do about it.

Law: every command for people ends through `run_command`: no stack trace for what is not a fault of the program, and the
exit codes of the shell's customs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

from llm_sidecar.cli.printable import printable
from llm_sidecar.client import ErrorEvent, SidecarDied, SidecarError

FAILED: Final = 1
INTERRUPTED: Final = 130
"""128 + SIGINT."""

HINTS: Final = {
    "API_KEY_MISSING": "Set the variable in the environment, not on the command line.",
    "INVALID_PROVIDER": "Choose one with --provider.",
    "INVALID_MODEL": "Name a model the provider offers with --model.",
    "NETWORK_ERROR": "`llm-sidecar doctor` shows which local servers answer.",
    "AUTH_ERROR": "Check the provider's key in the environment.",
    "RATE_LIMIT": "Wait a little, then ask again.",
    "INSUFFICIENT_QUOTA": "Look at the account's balance at the provider.",
    "CONTEXT_LENGTH_EXCEEDED": "Start a new conversation, or ask for less at once.",
    "SERVER_ERROR": "This is the provider's fault: ask again later.",
    "PROVIDER_OVERLOADED": "Ask again in a moment.",
    "STREAM_TRUNCATED": "The answer is not complete: ask again.",
    "PROVIDER_PROTOCOL_ERROR": "Is the address that of an OpenAI-compatible server?",
    "TIMEOUT": "A shorter answer may come in time.",
    "FIRST_TOKEN_TIMEOUT": "A model that is still loading answers the second time.",
    "STREAM_TIMEOUT": "Ask again.",
    "NO_ACTIVE_PROFILE": "Choose one with `llm-sidecar profiles activate`.",
    "VAULT_LOCKED": "Give the vault's key: --keyring, --passphrase or --key-fd.",
    "VAULT_WRONG_KEY": "Give the key that the vault was made with.",
    "VAULT_TAMPERED": "A backup that you put there yourself is taken with `llm-sidecar vault accept-older`.",
    "DATA_DIR_LOCKED": "End the application that uses it, or name another folder with --data-dir.",
}
"""What to do, by code, where there is something."""


def describe(error: SidecarError | ErrorEvent) -> list[str]:
    """A sentence with its code, and below it a hint where there is one."""
    message = error.error if isinstance(error, ErrorEvent) else error.message
    lines = [f"{printable(message)} [{error.code}]"]
    if isinstance(error, SidecarDied):
        lines += [printable(line) for line in error.log_tail[-3:]]
    elif error.retry_after_ms:
        lines.append(f"Ask again in {error.retry_after_ms / 1000:.0f} s.")
    elif error.code in HINTS:
        lines.append(HINTS[error.code])
    return lines


def run_command(work: Callable[[], int]) -> int:
    """The exit code of `work`, whatever ends it."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        exit_code = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more (`| head`); the interpreter must not try to flush what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except SidecarError as error:
        print("\n".join(["llm-sidecar: " + describe(error)[0], *describe(error)[1:]]), file=sys.stderr)
        return FAILED
    return exit_code
