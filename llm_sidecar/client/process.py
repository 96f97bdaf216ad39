"""A sidecar as a child process: spawned, greeted, asked, and ended.

Law:
1.  The child learns the host's process id, and ends when the host does, however that happens.
2.  Its end is a typed error for everyone who waits, after everything it said was delivered.
3.  Leaving `start` leaves no process behind: `shutdown`, `exit` and end of input, terminate, kill, each in its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from llm_sidecar import __version__
from llm_sidecar.client.child import ChildProcess
from llm_sidecar.client.chunk_stream import ChunkStream
from llm_sidecar.client.connection import Connection
from llm_sidecar.client.event_stream import EventStream
from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import KIB
from llm_sidecar.messages.chat import ChatCompletion, ChatCompletionParams
from llm_sidecar.messages.generation import GeneratedText, GenerateTextParams
from llm_sidecar.messages.handshake import PROTOCOL_VERSION, ClientInfo, InitializeParams, InitializeResult
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.messages.session import SessionRunParams
from llm_sidecar.packaged import is_packaged
from llm_sidecar.wire.framing import LineFramer

_START_SECONDS: Final = 30.0
"""For the handshake: a cold disk and a virus scanner may need most of it."""
_SHUTDOWN_SECONDS: Final = 3.0
"""The sidecar gives running work one second, unless its limits say otherwise."""
_EXIT_SECONDS: Final = 3.0
"""The sidecar promises two."""
_TERMINATE_SECONDS: Final = 2.0
_KILL_SECONDS: Final = 2.0
_MAX_LOG_LINE: Final = 64 * KIB
_LOG_LINES_KEPT: Final = 20

# Without -P, a `random.py` in the host's working directory would be imported by the sidecar.
_THIS_PYTHON: Final = () if is_packaged() else ("-P", "-m", "llm_sidecar")
_COMMAND: Final = (sys.executable, *_THIS_PYTHON, "serve")


class SidecarDied(SidecarError):
    """The process has ended, or could not be started. `exit_code` as in `subprocess`: negative for a signal.

    The code is `SHUTTING_DOWN`: what a sidecar says that still can. `log_tail` holds its last lines on stderr.
    """

    def __init__(self, message: str, exit_code: int | None = None, log_tail: Sequence[str] = ()) -> None:
        super().__init__("SHUTTING_DOWN", message)
        self.exit_code = exit_code
        self.log_tail = list(log_tail)


class SidecarProcess:
    """A running sidecar; made by `start`. Used from the event loop it was started on."""

    server: InitializeResult
    """What the sidecar said of itself: version, capabilities, limits in force, providers."""
    handshake_ms: float
    """Milliseconds from before the spawn to the answer of `initialize`."""

    def __init__(self, on_log: Callable[[str], None]) -> None:
        self._on_log = on_log
        self._log_framer = LineFramer(_MAX_LOG_LINE)
        self._log_tail: deque[str] = deque(maxlen=_LOG_LINES_KEPT)
        self._child = ChildProcess(self._take_output, self._take_log, self._end)
        self._connection = Connection(self._child.write)

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        handshake: InitializeParams | None = None,
        on_log: Callable[[str], None] = lambda _: None,
        command: Sequence[str] = _COMMAND,
    ) -> AsyncGenerator[SidecarProcess]:
        """Spawn a sidecar and make the handshake; end it at the end of the block.

        `arguments` are options of `serve`; `environment` replaces this process's; `on_log` is called with every line of
        stderr; `command` is what to spawn where that is not this Python (a frozen application). The host's process id
        is filled into `handshake`. Raises `SidecarDied`, `TIMEOUT`, or what `initialize` was answered with.
        """
        sidecar = cls(on_log)
        begun_at = asyncio.get_running_loop().time()
        try:
            await sidecar._child.spawn([*command, *arguments], environment)
        except OSError as error:
            raise SidecarDied(f"The sidecar could not be started ({type(error).__name__}).") from error
        try:
            await sidecar._greet(handshake or InitializeParams(protocol_version=PROTOCOL_VERSION))
            sidecar.handshake_ms = (asyncio.get_running_loop().time() - begun_at) * 1000
            yield sidecar
        finally:
            await sidecar._stop()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._child.exit_code

    @property
    def unreadable_lines(self) -> int:
        """Lines on its stdout that were no protocol: 0, unless something prints there before the sidecar can run."""
        return self._connection.unreadable_lines

    async def request(self, method: str, params: Mapping[str, Any] | msgspec.Struct | None = None) -> Any:
        """The result, as plain JSON values. Raises `SidecarError` with the peer's code, or `SidecarDied`."""
        return msgspec.json.decode(await self._connection.request(method, {} if params is None else params))

    async def generate_text(self, params: Mapping[str, Any] | GenerateTextParams) -> GeneratedText:
        """`llm:generate-text`. Raises as `request`; cancelling it cancels the inference."""
        return msgspec.json.decode(await self._connection.request("llm:generate-text", params), type=GeneratedText)

    async def complete_chat(self, params: Mapping[str, Any] | ChatCompletionParams) -> ChatCompletion:
        """`llm:chat:completions`, whole. Raises as `request`; cancelling it cancels the inference."""
        return msgspec.json.decode(await self._connection.request("llm:chat:completions", params), type=ChatCompletion)

    @asynccontextmanager
    async def stream_chat(self, params: Mapping[str, Any] | ChatCompletionParams) -> AsyncGenerator[ChunkStream]:
        """`llm:chat:completions` as a stream, to iterate its chunks. Leaving the block before the end cancels it.

        The iteration raises what `request` raises, also where the request is refused.
        """
        fields: dict[str, Any] = dict(msgspec.to_builtins(params))
        fields["request"] = {**fields["request"], "stream": True}
        stream = ChunkStream()
        reply = asyncio.ensure_future(self._connection.request("llm:chat:completions", fields, stream.put))
        reply.add_done_callback(stream.end)
        try:
            yield stream
        finally:
            reply.cancel()
            await asyncio.wait([reply])

    @asynccontextmanager
    async def inference(self, params: Mapping[str, Any] | InferenceParams) -> AsyncGenerator[EventStream]:
        """Start an answer, to iterate its events. Leaving the block before the terminal came cancels it.

        Raises what `request` raises, if the inference is refused.
        """
        async with self._answer("llm:inference", params) as stream:
            yield stream

    @asynccontextmanager
    async def session_run(self, params: Mapping[str, Any] | SessionRunParams) -> AsyncGenerator[EventStream]:
        """Answer the new messages of a session's turn, as `inference` does."""
        async with self._answer("llm:session:run", params) as stream:
            yield stream

    @asynccontextmanager
    async def _answer(self, method: str, params: Mapping[str, Any] | msgspec.Struct) -> AsyncGenerator[EventStream]:
        fields: dict[str, Any] = dict(msgspec.to_builtins(params))
        stream = self._connection.open_stream(fields.setdefault("inferenceId", f"py-{os.urandom(9).hex()}"))
        was_refused = False
        try:
            try:
                await self._connection.request(method, fields)
            except SidecarError:
                was_refused = True
                raise
            yield stream
        finally:
            if not was_refused:
                stream.cancel()
            self._connection.close_stream(stream)

    # --- the beginning and the end ---

    async def _greet(self, handshake: InitializeParams) -> None:
        filled = msgspec.structs.replace(
            handshake,
            process_id=handshake.process_id or os.getpid(),
            client=handshake.client or ClientInfo(name="llm-sidecar python client", version=__version__),
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                reply = await self._connection.request("initialize", filled)
        except TimeoutError:
            raise SidecarError("TIMEOUT", f"The sidecar did not answer within {_START_SECONDS:.0f} s.") from None
        self.server = msgspec.json.decode(reply, type=InitializeResult)
        if self.server.protocol_version != PROTOCOL_VERSION:
            theirs = self.server.protocol_version
            raise SidecarError("INVALID_MESSAGE", f"The sidecar speaks protocol {theirs}, not {PROTOCOL_VERSION}.")
        self._connection.set_max_message_bytes(self.server.limits["maxMessageBytes"])

    async def _stop(self) -> None:
        try:
            with contextlib.suppress(TimeoutError, SidecarError):
                async with asyncio.timeout(_SHUTDOWN_SECONDS):
                    await self._connection.request("shutdown", {})
            self._connection.notify("exit", {})
            self._child.close_stdin()
            if not await self._child.ended_within(_EXIT_SECONDS):
                self._child.terminate()
                await self._child.ended_within(_TERMINATE_SECONDS)
        finally:
            self._child.kill()
            await self._child.ended_within(_KILL_SECONDS)

    # --- what the child says ---

    def _take_output(self, data: bytes) -> None:
        self._connection.feed(data)

    def _take_log(self, data: bytes) -> None:
        for line in self._log_framer.feed(data):
            if isinstance(line, bytes):
                text = line.decode("utf-8", "replace")
                self._log_tail.append(text)
                self._on_log(text)

    def _end(self) -> None:
        code = self.exit_code
        how = "" if code is None else f" with exit code {code}" if code >= 0 else f" by signal {-code}"
        self._connection.fail(SidecarDied(f"The sidecar ended{how}.", code, self._log_tail))
