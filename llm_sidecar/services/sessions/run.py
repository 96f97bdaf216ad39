"""One turn of a session, from its request to its terminal.

Law:
1.  Its inference's id is taken, and the session is busy, from the moment the request is seen.
2.  Before a provider is asked, the turn is on the disk: what cannot be kept is not asked.
3.  Its end is on the disk before its terminal is told. A failed turn is taken back whole; what the end of the process
    cut off is kept, as far as it came.
4.  What is refused on the way to the run leaves nothing of the turn, before that is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message
from llm_sidecar.messages.events import DoneEvent, Terminal
from llm_sidecar.messages.inference import InferenceAccepted
from llm_sidecar.services.inference.run import InferenceRun
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.usage.reservations import Reservation
from llm_sidecar.storage.turns import Ending, EndState, TurnTable


class SessionRun:
    """`accepted` is what the host is answered; call `start` then."""

    accepted: asyncio.Task[InferenceAccepted]

    def __init__(self, session_id: str, reservation: Reservation) -> None:
        self.session_id = session_id
        self.reservation = reservation
        self.is_destroyed = False
        """Its session is, since it was asked for."""
        self.session = self.turn = 0
        """Their rows."""
        self._run: InferenceRun | None = None
        self._checkpoints: Checkpoints | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is an inference."""
        return self._run is not None

    def begin(self, run: InferenceRun, checkpoints: Checkpoints) -> None:
        """Its inference is admitted."""
        self._run = run
        self._checkpoints = checkpoints

    def start(self, inferences: InferenceService) -> None:
        """The host knows the id now."""
        assert self._run is not None
        assert self._checkpoints is not None
        self._checkpoints.begin()
        inferences.start(self._run)

    def stop(self) -> None:
        """The answer is whole, or will not be."""
        if self._checkpoints is not None:
            self._checkpoints.stop()


class Checkpoints:
    """Saves the answer of a turn while it comes, every `session_checkpoint_ms`, what is new of it."""

    def __init__(self, table: TurnTable, turn: int, run: InferenceRun, limits: Callable[[], Limits]) -> None:
        self._table = table
        self._turn = turn
        self._run = run
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._saved_chars = 0
        self._saved_calls_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._timer = self._loop.call_later(self._limits().session_checkpoint_ms / 1000, self._save)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _save(self) -> None:
        answer = self._run.answer
        text = answer.text[self._saved_chars :]
        calls = answer.tool_calls
        calls_bytes = sum(len(call.arguments) + len(call.name) for call in calls or ())
        if text or calls_bytes != self._saved_calls_bytes:
            self._table.save(self._turn, text, calls if calls_bytes != self._saved_calls_bytes else None)
            self._saved_chars += len(text)
            self._saved_calls_bytes = calls_bytes
        self.begin()


def ending(run: InferenceRun, outcome: Terminal) -> Ending:
    """How the turn of `run` ended."""
    state: EndState
    if isinstance(outcome, DoneEvent):
        state = "cancelled" if outcome.cancelled else "complete"
    else:
        state = "interrupted" if outcome.code == "SHUTTING_DOWN" else "failed"
    answer = Message(
        role="assistant",
        content=run.answer.text,
        tool_calls=run.answer.tool_calls,
        provider_state=run.answer.provider_state if state == "complete" else None,
    )
    return Ending(
        answer=answer,
        state=state,
        provider_id=outcome.provider_id,
        model_id=outcome.model_id,
        total_tokens=outcome.usage.total_tokens,
        cost=outcome.cost,
    )
