"""Ids of inferences that are asked for and not admitted yet: something has to be read first.

Law: an id is taken from the moment its request is seen, so that a cancel that follows at once finds it.
"""

from __future__ import annotations

from llm_sidecar.errors import SidecarError


class Reservation:
    """One id, taken for a run to come. `is_cancelled`: it is to end before it begins."""

    __slots__ = ("inference_id", "is_cancelled", "window_id")

    def __init__(self, inference_id: str, window_id: str | None) -> None:
        self.inference_id = inference_id
        self.window_id = window_id
        self.is_cancelled = False


class Reservations:
    """Those of one service."""

    def __init__(self) -> None:
        self._open: dict[str, Reservation] = {}

    def take(self, inference_id: str, window_id: str | None) -> Reservation:
        """Raises `INFERENCE_EXISTS`."""
        self.check(inference_id)
        reservation = self._open[inference_id] = Reservation(inference_id, window_id)
        return reservation

    def check(self, inference_id: str, own: Reservation | None = None) -> None:
        """Raises `INFERENCE_EXISTS` where somebody else has taken it."""
        if self._open.get(inference_id) not in (None, own):
            raise SidecarError("INFERENCE_EXISTS", "An inference of this id is live.")

    def release(self, reservation: Reservation) -> None:
        """Its run is admitted, or never will be."""
        if self._open.get(reservation.inference_id) is reservation:
            del self._open[reservation.inference_id]

    def cancel(self, inference_id: str) -> bool:
        """Whether it was there, and not cancelled yet."""
        reservation = self._open.get(inference_id)
        if reservation is None or reservation.is_cancelled:
            return False
        reservation.is_cancelled = True
        return True

    def cancel_window(self, window_id: str) -> int:
        """How many of a window there were."""
        ids = [taken.inference_id for taken in self._open.values() if taken.window_id == window_id]
        return sum(self.cancel(inference_id) for inference_id in ids)
