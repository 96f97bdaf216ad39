"""The notifications of jobs.

Law: what they tell is on the disk already, but for the progress of a batch, which may be a little ahead.
"""

from __future__ import annotations

from typing import Final

from llm_sidecar.messages.catalogue import EVENT_NAMES
from llm_sidecar.messages.job import JobDoneEvent, JobErrorEvent, JobEvent, JobInfo, JobProgressEvent
from llm_sidecar.services.inference.event_sink import EventSink
from llm_sidecar.services.jobs.run import interrupted_error

_WEIGHT: Final = 512
"""Bytes, about; a message of an error may be longer."""


class _Notice:
    """A notification as it is."""

    __slots__ = ("_event", "weight")

    def __init__(self, event: JobEvent, weight: int) -> None:
        self._event = event
        self.weight = weight

    def take(self) -> tuple[str, JobEvent]:
        return EVENT_NAMES[type(self._event)], self._event


class JobNotices:
    """Tells the host."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    def tell(self, info: JobInfo, items: int | None = None) -> None:
        """How a job stands now; `items` of a batch that is over: how many came."""
        event = _event(info, items)
        weight = _WEIGHT + (len(event.error.message) if isinstance(event, JobErrorEvent) else 0)
        self._sink.publish(_Notice(event, weight))


def _event(info: JobInfo, items: int | None) -> JobEvent:
    match info.state:
        case "done" | "cancelled":
            is_cancelled = info.state == "cancelled"
            return JobDoneEvent(
                job_id=info.job_id, kind=info.kind, window_id=info.window_id, cancelled=is_cancelled, items=items
            )
        case "failed" | "interrupted":
            return JobErrorEvent(
                job_id=info.job_id,
                kind=info.kind,
                window_id=info.window_id,
                error=info.error or interrupted_error(),
                may_have_been_paid=info.may_have_been_paid,
            )
        case _:
            return JobProgressEvent(
                job_id=info.job_id,
                kind=info.kind,
                window_id=info.window_id,
                state=info.state,
                progress=info.progress,
            )
