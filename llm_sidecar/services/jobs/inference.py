"""Jobs that are one inference: `inference`, `generate-text`, `chat:completions`.

Law: an inference like any other (slots, limits, timeouts, budgets, usage), for which nobody waits but its job: no
window owns it, it waits for its slot as long as that takes, and it is not streamed. What it says of ids, windows and
streams is not heeded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.chat import ChatCompletionParams
from llm_sidecar.messages.events import DoneEvent, Terminal
from llm_sidecar.messages.generation import GenerateTextParams
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.messages.job import JobKind
from llm_sidecar.providers.prices import may_cost
from llm_sidecar.services.completions.generation import TextGeneration
from llm_sidecar.services.completions.service import ChatCompletions
from llm_sidecar.services.inference.origin import Origin
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.inference.whole_answer import WholeAnswer
from llm_sidecar.services.jobs.run import Ending, RunningJob, failed, interrupted_error, job_error
from llm_sidecar.services.routing import Router

KINDS: Final[dict[JobKind, type[Any]]] = {
    "inference": InferenceParams,
    "generate-text": GenerateTextParams,
    "chat:completions": ChatCompletionParams,
}
_REPLY_BYTES: Final = 2_048
"""Of a result's message, besides the result."""
_BUSY_MS: Final = 1_000
"""Until a job that met a full queue is tried again."""


class InferenceJobs:
    """Used from the event loop only."""

    def __init__(
        self,
        router: Router,
        inferences: InferenceService,
        texts: TextGeneration,
        chats: ChatCompletions,
        limits: Callable[[], Limits],
    ) -> None:
        self._router = router
        self._inferences = inferences
        self._texts = texts
        self._chats = chats
        self._limits = limits

    def check(self, kind: JobKind, params: Any) -> None:
        """Whether it can be asked, as far as that can be told without a key. Raises `InvalidParams`, and as
        `Router.check`."""
        asked = self._answer(kind, params).asked
        self._router.check(asked.profile_id, asked.provider_id)
        for profile_id in asked.fallback_profile_ids or ():
            self._router.check(profile_id, None)

    def costs_money(self, kind: JobKind, stored: bytes) -> bool:
        """Whether it may be charged for. Raises what `Router.routes` does."""
        asked = self._answer(kind, _decoded(kind, stored)).asked
        return any(may_cost(route.endpoint) for route in self._router.routes(asked))

    async def run(self, running: RunningJob, stored: bytes) -> Ending:
        """Ask, and wait for the answer."""
        kind = running.job.info.kind
        if running.cancelled.is_set():
            return Ending("cancelled")
        answer = self._answer(kind, _decoded(kind, stored))
        try:
            outcome = answer.ask(self._inferences, Origin(job_id=running.job.info.job_id))
        except SidecarError as error:
            is_busy = error.retryable and (error.details or {}).get("scope") == "sidecar"
            return Ending("again", delay_ms=error.retry_after_ms or _BUSY_MS) if is_busy else failed(error)
        running.on_cancel = lambda: _cancel(answer)
        try:
            result = await outcome
        except SidecarError as error:
            return self._ending(running, answer, error)
        return self._done(msgspec.json.encode(result))

    def _done(self, result: bytes) -> Ending:
        most = self._limits().max_message_bytes - _REPLY_BYTES
        if len(result) <= most:
            return Ending("done", result)
        message = f"The result has {len(result)} bytes; the limit is {most}. Ask for fewer tokens."
        return failed(SidecarError("MESSAGE_TOO_LARGE", message))

    def _ending(self, running: RunningJob, answer: WholeAnswer[Any], error: SidecarError) -> Ending:
        was_sent = answer.run.attempts.sent > 0
        heard = answer.heard if isinstance(answer, _Inference) else None
        result = None if heard is None else msgspec.json.encode(heard)
        if error.code == "SHUTTING_DOWN":
            paid = was_sent and running.costs_money and answer.run.attempts.may_be_charged
            if running.job.may_restart or not was_sent:
                return Ending("again", paid=paid)
            return Ending("interrupted", result, interrupted_error(), paid=paid)
        if error.code == "CANCELLED":
            return Ending("cancelled", result)
        if error.code == "TIMEOUT" and not was_sent:
            return Ending("again", delay_ms=_BUSY_MS)  # it only waited for a slot
        return Ending("failed", result, job_error(error))

    def _answer(self, kind: JobKind, params: Any) -> WholeAnswer[Any]:
        alone = replace(params, queue=True, window_id=None)
        if isinstance(alone, GenerateTextParams):
            return self._texts.answer(alone)
        if isinstance(alone, ChatCompletionParams):
            return self._chats.answer(alone)
        assert isinstance(alone, InferenceParams), kind
        return _Inference(replace(alone, inference_id=f"job-{os.urandom(9).hex()}", stream=False))


class _Inference(WholeAnswer[DoneEvent]):
    """The terminal is the result; also that of an answer that did not come to its end."""

    heard: Terminal | None = None

    def result(self, done: DoneEvent) -> DoneEvent:
        return done

    def end(self, event: Terminal, text_bytes: int = 0) -> None:
        event.seq = 0
        self.heard = event
        super().end(event, text_bytes)


def _cancel(answer: WholeAnswer[Any]) -> None:
    announce = answer.run.cancel()
    if announce is not None:
        announce()


def _decoded(kind: JobKind, stored: bytes) -> Any:
    return msgspec.json.decode(stored, type=KINDS[kind])
