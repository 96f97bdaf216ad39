"""OpenAI's Batch API: a JSONL file is uploaded, a batch made of it, and asked about until its files can be read.

Law: the rules of `batches`. Every request of a batch goes to one endpoint: chat completions, unless one of them wants
the Responses format (`adapter.needs_responses`); then all do. What a request cannot say there is refused for that
request alone. A batch carries its token as metadata, by which it is found again.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from llm_sidecar.errors import SidecarError
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
from llm_sidecar.providers.exchange import UNREADABLE, AnswerDecoder, fetch
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.adapter import needs_responses
from llm_sidecar.providers.openai.endpoint import openai_headers, openai_url
from llm_sidecar.providers.openai.request import chat_body
from llm_sidecar.providers.openai.stream import ChatDecoder
from llm_sidecar.providers.openai_responses.replay import origin_of
from llm_sidecar.providers.openai_responses.request import responses_body
from llm_sidecar.providers.openai_responses.stream import ResponsesDecoder
from llm_sidecar.providers.refusals.reading import error_from_event, error_from_response

T = TypeVar("T")

_JSON: Final = "application/json"
_MARK: Final = "llm_sidecar_batch"
"""Where the token is in the metadata."""
_PAGE: Final = 100
_MOST_PAGES: Final = 20
"""A batch that was just made is among the newest: the list begins with those."""
_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_ENDS: Final = {"batch_expired": ended_by_time, "batch_cancelled": ended_by_cancel}
_CHAT: Final = "/v1/chat/completions"
_RESPONSES: Final = "/v1/responses"


class _Counts(Struct):
    total: int = 0
    completed: int = 0
    failed: int = 0


class _Fault(Struct):
    code: str | None = None
    message: str | None = None


class _Faults(Struct):
    data: list[_Fault] | None = None


class _Batch(Struct):
    id: str
    status: str = ""
    endpoint: str = ""
    metadata: dict[str, Any] | None = None
    request_counts: _Counts | None = None
    errors: _Faults | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


class _Batches(Struct):
    data: list[_Batch]
    has_more: bool = False


class _File(Struct):
    id: str


class _Answer(Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"{}")


class _Line(Struct):
    custom_id: str
    response: _Answer | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_batch = msgspec.json.Decoder(_Batch).decode
_batches = msgspec.json.Decoder(_Batches).decode
_file = msgspec.json.Decoder(_File).decode
_line = msgspec.json.Decoder(_Line).decode
_fault = msgspec.json.Decoder(_Fault | None).decode


class OpenAIBatches:
    """`BatchApi`, for one batch."""

    can_find = True
    price = PRICE

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._wants_responses = False

    def prepare(self, requests: Iterable[ProviderRequest]) -> None:
        self._wants_responses = self._wants_responses or any(needs_responses(request) for request in requests)

    def line(self, custom_id: str, request: ProviderRequest) -> bytes:
        model_id = request.model_id
        body = responses_body(request, model_id) if self._wants_responses else chat_body(request, model_id)
        fields = {"custom_id": custom_id, "method": "POST", "url": self._url, "body": without_stream(body)}
        return msgspec.json.encode(fields)

    async def bring(self, endpoint: Endpoint, lines: list[bytes]) -> bytes:
        return (await self._upload(endpoint, lines)).encode()

    async def create(self, endpoint: Endpoint, brought: bytes, token: str) -> str:
        asked = {
            "input_file_id": brought.decode(),
            "endpoint": self._url,
            "completion_window": "24h",
            "metadata": {_MARK: token},
        }
        url, headers = openai_url(endpoint, "/batches"), openai_headers(endpoint)
        body = msgspec.json.encode(asked)
        return (await fetch(self._http, url, headers, _batch, body=body, may_repeat=False, endpoint=endpoint)).id

    async def find(self, endpoint: Endpoint, token: str) -> str | None:
        path = f"/batches?limit={_PAGE}"
        for _ in range(_MOST_PAGES):
            page = await self._fetch(endpoint, path, _batches)
            for batch in page.data:
                if (batch.metadata or {}).get(_MARK) == token:
                    return batch.id
            if not page.has_more or not page.data:
                break
            path = f"/batches?limit={_PAGE}&after={quote(page.data[-1].id, safe='')}"
        return None

    async def status(self, endpoint: Endpoint, batch_id: str) -> BatchStatus:
        batch = await self._fetch(endpoint, f"/batches/{quote(batch_id, safe='')}", _batch)
        counts = batch.request_counts or _Counts()
        files = (batch.output_file_id, batch.error_file_id)
        has_ended = batch.status in _ENDED
        return BatchStatus(
            "ended" if has_ended else "cancelling" if batch.status == "cancelling" else "running",
            batch.status,
            counts.completed + counts.failed,
            counts.total,
            error=_failure(batch) if batch.status == "failed" else None,
            is_expired=batch.status == "expired",
            is_cancelled=batch.status == "cancelled",
            sources=tuple(file for file in files if file) if has_ended else (),
        )

    async def cancel(self, endpoint: Endpoint, batch_id: str) -> None:
        await self._fetch(endpoint, f"/batches/{quote(batch_id, safe='')}/cancel", _batch, b"{}")

    async def results(
        self, endpoint: Endpoint, batch_id: str, source: str, model_id: str
    ) -> AsyncGenerator[list[BatchLine]]:
        url = openai_url(endpoint, f"/files/{quote(source, safe='')}/content")
        async with aclosing(lines_of(self._http, url, openai_headers(endpoint), endpoint)) as read:
            async for lines in read:
                yield [found for line in lines if (found := self._read(endpoint, line, model_id)) is not None]

    # --- inside ---

    @property
    def _url(self) -> str:
        return _RESPONSES if self._wants_responses else _CHAT

    async def _upload(self, endpoint: Endpoint, lines: list[bytes]) -> str:
        boundary = f"llm-sidecar-{os.urandom(16).hex()}"
        content_type = f"multipart/form-data; boundary={boundary}"
        body = b"".join(
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'.encode(),
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="batch.jsonl"\r\n'
                "Content-Type: application/jsonl\r\n\r\n".encode(),
                b"\n".join(lines),
                f"\n\r\n--{boundary}--\r\n".encode(),
            )
        )
        file = await self._fetch(endpoint, "/files", _file, body, content_type)
        return file.id

    async def _fetch(
        self, endpoint: Endpoint, path: str, decode: Callable[[bytes], T], body: bytes | None = None, kind: str = _JSON
    ) -> T:
        url, headers = openai_url(endpoint, path), openai_headers(endpoint)
        return await fetch(self._http, url, headers, decode, body=body, content_type=kind, endpoint=endpoint)

    def _read(self, endpoint: Endpoint, line: bytes, model_id: str) -> BatchLine | None:
        try:
            result = _line(line)
        except UNREADABLE:
            return None
        try:
            return BatchLine(result.custom_id, events=self._events(endpoint, result, model_id))
        except SidecarError as error:
            return BatchLine(result.custom_id, error=error)

    def _events(self, endpoint: Endpoint, result: _Line, model_id: str) -> Any:
        answer = result.response
        if answer is None:
            raise _error(bytes(result.error), endpoint)
        body = bytes(answer.body)
        if answer.status_code >= 400:
            raise error_from_response(answer.status_code, {}, body, secret=endpoint.api_key)
        return whole_answer(self._decoder(endpoint, body, model_id), body)

    def _decoder(self, endpoint: Endpoint, body: bytes, model_id: str) -> AnswerDecoder:
        most = self._http.limits.max_provider_event_bytes
        if _object_of(body) == "response":
            return ResponsesDecoder(origin_of(endpoint, model_id), most, endpoint.api_key)
        return ChatDecoder(endpoint.provider_id, most, endpoint.api_key)


class _Kind(Struct):
    object: str | None = None


def _object_of(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Kind).object
    except UNREADABLE as error:
        raise unreadable_line() from error


def _error(body: bytes, endpoint: Endpoint) -> SidecarError:
    """A request's own error; the names that only batches know are looked up here."""
    try:
        fault = _fault(body)
    except UNREADABLE:
        fault = None
    if fault is None:
        return unreadable_line()
    end = _ENDS.get(fault.code or "")
    return end() if end is not None else error_from_event(body, secret=endpoint.api_key)


def _failure(batch: _Batch) -> SidecarError:
    """Why the provider took none of it: the file was not what it wants, or not allowed."""
    first = next(iter((batch.errors and batch.errors.data) or ()), _Fault())
    body = msgspec.json.encode({"error": {"code": first.code, "message": first.message}})
    error = error_from_response(400, {}, body)
    return SidecarError(error.code, error.message, details=error.details, retryable=False)
