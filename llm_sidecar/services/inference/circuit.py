"""The circuit breaker: an origin that fails again and again is left alone for a while.

Law: one circuit per origin (scheme, host, port), whoever asks. It opens after `circuit_failures` failures in a row that
say the origin is not well (not a refused key, a full quota or a wrong request); while it is open nothing is sent
there. After `circuit_cooldown_ms` one request may try: its failure opens the circuit again; its first content lets the
others in, who need not wait for the end of a long answer, but only a whole answer makes the failures forgotten.
Sources: Nygard, "Release It!", 2nd ed., ch. 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from llm_sidecar.errors import ProviderError, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.status import CircuitState
from llm_sidecar.providers.base import Endpoint

_UNWELL: Final = frozenset(
    {
        "NETWORK_ERROR",
        "SERVER_ERROR",
        "PROVIDER_OVERLOADED",
        "STREAM_TRUNCATED",
        "FIRST_TOKEN_TIMEOUT",
        "STREAM_TIMEOUT",
    }
)
_MOST_ORIGINS: Final = 1_000


class CircuitOpen(SidecarError):
    """Nothing was sent: the origin failed too often just now."""

    def __init__(self, origin: str, last_code: str, retry_after_ms: int) -> None:
        super().__init__(
            "PROVIDER_OVERLOADED",
            f"{origin} failed several times in a row ({last_code}) and is left alone for a moment.",
            retry_after_ms=retry_after_ms,
            details={"scope": "sidecar", "circuit": "open", "lastCode": last_code},
        )


class Circuit:
    """One origin's. `clock` gives monotonic seconds."""

    def __init__(self, origin: str, clock: Callable[[], float], limits: Callable[[], Limits]) -> None:
        self.origin = origin
        self.failures = 0
        self._clock = clock
        self._limits = limits
        self._last_code = ""
        self._rests_until: float | None = None
        """None while it is closed."""
        self._probing: Passage | None = None

    def enter(self, *, insists: bool = False) -> Passage:
        """The right to send one request. Raises `CircuitOpen`, but to one that `insists` (what comes of it counts)."""
        passage = Passage(self)
        if self._rests_until is not None and not insists:
            wait = self._rests_until - self._clock()
            if wait > 0:
                raise CircuitOpen(self.origin, self._last_code, math.ceil(wait * 1000))
            if self._probing is not None:
                raise CircuitOpen(self.origin, self._last_code, self._limits().retry_base_ms)
            self._probing = passage
        return passage

    @property
    def state(self) -> CircuitState:
        """What it is doing now, for `llm:get-status`."""
        if self._rests_until is None:
            return CircuitState(origin=self.origin, state="closed", failures=self.failures)
        wait = self._rests_until - self._clock()
        if wait > 0:
            return CircuitState(
                origin=self.origin, state="open", failures=self.failures, retry_after_ms=math.ceil(wait * 1000)
            )
        return CircuitState(origin=self.origin, state="half-open", failures=self.failures)

    def let_all_in(self) -> None:
        """The origin answers."""
        self._rests_until = self._probing = None

    def succeeded(self) -> None:
        """The origin is well."""
        self.failures = 0
        self.let_all_in()

    def failed(self, passage: Passage, code: str) -> None:
        """The origin is not."""
        self.failures += 1
        self._last_code = code
        limits = self._limits()
        is_one_too_many = bool(limits.circuit_failures) and self.failures >= limits.circuit_failures
        # One that was under way when it opened puts nothing off: others were told when they may come again.
        if self._probing is passage or (self._rests_until is None and is_one_too_many):
            self._rests_until = self._clock() + limits.circuit_cooldown_ms / 1000
        self.left(passage)

    def left(self, passage: Passage) -> None:
        """Nothing was learnt: another may try."""
        if self._probing is passage:
            self._probing = None


class Passage:
    """One request's way through. Tell it the outcome, once; `leave` where there is none."""

    def __init__(self, circuit: Circuit | None) -> None:
        self._circuit = circuit

    def content_came(self) -> None:
        """The answer has begun."""
        if self._circuit is not None:
            self._circuit.let_all_in()

    def end(self, error: SidecarError | None) -> None:
        """The answer is whole (None), or the request failed with `error`."""
        circuit, self._circuit = self._circuit, None
        if circuit is None:
            return
        if error is None:
            circuit.succeeded()
        elif error.code in _UNWELL:
            circuit.failed(self, error.code)
        elif isinstance(error, ProviderError) and error.status is not None:
            circuit.succeeded()  # it refused, and was well enough to say so
        else:
            circuit.left(self)  # perhaps the request never got there

    def leave(self) -> None:
        """It was cancelled: nothing was learnt about the origin."""
        circuit, self._circuit = self._circuit, None
        if circuit is not None:
            circuit.left(self)


class Circuits:
    """The circuits of all origins."""

    def __init__(self, clock: Callable[[], float], limits: Callable[[], Limits]) -> None:
        self._clock = clock
        self._limits = limits
        self._circuits: dict[str, Circuit] = {}

    def enter(self, endpoint: Endpoint, *, insists: bool = False) -> Passage:
        """The right to send one request to `endpoint`, as of its circuit. What has no origin has none."""
        origin = _origin(endpoint.base_url)
        if origin is None:
            return Passage(None)
        circuit = self._circuits.get(origin)
        if circuit is None:
            if len(self._circuits) >= _MOST_ORIGINS:
                healthiest = min(self._circuits.values(), key=lambda each: each.failures)
                del self._circuits[healthiest.origin]
            circuit = self._circuits[origin] = Circuit(origin, self._clock, self._limits)
        return circuit.enter(insists=insists)

    @property
    def states(self) -> list[CircuitState]:
        """Of every origin that was asked."""
        return [circuit.state for circuit in self._circuits.values()]


@lru_cache(maxsize=64)
def _origin(base_url: str) -> str | None:
    """`https://host:port`; None for what is not reached over HTTP, or is no address at all (the adapter refuses it)."""
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
