"""Answers kept for requests that ask for it with `cache: true`.

Law: the key is the sha256 of the request in canonical form: everything that can change the answer, and nothing else
(not the API key, the attempt or who asked). Only answers that came to their own end are kept. Bounded in number, bytes
and age; the least recently used goes first. A hit is the same events again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from llm_sidecar.limits import KIB, MIB
from llm_sidecar.messages.status import CacheFigures
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.events import ProviderEvent

_MAX_ENTRIES: Final = 100
_MAX_AGE_SECONDS: Final = 3_600.0
_MAX_BYTES: Final = 16 * MIB
_MAX_ENTRY_BYTES: Final = 512 * KIB
"""A hundred long answers fit; one that would push out most of the others is not kept."""

_canonical = msgspec.json.Encoder(order="sorted").encode


class _Entry(NamedTuple):
    events: list[ProviderEvent]
    size: int
    expires_at: float


class ResponseCache:
    """`clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._hits = 0
        self._misses = 0

    @property
    def figures(self) -> CacheFigures:
        """For `llm:get-status`."""
        self._drop_expired()
        return CacheFigures(entries=len(self._entries), bytes=self._bytes, hits=self._hits, misses=self._misses)

    def find(self, key: str) -> list[ProviderEvent] | None:
        """The answer kept under `key`; None if there is none (any more)."""
        entry = self._entries.get(key)
        if entry is not None and entry.expires_at <= self._clock():
            self._drop(key)
            entry = None
        if entry is None:
            self._misses += 1
            return None
        self._hits += 1
        self._entries.move_to_end(key)
        return entry.events

    def keep(self, key: str, events: list[ProviderEvent]) -> None:
        """Keep a complete answer."""
        size = len(msgspec.json.encode(events))
        if size > _MAX_ENTRY_BYTES:
            return
        self._drop(key)
        self._entries[key] = _Entry(events, size, self._clock() + _MAX_AGE_SECONDS)
        self._bytes += size
        self._drop_expired()
        while len(self._entries) > _MAX_ENTRIES or self._bytes > _MAX_BYTES:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size

    def _drop_expired(self) -> None:
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if entry.expires_at <= now]:
            self._drop(key)


def cache_key(request: ProviderRequest) -> str | None:
    """The key of a request; None for one that JSON cannot hold (it will be refused)."""
    endpoint = replace(request.endpoint, api_key=None)
    try:
        return hashlib.sha256(_canonical(replace(request, endpoint=endpoint, attempt=1))).hexdigest()
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        return None
