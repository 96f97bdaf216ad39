"""The stdio transport: which way of reading and writing fits a descriptor.

Law: the event loop waits for what it can wait for (pipes and sockets on POSIX: `polled`); everywhere else (Windows,
regular files, terminals, a stdout that shares its open file with stderr) a thread makes the blocking call (`threaded`).
Both have the same interface, and threads can be forced.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_sidecar.rpc.polled import PolledSink, PolledSource
    from llm_sidecar.rpc.threaded import ThreadedSink, ThreadedSource


def open_source(descriptor: int, *, force_thread: bool = False) -> PolledSource | ThreadedSource:
    """The right reader for `descriptor`."""
    if force_thread or not _is_pollable(descriptor):
        from llm_sidecar.rpc.threaded import ThreadedSource

        return ThreadedSource(descriptor)
    from llm_sidecar.rpc.polled import PolledSource

    return PolledSource(descriptor)


def open_sink(descriptor: int, *, force_thread: bool = False) -> PolledSink | ThreadedSink:
    """The right writer for `descriptor`."""
    if force_thread or not _is_pollable(descriptor) or _is_same_file(descriptor, 2):
        from llm_sidecar.rpc.threaded import ThreadedSink

        return ThreadedSink(descriptor)
    from llm_sidecar.rpc.polled import PolledSink

    return PolledSink(descriptor)


def _is_pollable(descriptor: int) -> bool:
    if sys.platform == "win32":
        return False
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _is_same_file(descriptor: int, other: int) -> bool:
    """Whether both lead to one file (`2>&1`): then O_NONBLOCK on one would make the other's writes fail."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.fstat(other))
    except OSError:
        return False
