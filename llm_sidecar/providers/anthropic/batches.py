"""Anthropic's Message Batches: the requests in one body, asked about until the results can be read.

Law: the rules of `batches`. A batch carries nothing of ours but the requests' names, so it cannot be found again by a
token. Its object names the address of its results; they are asked for where the batch is, instead.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from llm_sidecar.errors import SidecarError
from llm_sidecar.providers.anthropic.adapter import anthropic_headers, anthropic_url
from llm_sidecar.providers.anthropic.request import message_body
from llm_sidecar.providers.anthropic.stream import MessageDecoder
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.batches import (
    PRICE,
    BatchLine,
    BatchStatus,
    ended_by_cancel,
    ended_by_time,
    lines_of,
    unreadable_line,
    whole_answer,
    without_stream,
)
from llm_sidecar.providers.exchange import UNREADABLE, fetch
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.refusals.reading import error_from_event

_STATES: Final = {"in_progress": "running", "canceling": "cancelling", "ended": "ended"}


class _Counts(Struct):
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


class _Batch(Struct):
    id: str
    processing_status: str = ""
    request_counts: _Counts | None = None


class _Result(Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")


class _Line(Struct):
    custom_id: str
    result: _Result


_batch = msgspec.json.Decoder(_Batch).decode
_line = msgspec.json.Decoder(_Line).decode


class AnthropicBatches:
    """`BatchApi`, for one batch."""

    can_find = False
    price = PRICE

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def prepare(self, requests: Iterable[ProviderRequest]) -> None:
        pass

    def line(self, custom_id: str, request: ProviderRequest) -> bytes:
        params = without_stream(message_body(request, request.model_id))
        return msgspec.json.encode({"custom_id": custom_id, "params": params})

    async def bring(self, endpoint: Endpoint, lines: list[bytes]) -> bytes:
        """A kept connection that the server has closed meanwhile, or a refused key, shows itself by a look at the
        list."""
        url, headers = _url(endpoint, "?limit=1"), anthropic_headers(endpoint)
        await fetch(self._http, url, headers, msgspec.json.decode, endpoint=endpoint)
        return b"".join((b'{"requests":[', b",".join(lines), b"]}"))

    async def create(self, endpoint: Endpoint, brought: bytes, token: str) -> str:
        url, headers = _url(endpoint, ""), anthropic_headers(endpoint)
        return (await fetch(self._http, url, headers, _batch, body=brought, may_repeat=False, endpoint=endpoint)).id

    async def find(self, endpoint: Endpoint, token: str) -> str | None:
        return None

    async def status(self, endpoint: Endpoint, batch_id: str) -> BatchStatus:
        batch = await self._fetch(endpoint, f"/{quote(batch_id, safe='')}")
        counts = batch.request_counts or _Counts()
        answered = counts.succeeded + counts.errored + counts.canceled + counts.expired
        state: Any = _STATES.get(batch.processing_status, "running")
        return BatchStatus(
            state,
            batch.processing_status,
            answered,
            answered + counts.processing,
            sources=("results",) if state == "ended" else (),
        )

    async def cancel(self, endpoint: Endpoint, batch_id: str) -> None:
        await self._fetch(endpoint, f"/{quote(batch_id, safe='')}/cancel", b"{}")

    async def results(
        self, endpoint: Endpoint, batch_id: str, source: str, model_id: str
    ) -> AsyncGenerator[list[BatchLine]]:
        url = _url(endpoint, f"/{quote(batch_id, safe='')}/results")
        async with aclosing(lines_of(self._http, url, anthropic_headers(endpoint), endpoint)) as read:
            async for lines in read:
                yield [found for line in lines if (found := self._read(endpoint, line)) is not None]

    async def _fetch(self, endpoint: Endpoint, path: str, body: bytes | None = None) -> _Batch:
        headers = anthropic_headers(endpoint)
        return await fetch(self._http, _url(endpoint, path), headers, _batch, body=body, endpoint=endpoint)

    def _read(self, endpoint: Endpoint, line: bytes) -> BatchLine | None:
        try:
            found = _line(line)
        except UNREADABLE:
            return None
        try:
            return BatchLine(found.custom_id, events=self._events(endpoint, found.result))
        except SidecarError as error:
            return BatchLine(found.custom_id, error=error)

    def _events(self, endpoint: Endpoint, result: _Result) -> Any:
        match result.type:
            case "succeeded":
                most = self._http.limits.max_provider_event_bytes
                decoder = MessageDecoder(endpoint.provider_id, most, endpoint.api_key)
                return whole_answer(decoder, bytes(result.message))
            case "errored":
                raise error_from_event(bytes(result.error), secret=endpoint.api_key)
            case "canceled":
                raise ended_by_cancel()
            case "expired":
                raise ended_by_time()
            case _:
                raise unreadable_line()


def _url(endpoint: Endpoint, path: str) -> str:
    return anthropic_url(endpoint, f"/messages/batches{path}")
