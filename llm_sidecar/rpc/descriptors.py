"""File descriptors 0, 1 and 2: taken over before anything else runs.

Law: after `claim_stdio`, the protocol has two private descriptors that no child inherits; fd 1 is stderr and fd 0 is
the null device, so `print`, C `printf`, `os.write(1, …)`, an import banner and child processes can neither write into
the stream nor eat it. Imports nothing but the standard library's smallest modules: it runs first.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple


class ProtocolDescriptors(NamedTuple):
    """The private ends of the protocol: read from `stdin`, write to `stdout`."""

    stdin: int
    stdout: int


def claim_stdio() -> ProtocolDescriptors:
    """Take fds 0 and 1 for the protocol and point them elsewhere. Raises `OSError` where either was closed."""
    os.fstat(0)
    os.fstat(1)
    null = os.open(os.devnull, os.O_RDWR)  # is fd 2 if that was closed
    private = ProtocolDescriptors(os.dup(0), os.dup(1))  # os.dup makes them non-inheritable
    os.dup2(null, 0)
    os.dup2(2, 1)
    if null > 2:
        os.close(null)
    else:
        os.set_inheritable(null, True)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in private:
            msvcrt.setmode(descriptor, os.O_BINARY)
    return private
