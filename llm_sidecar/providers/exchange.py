"""One request and its answer over HTTP, as every adapter makes them: errors typed, the stream decoded.

Law: it knows no vendor. An adapter brings the URL, the headers, the body and a decoder (bytes in, events out, no I/O);
this module reads what the decoder asks for and not more, so that the socket's window is the only buffer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVar

import msgspec

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.http.response import HttpResponse
from llm_sidecar.providers.refusals.reading import error_from_response

T = TypeVar("T")

SSE_TYPES: Final = frozenset({"text/event-stream", "text/plain", "application/octet-stream", ""})
"""Content types under which servers are known to stream events."""
_WHOLE: Final = "application/json"
"""The content type of a server that does not stream: one body, read to its end."""

UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding raises for bytes that are not UTF-8, not JSON, too deep, or not of the wanted shape."""


class AnswerDecoder(Protocol):
    """The body of one answer: bytes in, cut anywhere → events out.

    `complete` is true once the `Finish` was returned; `failure` is set once there will be none. What came before a
    fault is returned first.
    """

    complete: bool
    failure: ProviderError | None

    def feed(self, data: bytes) -> list[ProviderEvent]:
        """The events completed by `data`, in order; may be empty."""
        ...

    def end(self) -> list[ProviderEvent]:
        """The body ended cleanly."""
        ...

    def feed_whole(self, body: bytes) -> list[ProviderEvent]:
        """The events of a whole answer in one JSON body (or the error it holds)."""
        ...


def usable_key(endpoint: Endpoint) -> str | None:
    """The endpoint's key, fit for a header. Raises `AUTH_ERROR` for what cannot be one."""
    key = endpoint.api_key
    if key and (not key.isascii() or not key.isprintable()):
        raise ProviderError("AUTH_ERROR", "The key holds characters that no key has (a line break, perhaps).")
    return key or None


@asynccontextmanager
async def exchange(
    http: HttpClient,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    endpoint: Endpoint,
    content_type: str = "application/json",
    may_repeat: bool = True,
) -> AsyncIterator[HttpResponse]:
    """POST a `body` (JSON, or what `content_type` says), or GET where there is none; give the successful answer, and
    close it. `may_repeat` as `HttpClient.send` has it.

    `url` and `headers` were made of `endpoint`. Raises what went wrong, typed; the key is in no error.
    """
    if body is not None:
        headers = {**headers, "Content-Type": content_type}
    response = await http.send(
        "GET" if body is None else "POST",
        url,
        headers,
        body,
        allow_insecure=endpoint.allow_insecure,
        may_repeat=may_repeat,
    )
    try:
        if response.status >= 400:
            beginning = await response.read_prefix(http.limits.max_error_body_bytes)
            raise error_from_response(response.status, response.headers, beginning, secret=endpoint.api_key)
        yield response
    finally:
        response.close()


async def fetch(
    http: HttpClient,
    url: str,
    headers: Mapping[str, str],
    decode: Callable[[bytes], T],
    *,
    body: bytes | None = None,
    content_type: str = "application/json",
    may_repeat: bool = True,
    endpoint: Endpoint,
) -> T:
    """As `exchange`, but the whole JSON answer, decoded. Raises `PROVIDER_PROTOCOL_ERROR` where `decode` refuses it."""
    async with exchange(
        http, url, headers, body, endpoint=endpoint, content_type=content_type, may_repeat=may_repeat
    ) as response:
        data = await response.read_all(http.limits.max_provider_event_bytes)
    try:
        return decode(data)
    except UNREADABLE as error:
        raise ProviderError("PROVIDER_PROTOCOL_ERROR", "The provider's answer is not readable.") from error


class DecodedBody:
    """The batches of one answer, as they arrive; before them `opening`, what the adapter itself has to say of it.

    Raises `PROVIDER_PROTOCOL_ERROR` for a body that can be none.
    """

    def __init__(
        self,
        response: HttpResponse,
        decoder: AnswerDecoder,
        max_event_bytes: int,
        stream_types: frozenset[str] = SSE_TYPES,
        *,
        opening: Sequence[ProviderEvent] = (),
    ) -> None:
        self._is_whole = response.content_type == _WHOLE
        if not self._is_whole and response.content_type not in stream_types:
            raise ProviderError("PROVIDER_PROTOCOL_ERROR", "The provider's answer is not a stream of events.")
        self._response = response
        self._decoder = decoder
        self._max_event_bytes = max_event_bytes
        self._opening = opening

    def __aiter__(self) -> AsyncIterator[list[ProviderEvent]]:
        return self

    async def __anext__(self) -> list[ProviderEvent]:
        if self._opening:
            opening, self._opening = self._opening, ()
            return list(opening)
        decoder = self._decoder
        while not decoder.complete:
            if decoder.failure is not None:
                raise decoder.failure
            if self._is_whole:
                batch = decoder.feed_whole(await self._response.read_all(self._max_event_bytes))
            else:
                data = await self._response.read()
                batch = decoder.feed(data) if data else decoder.end()
            if batch:
                return batch
        self._response.finish()
        raise StopAsyncIteration
