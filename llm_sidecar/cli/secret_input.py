"""Secrets a person types, or pipes in: never on the command line, never shown.

Law: on a terminal they are asked for without an echo; elsewhere they are read from stdin, one line each.
"""

from __future__ import annotations

import base64
import getpass
import os
import sys
from typing import Final

from llm_sidecar.errors import SidecarError

_KEY_BYTES: Final = 32


def read_secret(prompt: str) -> str:
    """The secret, without what was pasted around it. Raises `VALIDATION_ERROR` where there is none."""
    return _some(prompt, _ask(prompt).strip())


def read_passphrase(prompt: str, *, twice: bool = False) -> str:
    """A passphrase, just as it was typed; a new one `twice`, on a terminal. Raises `VALIDATION_ERROR` where there is
    none, or another the second time."""
    passphrase = _some(prompt, _ask(prompt))
    if twice and sys.stdin.isatty() and _ask(f"{prompt}, once more") != passphrase:
        raise SidecarError("VALIDATION_ERROR", f"{prompt}: those were two different ones.")
    return passphrase


def read_descriptor(number: int) -> str:
    """The key (raw, or as base64) on an open file descriptor, in base64; it is closed. Raises `VALIDATION_ERROR`."""
    try:
        with os.fdopen(number, "rb") as file:
            data = file.read(1_024)
        return base64.b64encode(data).decode() if len(data) == _KEY_BYTES else data.decode("ascii").strip()
    except (OSError, ValueError):
        raise SidecarError("VALIDATION_ERROR", f"Descriptor {number} holds no key that could be read.") from None


def _ask(prompt: str) -> str:
    line = getpass.getpass(f"{prompt}: ", stream=sys.stderr) if sys.stdin.isatty() else sys.stdin.readline()
    return line.strip("\r\n")


def _some(prompt: str, secret: str) -> str:
    if not secret:
        raise SidecarError("VALIDATION_ERROR", f"{prompt}: nothing was given (type it, or pipe it to stdin).")
    return secret
