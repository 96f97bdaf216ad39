"""What has been sent of each inference, for who attaches late: bounded per inference, in all, and in number.

Law: an event enters with its final `seq`, in order. Above the bound of one inference its oldest events leave; above the
bound of all, whole finished inferences do, the longest finished first, then the oldest events of the largest. Asking
for what has left is `REPLAY_GAP`, never a shorter answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Struct

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.events import InferenceEvent
from llm_sidecar.messages.inference import AttachedEvent, AttachResult


class _Entry(Struct, frozen=True, gc=False):
    method: str
    event: InferenceEvent
    weight: int


class Journal:
    """The events of one inference."""

    def __init__(self, inference_id: str, journals: Journals) -> None:
        self.inference_id = inference_id
        self._journals = journals
        self._entries: deque[_Entry] = deque()
        self.bytes = 0
        self.next_seq = 0
        self.ended = False
        self.is_kept = True
        """Whether it is still the journal of its inference's id."""

    def append(self, method: str, event: InferenceEvent, weight: int) -> None:
        """Number `event` and keep it."""
        event.seq = self.next_seq
        self.next_seq += 1
        if self.is_kept:
            self._entries.append(_Entry(method, event, weight))
            self.bytes += weight
            self._journals.grew(self, weight)

    def end(self) -> None:
        """The event just appended was the terminal."""
        self.ended = True
        if self.is_kept:
            self._journals.finish(self)

    def clear(self) -> None:
        """Forget every event."""
        while self._entries:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Forget one event."""
        weight = self._entries.popleft().weight
        self.bytes -= weight
        self._journals.total_bytes -= weight

    def since(self, seq: int) -> AttachResult:
        """The events from `seq` on. Raises `REPLAY_GAP` if some of them have left, or none of that number came yet."""
        first = self.next_seq - len(self._entries)
        if not first <= seq <= self.next_seq:
            raise SidecarError(
                "REPLAY_GAP",
                f"Events {first} to {self.next_seq - 1} are kept; {seq} was asked for.",
                details={"firstSeq": first, "nextSeq": self.next_seq},
            )
        events = [AttachedEvent(method=e.method, params=e.event) for e in list(self._entries)[seq - first :]]
        return AttachResult(events=events, terminal=self.ended, next_seq=self.next_seq)


class Journals:
    """The journals of all inferences that can be attached to."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._by_id: dict[str, Journal] = {}
        self._finished: dict[str, None] = {}
        self.total_bytes = 0

    def open(self, inference_id: str) -> Journal:
        """A new journal; one of the same id that ended is replaced."""
        if inference_id in self._by_id:
            self._forget(inference_id)
        journal = self._by_id[inference_id] = Journal(inference_id, self)
        return journal

    def finish(self, journal: Journal) -> None:
        """The inference has ended: its journal may go when room is needed."""
        self._finished[journal.inference_id] = None
        self._make_room()

    def find(self, inference_id: str) -> Journal:
        """Raises `INFERENCE_NOT_FOUND`."""
        journal = self._by_id.get(inference_id)
        if journal is None:
            raise SidecarError("INFERENCE_NOT_FOUND", "No inference of this id is known (any more).")
        return journal

    def grew(self, journal: Journal, weight: int) -> None:
        """An event was added to `journal`."""
        self.total_bytes += weight
        limits = self._limits()
        while journal.bytes > limits.journal_bytes:
            journal.drop_oldest()
        if self.total_bytes > limits.journal_total_bytes:
            self._make_room()

    def _make_room(self) -> None:
        limits = self._limits()
        while self._finished and (
            len(self._finished) > limits.journal_finished or self.total_bytes > limits.journal_total_bytes
        ):
            self._forget(next(iter(self._finished)))
        while self.total_bytes > limits.journal_total_bytes:
            max(self._by_id.values(), key=lambda journal: journal.bytes).drop_oldest()

    def _forget(self, inference_id: str) -> None:
        journal = self._by_id.pop(inference_id)
        journal.is_kept = False
        journal.clear()
        self._finished.pop(inference_id, None)
