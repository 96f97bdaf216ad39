"""One sidecar process: lines in and out, and an end that is certain.

Law: nothing here waits without somebody else's deadline; what the process started dies with it (its process group).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from conformance.faults import Breach, demand, shown

MOST_BYTES: Final = 64 << 20
"""Of stdout, in one conversation: one that has no end must not fill the memory."""
_KILL_S: Final = 10.0
_HAS_GROUPS: Final = sys.platform != "win32"


class Child(asyncio.SubprocessProtocol):
    """`lines` are the values that came so far; `fault` is why a line is none. Start one with `spawn`."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.fault: Breach | None = None
        self.is_at_end = False
        """Whether stdout has ended."""
        self._rest = bytearray()
        self._total = 0
        self._news = asyncio.Event()
        self._exited = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def spawn(cls, command: Sequence[str], environment: Mapping[str, str], stderr: Path) -> Child:
        """Raises `OSError` where the command cannot be started."""
        loop = asyncio.get_running_loop()
        with stderr.open("wb") as log:
            transport, child = await loop.subprocess_exec(
                cls, *command, env=dict(environment), stderr=log, start_new_session=_HAS_GROUPS
            )
        child._transport = transport
        return child

    @property
    def exit_code(self) -> int | None:
        return self._transport.get_returncode() if self._transport else None

    def write(self, data: bytes) -> None:
        self._stdin().write(data)

    def close_stdin(self) -> None:
        """What was written is delivered first."""
        self._stdin().close()

    async def news(self) -> None:
        """Return when a line or the end of stdout has come since the last call. Raises `Breach` for what is no line."""
        await self._news.wait()
        self._news.clear()
        if self.fault:
            raise self.fault

    async def wait(self) -> int:
        await self._exited.wait()
        return cast(int, self.exit_code)

    async def kill(self) -> None:
        """End it and what is left of its process group, whatever it does."""
        assert self._transport is not None
        pid = self._transport.get_pid()
        if _HAS_GROUPS:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        else:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._exited.wait(), _KILL_S)
        self._transport.close()
        await asyncio.sleep(0)  # the pipes are closed in the loop's next turn

    # --- what asyncio tells ---

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self.fault:
            return
        self._total += len(data)
        self._rest += data
        try:
            demand(self._total <= MOST_BYTES, f"more than {MOST_BYTES >> 20} MiB came on stdout")
            if b"\n" in data:
                *whole, self._rest = self._rest.split(b"\n")
                for line in whole:
                    self.lines.append(_value(bytes(line), len(self.lines) + 1))
        except Breach as breach:
            self.fault = breach
        self._news.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd != 1:
            return
        if self._rest and not self.fault:
            number = len(self.lines) + 1
            self.fault = Breach(f"line {number}: the last line is not ended: {_text(bytes(self._rest))}")
        self.is_at_end = True
        self._news.set()

    def process_exited(self) -> None:
        self._exited.set()

    def _stdin(self) -> asyncio.WriteTransport:
        assert self._transport is not None
        return cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))


def _value(line: bytes, number: int) -> Any:
    """A line of stdout as JSON. Raises `Breach` for whatever else came: stdout is the protocol's."""
    try:
        value = json.loads(line.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Breach(f"line {number}: stdout carries what is no JSON: {_text(line)}") from None
    items = value if isinstance(value, list) else [value]
    is_message = bool(items) and all(isinstance(item, dict) for item in items)
    demand(is_message, f"line {number}: stdout carries what is no message: {shown(value)}")
    demand(not line.endswith(b"\r"), f"line {number}: a line ends with CR LF, not LF")
    return value


def _text(data: bytes) -> str:
    return shown(data.decode("utf-8", "backslashreplace"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
