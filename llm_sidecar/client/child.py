"""A child process and its three pipes, on the event loop.

Law: what the child wrote is delivered before its end is; its end comes once, and comes also where somebody else holds
the pipes open, or where it closed its stdout and stays. Knows bytes, and nothing of what they mean.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

_STDIN, _STDOUT = 0, 1
_AFTER_EXIT_SECONDS: Final = 0.5
"""For the last output in the pipes of a process that has ended."""
_AFTER_OUTPUT_SECONDS: Final = 3.0
"""For a process that closed its stdout to end, too: nothing can be heard from it."""


class ChildProcess(asyncio.SubprocessProtocol):
    """`spawn` it once. `on_output` and `on_log` take what it writes to stdout and stderr, `on_end` its end."""

    def __init__(
        self, on_output: Callable[[bytes], None], on_log: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> None:
        self.exit_code: int | None = None
        """As in `subprocess`: negative for a signal."""
        self._on_output = on_output
        self._on_log = on_log
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._patience: asyncio.TimerHandle | None = None

    async def spawn(self, command: Sequence[str], environment: Mapping[str, str] | None) -> None:
        """Start it, in a session of its own: a Ctrl-C in the host's terminal is the host's. Raises `OSError`."""
        transport, _ = await self._loop.subprocess_exec(
            lambda: self,
            *command,
            env=environment,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._transport = transport
        self._stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(_STDIN))
        self.pid = transport.get_pid()

    def write(self, data: bytes) -> None:
        """Send to its stdin, now or as soon as it reads."""
        self._stdin.write(data)

    def close_stdin(self) -> None:
        """End its input after what was written."""
        self._stdin.close()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        if self.exit_code is None and not self._ended.done():
            self._transport.terminate()

    def kill(self) -> None:
        """End it, and let go of its pipes."""
        self._transport.close()

    async def ended_within(self, seconds: float) -> bool:
        """Wait for its end."""
        await asyncio.wait([self._ended], timeout=seconds)
        return self._ended.done()

    # --- asyncio's callbacks ---

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        (self._on_output if fd == _STDOUT else self._on_log)(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == _STDOUT and self.exit_code is None:
            self._wait_at_most(_AFTER_OUTPUT_SECONDS)

    def process_exited(self) -> None:
        self.exit_code = self._transport.get_returncode()
        self._wait_at_most(_AFTER_EXIT_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._ended.set_result(None)
        self._on_end()

    def _wait_at_most(self, seconds: float) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self._loop.call_later(seconds, self.kill)
