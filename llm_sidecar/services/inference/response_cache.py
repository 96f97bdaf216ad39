"""Answers kept for requests that ask for it with `cache: true`.

Law: the key is the sha256 of the request in canonical form: everything that can change the answer, and nothing else
(not the API key, the attempt or who asked). Only answers that came to their own end are kept. Bounded in number, bytes
and age; the least recently used goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from llm_sidecar.digest import sha256
from llm_sidecar.limits import MIB
from llm_sidecar.messages.content import ReasoningOptions, TextFormat
from llm_sidecar.messages.status import CacheFigures
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.services.inference.recording import RecordedAnswer

_MAX_ENTRIES: Final = 100
_MAX_AGE_SECONDS: Final = 3_600.0
_MAX_BYTES: Final = 16 * MIB
"""A hundred long answers."""

_canonical = msgspec.json.Encoder(order="sorted").encode


class _Entry(NamedTuple):
    answer: RecordedAnswer
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

    def find(self, key: str) -> RecordedAnswer | None:
        """The answer kept under `key`; None if there is none (any more)."""
        self._drop_expired()
        entry = self._entries.get(key)
        if entry is None:
            self._misses += 1
            return None
        self._hits += 1
        self._entries.move_to_end(key)
        return entry.answer

    def keep(self, key: str, answer: RecordedAnswer) -> None:
        """Keep a complete answer."""
        self._drop(key)
        self._entries[key] = _Entry(answer, self._clock() + _MAX_AGE_SECONDS)
        self._bytes += answer.size
        self._drop_expired()
        while len(self._entries) > _MAX_ENTRIES or self._bytes > _MAX_BYTES:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.answer.size

    def _drop_expired(self) -> None:
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if entry.expires_at <= now]:
            self._drop(key)


def cache_key(request: ProviderRequest) -> str | None:
    """The key of a request; None for one that JSON cannot hold (it will be refused)."""
    try:
        return sha256(_canonical(_without_what_does_not_matter(request))).hex()
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        return None


def _without_what_does_not_matter(request: ProviderRequest) -> ProviderRequest:
    """The same question, with what stands for nothing left out."""
    return replace(
        request,
        endpoint=replace(request.endpoint, api_key=None),
        attempt=1,
        stop=request.stop or None,
        tools=request.tools or None,
        tool_choice=None if request.tool_choice == "auto" else request.tool_choice,
        response_format=None if isinstance(request.response_format, TextFormat) else request.response_format,
        reasoning=None if request.reasoning == ReasoningOptions() else request.reasoning,
    )
