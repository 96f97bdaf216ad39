"""Secrets a person types, or pipes in: never on the command line, never shown.

Law: on a terminal they are asked for without an echo; elsewhere they are read from stdin, one line each.
"""

from __future__ import annotations

import getpass
import os
import sys

from llm_sidecar.errors import SidecarError


def read_secret(prompt: str) -> str:
    """The secret, without its line end. Raises `VALIDATION_ERROR` where there is none."""
    secret = getpass.getpass(f"{prompt}: ", stream=sys.stderr) if sys.stdin.isatty() else sys.stdin.readline()
    secret = secret.strip()
    if not secret:
        raise SidecarError("VALIDATION_ERROR", f"{prompt}: nothing was given (type it, or pipe it to stdin).")
    return secret


def read_descriptor(number: int) -> str:
    """What is on an open file descriptor, to its end; it is closed. Raises `VALIDATION_ERROR`."""
    try:
        with os.fdopen(number, "rb") as file:
            return file.read(1_024).decode("ascii").strip()
    except (OSError, ValueError):
        raise SidecarError("VALIDATION_ERROR", f"Descriptor {number} holds no key that could be read.") from None
