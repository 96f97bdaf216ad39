"""The composition root: the only file that knows everyone.

Law: it connects, and decides nothing but the order in which things start and stop. It stops for exactly one reason, and
that reason is the exit code.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from llm_sidecar import __version__, log
from llm_sidecar.errors import SidecarError
from llm_sidecar.messages import handshake
from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.shape import Empty, NoParams
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.redaction import hide
from llm_sidecar.rpc.connection import ByteSource, Connection
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.rpc.dispatcher import Dispatcher
from llm_sidecar.rpc.outbox import ByteSink, Outbox
from llm_sidecar.rpc.parent import ParentWatch
from llm_sidecar.settings import Settings, take_keys
from llm_sidecar.storage.data_folder import DataFolder

if TYPE_CHECKING:
    from llm_sidecar.methods.composition import Methods

_TICK_SECONDS: Final = 1.0
_REFUSAL_SECONDS: Final = 0.25
"""How long a sidecar whose data folder is another's answers what it is asked, before it goes."""
_CLOSE_SECONDS: Final = 1.0
"""What `shutdown` waits for upstream connections to close: closing waits for no provider, so this is never used up."""
_BEFORE_INITIALIZE: Final = frozenset({"initialize", "ping", "rpc.discover", "exit", "$/cancelRequest"})
"""What may come before the handshake without making it too late."""
_WHILE_STOPPING: Final = frozenset(
    {"ping", "shutdown", "exit", "$/cancelRequest", "llm:cancel", "llm:get-status", "llm:inference:attach"}
)
"""What starts nothing, and is served until the end."""


class Exit(enum.IntEnum):
    """Why the process ended: its exit code."""

    END_OF_INPUT = 0
    """stdin ended, or the host sent `exit`."""
    FAILURE = 1
    """A fault of the sidecar itself; the last lines of stderr say where."""
    USAGE = 2
    """The command line, an environment variable or `config.toml` is not understood."""
    HOST_DIED = 3
    """The host's process is gone, though somebody still holds its end of the pipe."""
    OUTPUT_CLOSED = 4
    """Nobody can read stdout any more."""
    LOCKED = 5
    """Another sidecar serves the data folder."""
    INTERRUPTED = 130
    """SIGINT."""
    TERMINATED = 143
    """SIGTERM or SIGHUP."""


class Sidecar:
    """One sidecar on one transport. Make it inside a running event loop; `run` it once."""

    def __init__(
        self,
        source: ByteSource,
        sink: ByteSink,
        settings: Settings,
        environment: MutableMapping[str, str],
        *,
        before_services: Callable[[], None] = lambda: None,
    ) -> None:
        """`before_services` is called when the handshake is over, before anything secret is loaded."""
        self._settings = settings
        self._limits = settings.limits
        self._loop = asyncio.get_running_loop()
        self._started_at = time.monotonic()
        self._sink = sink
        self._keys = take_keys(environment)
        self._key_source = settings.key_source
        self._before_services = before_services
        self._folder: DataFolder | None = None
        self._refusal: SidecarError | None = None
        try:
            self._folder = DataFolder.take(settings.data_dir)
        except SidecarError as error:
            self._refusal = error
        self._outbox = Outbox(sink, lambda: self._limits)
        self._loaded_methods: Methods | None = None
        self._dispatcher = Dispatcher(
            METHODS,
            self._handlers(),
            self._outbox,
            lambda: self._limits,
            admit=self._admit,
            show_stacks=settings.dev,
        )
        self._connection = Connection(
            source,
            self._dispatcher,
            self._outbox,
            lambda: self._limits,
            self._end_of_input,
            drain=settings.drain,
        )
        self._outbox.on_broken = lambda: self.stop(Exit.OUTPUT_CLOSED)
        self._stopped: asyncio.Future[Exit] = self._loop.create_future()
        self._accepting = True
        self._may_initialize = True
        self._parent: ParentWatch | None = None
        self._prewarming: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._loop_lag_ms = 0.0

    def stop(self, reason: Exit) -> None:
        """Stop for `reason`, unless another came first."""
        if not self._stopped.done():
            self._stopped.set_result(reason)

    async def run(self, *, watch_parent: bool = False) -> Exit:
        """Serve until something stops it; returns why, with everything settled and written as far as possible."""
        if watch_parent:
            self._parent = ParentWatch(lambda: self.stop(Exit.HOST_DIED))
        self._loop.call_later(_TICK_SECONDS, self._tick, self._loop.time() + _TICK_SECONDS)
        if self._refusal is not None:
            log.error("not serving", code=self._refusal.code, dataDir=self._settings.data_dir)
            self._loop.call_later(_REFUSAL_SECONDS, self.stop, Exit.LOCKED)
        self._connection.start()
        reason = await self._stopped
        await self._settle()
        log.info("stopped", reason=reason.name.lower().replace("_", " "), exitCode=int(reason))
        return reason

    # --- the end ---

    def _end_of_input(self) -> None:
        if self._refusal is not None:
            self.stop(Exit.LOCKED)
        elif self._settings.drain:
            self._draining = asyncio.ensure_future(self._finish_work())
            self._draining.add_done_callback(lambda _: self.stop(Exit.END_OF_INPUT))
        else:
            self.stop(Exit.END_OF_INPUT)

    async def _finish_work(self) -> None:
        await self._dispatcher.settled()
        await self._methods.drained()
        await self._outbox.drained()

    async def _settle(self) -> None:
        """End what runs, tell the host as long as it listens, close everything; bounded in time."""
        if self._draining is not None:
            self._draining.cancel()
        self._accepting = False
        self._connection.close()
        self._dispatcher.refuse_all()
        if self._loaded_methods is not None:
            self._loaded_methods.end_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.exit_flush_ms / 1000):
                await self._dispatcher.settled()
                if self._loaded_methods is not None:
                    await self._loaded_methods.idle()
                await self._outbox.drained()
                if self._loaded_methods is not None:
                    await self._loaded_methods.aclose()
        if self._parent is not None:
            self._parent.close()
        if self._folder is not None:
            self._folder.release()
        self._sink.close()

    # --- admission ---

    def _admit(self, method: str) -> None:
        if self._refusal is not None and method != "exit":
            raise self._refusal
        if not self._accepting and method not in _WHILE_STOPPING:
            raise SidecarError("SHUTTING_DOWN", "The sidecar is stopping.")
        if method not in _BEFORE_INITIALIZE:
            self._may_initialize = False

    def _tick(self, due: float) -> None:
        now = self._loop.time()
        self._loop_lag_ms = round((now - due) * 1000, 3)
        self._loop.call_later(_TICK_SECONDS, self._tick, now + _TICK_SECONDS)

    # --- handlers ---

    @property
    def _methods(self) -> Methods:
        if self._loaded_methods is None:
            from llm_sidecar.methods.composition import Methods

            assert self._folder is not None
            self._before_services()
            self._loaded_methods = Methods(
                self._outbox,
                lambda: self._limits,
                keys=self._keys,
                started_at=self._started_at,
                loop_lag_ms=lambda: self._loop_lag_ms,
                folder=self._folder.path,
                key_source=self._key_source,
                use_proxy=self._settings.use_proxy,
            )
        return self._loaded_methods

    def _handlers(self) -> dict[str, Handler]:
        lifecycle: dict[str, Handler] = {
            "initialize": self._initialize,
            "ping": lambda _context, _params: Empty(),
            "shutdown": self._shutdown,
            "exit": lambda _context, _params: self.stop(Exit.END_OF_INPUT),
            "$/cancelRequest": self._cancel_request,
            "rpc.discover": self._discover,
        }
        return {name: lifecycle.get(name) or self._loaded_on_use(name) for name in METHODS}

    def _loaded_on_use(self, name: str) -> Handler:
        def handler(context: Context, params: Any) -> Any:
            return self._methods.handlers[name](context, params)

        return handler

    def _initialize(self, context: Context, params: handshake.InitializeParams) -> handshake.InitializeResult:
        hide(params.vault_key)
        if not self._may_initialize:
            raise SidecarError("ALREADY_INITIALIZED", "`initialize` comes once, before any other work.")
        limits = self._limits.with_changes(params.limits or {}, where="limits")
        if params.token_batching is not None:
            batching = params.token_batching
            changes = {"tokenBatchDelayMs": batching.max_delay_ms, "tokenBatchTokens": batching.max_tokens}
            limits = limits.with_changes(changes, where="tokenBatching")
        if params.vault_key is not None:
            from llm_sidecar.vault.key_sources import host_key

            self._key_source = host_key(params.vault_key)
        self._may_initialize = False
        self._limits = limits
        self._connection.limits_changed()
        if params.process_id is not None and self._parent is not None:
            seen = self._parent.watch(params.process_id)
            log.info("watching the host", processId=params.process_id, visible=seen)
        context.after_reply(lambda: self._loop.call_soon(self._prewarm, params.prewarm or []))
        return handshake.InitializeResult(
            protocol_version=handshake.PROTOCOL_VERSION,
            server=handshake.ServerInfo(name="llm-sidecar", version=__version__),
            capabilities={"methods": list(METHODS), "notifications": list(NOTIFICATIONS)},
            encryption=self._encryption,
            limits=limits.to_wire(),
            providers=list(BRANDS),
        )

    @property
    def _encryption(self) -> handshake.EncryptionState:
        """What can be said before the vault is opened: a wrong key is told by `llm:vault:status`, and by use."""
        source = self._key_source
        return handshake.EncryptionState(available=source is not None, source=None if source is None else source.name)

    def _prewarm(self, provider_ids: list[str]) -> None:
        """Load what the first request needs while the host reads our answer."""
        self._outbox.flush()
        methods = self._methods
        if provider_ids:
            self._prewarming = asyncio.ensure_future(methods.warm(provider_ids))

    def _shutdown(self, _context: Context, params: handshake.ShutdownParams) -> Awaitable[Empty]:
        self._accepting = False
        return self._wind_down(params)

    async def _wind_down(self, params: handshake.ShutdownParams) -> Empty:
        milliseconds = self._limits.shutdown_grace_ms if params.deadline_ms is None else params.deadline_ms
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(milliseconds / 1000):
                await self._methods.idle()
        self._dispatcher.refuse_all()
        self._methods.end_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._methods.idle()
                await self._methods.inferences.closed()
        return Empty()

    def _cancel_request(self, _context: Context, params: handshake.CancelRequestParams) -> None:
        self._dispatcher.cancel_request(params.id)

    def _discover(self, _context: Context, _params: NoParams) -> dict[str, Any]:
        from llm_sidecar.protocol.openrpc import document

        return document()
