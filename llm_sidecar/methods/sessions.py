"""Sessions: conversations that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from llm_sidecar.messages import session
from llm_sidecar.messages.inference import InferenceAccepted, Success
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.sessions.pages import SessionPages
from llm_sidecar.services.sessions.service import SessionService


class SessionMethods:
    def __init__(self, sessions: SessionService, pages: SessionPages, inferences: InferenceService) -> None:
        self._sessions = sessions
        self._inferences = inferences
        self.handlers: dict[str, Handler] = {
            "llm:session:create": lambda _, params: sessions.create(params),
            "llm:session:run": self._run,
            "llm:session:destroy": self._destroy,
            "llm:session:list": lambda _, params: pages.list(params),
            "llm:session:get": lambda _, params: sessions.get(params.session_id),
            "llm:session:history": lambda _, params: pages.history(params),
            "llm:session:fork": lambda _, params: sessions.fork(params),
        }

    def _run(self, context: Context, params: session.SessionRunParams) -> asyncio.Task[InferenceAccepted]:
        run = self._sessions.run(params)
        context.after_reply(lambda: run.start(self._inferences))
        return run.accepted

    def _destroy(self, context: Context, params: session.SessionParams) -> Awaitable[Success]:
        destroyed, announce = self._sessions.destroy(params.session_id)
        if announce is not None:
            context.after_reply(announce)
        return _success(destroyed)


async def _success(happened: Awaitable[bool]) -> Success:
    return Success(success=await happened)
