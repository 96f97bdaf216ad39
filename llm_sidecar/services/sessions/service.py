"""Sessions: conversations that are kept, and answered turn by turn.

Law: what is said in a session is in `storage`; here is only what the running process knows: which are live, which are
being answered, and what could not be stored yet. A session is run by one inference at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

from llm_sidecar import log
from llm_sidecar.errors import FieldProblem, InvalidParams, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import Terminal
from llm_sidecar.messages.inference import InferenceAccepted
from llm_sidecar.messages.session import SessionConfig, SessionForkParams, SessionInfo, SessionRunParams
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.services import metadata
from llm_sidecar.services.inference.origin import Origin
from llm_sidecar.services.inference.run import InferenceRun
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.routing import Router
from llm_sidecar.services.sessions.live import LiveSessions
from llm_sidecar.services.sessions.request import SessionRequests
from llm_sidecar.services.sessions.run import Checkpoints, SessionRun, ending
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.history import HistoryTable, row_of_message
from llm_sidecar.storage.sessions import SessionTable, StoredSession
from llm_sidecar.storage.turns import Ending, TurnTable


class SessionService:
    """Used from the event loop only. Everything may raise what `Database` does."""

    def __init__(
        self,
        database: Database,
        inferences: InferenceService,
        router: Router,
        requests: SessionRequests,
        limits: Callable[[], Limits],
    ) -> None:
        self._table = SessionTable(database)
        self._turns = TurnTable(database)
        self._forks = HistoryTable(database)
        self._inferences = inferences
        self._router = router
        self._requests = requests
        self._limits = limits
        self._live = LiveSessions(asyncio.get_running_loop().time, limits)
        self._runs: dict[str, SessionRun] = {}
        """Who answers, by session id."""
        self._by_inference: dict[str, SessionRun] = {}
        self._unstored: dict[str, tuple[int, int, Ending]] = {}
        """What a disk that failed did not take, by session id: session, turn and how that ended."""
        self.total = 0
        self._ephemeral = 0
        """At most so many sessions are ephemeral."""
        inferences.recorders.append(self._record)
        with contextlib.suppress(SidecarError):  # the database said so in the log
            self.total, ephemeral = self._table.counts()
            if ephemeral:  # of a process that died: their windows are gone
                self.total -= self._table.destroy_all_ephemeral_now()
            interrupted = self._turns.interrupt_all()
            if interrupted:
                log.warning("turns were interrupted by the end of a sidecar", turns=interrupted)

    @property
    def active(self) -> int:
        """How many sessions are live."""
        return self._live.count

    async def create(self, config: SessionConfig) -> SessionInfo:
        """Raises `SESSION_EXISTS`, `SESSION_LIMIT`, `PROFILE_NOT_FOUND`, `INVALID_PROVIDER`, `VALIDATION_ERROR`."""
        self._check(config)
        session_id = config.session_id or f"ses-{os.urandom(9).hex()}"
        return await self._add(session_id, config, lambda: self._table.create(config, session_id))

    async def fork(self, params: SessionForkParams) -> SessionInfo:
        """Raises `SESSION_NOT_FOUND`, `SESSION_EXISTS`, `SESSION_LIMIT`, `VALIDATION_ERROR`."""
        at = None if params.at_message_id is None else row_of_message(params.at_message_id)
        if params.at_message_id is not None and at is None:
            raise InvalidParams([FieldProblem("atMessageId", "no message is called so")])
        session_id = params.new_session_id or f"ses-{os.urandom(9).hex()}"
        config = (await self._table.get(params.session_id)).config
        return await self._add(session_id, config, lambda: self._forks.fork(params.session_id, session_id, at))

    async def get(self, session_id: str) -> SessionInfo:
        """Raises `SESSION_NOT_FOUND`."""
        return self.shown(await self._table.get(session_id))

    def run(self, params: SessionRunParams) -> SessionRun:
        """Answer a turn; `start` it when its acceptance has been answered. Raises `SESSION_BUSY`, `INFERENCE_EXISTS`;
        its acceptance raises the rest."""
        if params.session_id in self._runs:
            raise SidecarError("SESSION_BUSY", "The session is answering; one run at a time.", retry_after_ms=1_000)
        window_id = params.window_id or self._live.window_of(params.session_id)
        session_run = SessionRun(params.session_id, self._inferences.reserve(params.inference_id, window_id))
        self._runs[params.session_id] = session_run
        session_run.accepted = asyncio.create_task(self._admit(session_run, params))
        session_run.accepted.add_done_callback(lambda accepted: self._admitted(session_run, accepted))
        return session_run

    def destroy(self, session_id: str) -> tuple[Awaitable[bool], Callable[[], None] | None]:
        """Whether there was such a session, and what sends the terminal of its inference."""
        announce = None
        session_run = self._runs.pop(session_id, None)
        if session_run is not None:
            session_run.is_destroyed = True
            announce = self._inferences.cancel(session_run.reservation.inference_id)
        self._live.release(session_id)
        self._unstored.pop(session_id, None)
        return self._destroy(session_id), announce

    def close_window(self, window_id: str) -> tuple[int, Awaitable[int] | None]:
        """A window is gone, and its inferences are cancelled. Returns how many sessions are not live any more, and
        what destroys its ephemeral ones, where there may be any."""
        released = len(self._live.release_window(window_id))
        return released, self._destroy_ephemeral(window_id) if self._ephemeral else None

    def end(self) -> None:
        """The process ends, and every window with it. (What the database is asked for is done before it is closed.)"""
        if self._ephemeral:
            self._table.destroy_all_ephemeral_soon()

    def shown(self, session: StoredSession) -> SessionInfo:
        """A session with what is known of it here."""
        info = session.info
        if session.config.profile_id is not None or info.provider_id is None or info.model_id is None:
            self._say_who_would_answer(session)
        info.is_active = self._live.is_live(info.session_id)
        info.is_running = self.is_running(info.session_id)
        return info

    def is_running(self, session_id: str) -> bool:
        session_run = self._runs.get(session_id)
        return session_run is not None and session_run.has_begun

    # --- inside ---

    def _say_who_would_answer(self, session: StoredSession) -> None:
        """The provider and model that a run would have if it came now, where the session and its answers do not say, or
        it names a profile."""
        info, config = session.info, session.config
        with contextlib.suppress(SidecarError):  # nobody would, now
            endpoint, model_id = self._router.place(config.profile_id, config.provider_id, config.model_id)
            if config.profile_id is not None and info.provider_id != endpoint.provider_id:
                info.provider_id = info.model_id = None  # the profile goes before whoever else was named, or answered
            info.provider_id = info.provider_id or endpoint.provider_id
            if info.provider_id == endpoint.provider_id:
                info.model_id = config.model_id or info.model_id or model_id or None

    def _check(self, config: SessionConfig) -> None:
        if config.provider_id is not None and config.provider_id not in BRANDS:
            raise SidecarError("INVALID_PROVIDER", f"There is no such provider. Known are: {', '.join(BRANDS)}.")
        if config.profile_id is not None:
            try:
                self._router.check(config.profile_id, None)
            except SidecarError as error:
                if error.code == "PROFILE_NOT_FOUND":
                    raise
        metadata.encoded(config.metadata)  # refuses what is too long

    async def _add(
        self, session_id: str, config: SessionConfig, add: Callable[[], Awaitable[StoredSession]]
    ) -> SessionInfo:
        if self._live.is_live(session_id):
            raise SidecarError("SESSION_EXISTS", "There is a session of this id already.")
        self._live.use(session_id, config.window_id, config.idle_timeout_ms)
        try:
            session = await add()
        except BaseException:
            self._live.release(session_id)
            raise
        self.total += 1
        self._ephemeral += config.ephemeral
        return self.shown(session)

    async def _destroy(self, session_id: str) -> bool:
        existed = await self._table.destroy(session_id)
        self.total -= existed
        return existed

    async def _destroy_ephemeral(self, window_id: str) -> int:
        try:
            destroyed = await self._table.destroy_ephemeral(window_id)
        except SidecarError as error:
            log.error("ephemeral sessions are left", code=error.code)
            return 0
        self.total -= destroyed
        self._ephemeral -= destroyed
        return destroyed

    async def _admit(self, session_run: SessionRun, params: SessionRunParams) -> InferenceAccepted:
        session_id, reservation = params.session_id, session_run.reservation
        if session_id in self._unstored:
            await self._turns.end(*self._unstored[session_id])
            self._unstored.pop(session_id, None)
        said = await self._turns.conversation(session_id)
        _check_exists(session_run)
        config = said.session.config
        window_id = reservation.window_id = params.window_id or config.window_id
        self._live.use(session_id, window_id, config.idle_timeout_ms)
        self._live.hold(session_id)
        request = await self._requests.make(params, said, window_id)
        session_run.session = said.session.id
        beginning = asyncio.ensure_future(
            self._turns.begin(said.session.id, reservation.inference_id, params.messages, window_id)
        )
        try:
            session_run.turn = await asyncio.shield(beginning)
            _check_exists(session_run)
            origin = Origin(session_id=session_id)
            run = self._inferences.admit(
                request.params, origin=origin, reservation=reservation, shorten=request.shorten
            )
        except BaseException as error:
            if isinstance(error, SidecarError) and session_run.turn:
                with contextlib.suppress(SidecarError):  # then it ends as interrupted, as after a crash
                    await self._turns.take_back(session_run.turn)
            else:
                beginning.add_done_callback(self._take_back)
            raise
        session_run.begin(run, Checkpoints(self._turns, session_run.turn, run, self._limits))
        self._by_inference[run.inference_id] = session_run
        return InferenceAccepted(inference_id=run.inference_id)

    def _take_back(self, beginning: asyncio.Future[int]) -> None:
        """Nobody waits for the turn that was begun."""
        if not beginning.cancelled() and beginning.exception() is None:
            self._turns.take_back_soon(beginning.result())

    def _admitted(self, session_run: SessionRun, accepted: asyncio.Task[InferenceAccepted]) -> None:
        if accepted.cancelled() or accepted.exception() is not None:
            self._inferences.release(session_run.reservation)
            self._rest(session_run)

    async def _record(self, run: InferenceRun, outcome: Terminal) -> None:
        session_run = self._by_inference.pop(run.inference_id, None)
        if session_run is None:
            return
        session_run.stop()
        end = session_run.session, session_run.turn, ending(run, outcome)
        try:
            await self._turns.end(*end)
        except SidecarError:
            if not session_run.is_destroyed:
                self._unstored[session_run.session_id] = end
            raise
        finally:
            self._rest(session_run)

    def _rest(self, session_run: SessionRun) -> None:
        if self._runs.get(session_run.session_id) is session_run:
            del self._runs[session_run.session_id]
            self._live.rest(session_run.session_id)


def _check_exists(session_run: SessionRun) -> None:
    if session_run.is_destroyed:
        raise SidecarError("SESSION_NOT_FOUND", "The session was destroyed.")
