"""Batch endpoints: many requests handed to a provider at once, answered within a day, for half the price.

Law: a call is one exchange with the provider (or a page of a list); it retries nothing and keeps nothing. Results are
read line by line: what is in memory is a piece of the body and a line of it. No exception but `SidecarError` and
cancellation leaves it; whatever a provider's object names (an id, an address), the request goes to the endpoint that
was given, and nowhere else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import msgspec

from llm_sidecar.errors import ProviderError, SidecarError
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.exchange import UNREADABLE, AnswerDecoder, exchange
from llm_sidecar.providers.http.client import HttpClient

if TYPE_CHECKING:
    from llm_sidecar.providers.http.response import HttpResponse

PRICE: Final = 0.5
"""Of the list price (OpenAI, "Batch API": 50 % cost discount; Anthropic, "Batch processing": 50 % of the standard API
prices, cached tokens included)."""


class BatchStatus(NamedTuple):
    """How a batch stands at its provider. Counts are of requests. `error`: why it failed as a whole; `sources`: where
    its results are, once it has ended."""

    state: Literal["running", "cancelling", "ended"]
    words: str
    """The provider's name for it."""
    answered: int
    total: int
    error: SidecarError | None = None
    is_expired: bool = False
    is_cancelled: bool = False
    sources: tuple[str, ...] = ()

    def unanswered(self) -> SidecarError | None:
        """Why a request has no result; None where nobody said."""
        if self.is_expired:
            return ended_by_time()
        return ended_by_cancel() if self.is_cancelled else self.error


class BatchLine(NamedTuple):
    """What came of one request: the events of its answer, or why there is none."""

    custom_id: str
    events: list[ProviderEvent] | None = None
    error: SidecarError | None = None


class BatchApi(Protocol):
    """One provider's batches."""

    can_find: bool
    """Whether a batch can be found by the token it was handed over with."""
    price: float
    """Of the list price."""

    def prepare(self, requests: Iterable[ProviderRequest]) -> None:
        """Look at the requests (once more, after `line`, they are not)."""
        ...

    def line(self, custom_id: str, request: ProviderRequest) -> bytes:
        """A request as it is handed over. Raises `INVALID_REQUEST` for what cannot be said."""
        ...

    async def bring(self, endpoint: Endpoint, lines: list[bytes]) -> bytes:
        """What can be done before it counts; returns what `create` wants. May be repeated. Raises `ProviderError`."""
        ...

    async def create(self, endpoint: Endpoint, brought: bytes, token: str) -> str:
        """Hand them over, in one request that is never repeated; returns the provider's id. Raises `ProviderError`."""
        ...

    async def find(self, endpoint: Endpoint, token: str) -> str | None:
        """The id of the batch that was created with `token`. Raises `ProviderError`."""
        ...

    async def status(self, endpoint: Endpoint, batch_id: str) -> BatchStatus:
        """Raises `ProviderError`."""
        ...

    async def cancel(self, endpoint: Endpoint, batch_id: str) -> None:
        """Ask for its end. Raises `ProviderError`."""
        ...

    def results(self, endpoint: Endpoint, batch_id: str, source: str, model_id: str) -> AsyncGenerator[list[BatchLine]]:
        """What came, as it is read; `model_id` was asked. Raises `ProviderError`, `STREAM_TRUNCATED` where the body is
        cut off."""
        ...


def ended_by_cancel() -> SidecarError:
    """Of a request that was not answered because its batch was cancelled."""
    return SidecarError("CANCELLED", "The batch was cancelled before this request was answered.")


def ended_by_time() -> SidecarError:
    """Of a request that the provider did not get to."""
    return SidecarError("TIMEOUT", "The batch expired before this request was answered.")


def unreadable_line() -> ProviderError:
    return ProviderError("PROVIDER_PROTOCOL_ERROR", "A result of the batch is not readable.")


def whole_answer(decoder: AnswerDecoder, body: bytes) -> list[ProviderEvent]:
    """The events of an answer in one JSON body. Raises the error it holds instead."""
    try:
        events = decoder.feed_whole(body)
    except UNREADABLE as error:
        raise unreadable_line() from error
    if not decoder.complete:
        raise decoder.failure or unreadable_line()
    return events


def without_stream(body: bytes) -> dict[str, Any]:
    """A request's body, not to be streamed."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    fields.pop("stream", None)
    fields.pop("stream_options", None)
    return fields


async def lines_of(
    http: HttpClient, url: str, headers: Mapping[str, str], endpoint: Endpoint
) -> AsyncGenerator[list[bytes]]:
    """The lines of a JSONL body, as they come. Raises `PROVIDER_PROTOCOL_ERROR` for one that is too long."""
    headers = {**headers, "Accept": "application/binary"}  # as the vendors' own SDKs ask
    async with exchange(http, url, headers, endpoint=endpoint) as response, aclosing(_pieces(response)) as pieces:
        most = http.limits.max_provider_event_bytes
        rest = b""
        async for piece in pieces:
            *lines, last = piece.split(b"\n")
            if lines:
                lines[0] = rest + lines[0]
                rest = last
            else:
                rest += last
            if max(map(len, (rest, *lines))) > most:
                raise ProviderError("PROVIDER_PROTOCOL_ERROR", f"A result of the batch has more than {most} bytes.")
            whole = [line for line in lines if line.strip()]
            if whole:
                yield whole
        if rest.strip():
            yield [rest]


async def _pieces(response: HttpResponse) -> AsyncGenerator[bytes]:
    while piece := await response.read():
        yield piece
