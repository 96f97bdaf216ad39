"""Which attempt comes next: again on the same route, or on the next one of the chain.

Law: it decides and does nothing. Retries on one route come first; the next route is taken when they are used up or of
no use, and at once where the origin's circuit is open, where it asks us to wait longer than `retry_max_ms`, or where it
let us wait for a first token in vain (another such wait could use up the time of the whole). Only before the first
content (the caller's business).
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.refusals.retry import retry_delay_ms
from llm_sidecar.services.inference.circuit import CircuitOpen
from llm_sidecar.services.routing import Route

DEFAULT_RETRIES: Final = 2


class NextAttempt(NamedTuple):
    """What to do about a failure: wait `delay_ms`, then ask `route`."""

    delay_ms: int
    route: Route


class Attempts:
    """The attempts of one inference. `route` is the present one; `failed_routes` are those given up, with the code."""

    def __init__(self, routes: list[Route], max_retries: int | None, limits: Limits) -> None:
        self.route = routes[0]
        self.sent = 0
        """Requests that left for a provider."""
        self.may_be_charged = False
        """Whether a provider took the last request, or may have."""
        self.failed_routes: list[tuple[Route, str]] = []
        self._others = routes[1:]
        self._max_retries = DEFAULT_RETRIES if max_retries is None else max_retries
        self._limits = limits
        self._on_this_route = 0

    @property
    def fallbacks_asked(self) -> list[Route]:
        """The routes besides the first that were asked."""
        return [*(route for route, _ in self.failed_routes), self.route][1:]

    def begin(self) -> None:
        """Another attempt is made on the present route."""
        self._on_this_route += 1

    def send(self) -> None:
        """Its request leaves."""
        self.sent += 1
        self.may_be_charged = True

    def was_refused(self) -> None:
        """The provider did not take it, or was not reached."""
        self.may_be_charged = False

    def after(self, error: SidecarError, seconds_left: float) -> NextAttempt | None:
        """What comes after `error`; None if there is nothing left to try in the time that is left."""
        if not (self._others and _would_only_wait_again(error)):
            delay_ms = retry_delay_ms(error, self._on_this_route, self._max_retries, self._limits, random.uniform)
            is_too_long = bool(self._others) and (delay_ms or 0) > self._limits.retry_max_ms
            if delay_ms is not None and delay_ms / 1000 < seconds_left and not is_too_long:
                return NextAttempt(delay_ms, self.route)
        return NextAttempt(0, self._others[0]) if self._others and seconds_left > 0 else None

    def go_on(self, step: NextAttempt, error: SidecarError) -> None:
        """`step` is what happens."""
        if step.route is not self.route:
            self.failed_routes.append((self.route, error.code))
            self.route = self._others.pop(0)
            self._on_this_route = 0


def _would_only_wait_again(error: SidecarError) -> bool:
    """Whether another attempt on the same route would only wait."""
    return isinstance(error, CircuitOpen) or error.code == "FIRST_TOKEN_TIMEOUT"
