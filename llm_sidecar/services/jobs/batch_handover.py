"""Handing a batch over: exactly once, or saying that nobody knows.

Law: a token is on the disk before the request leaves; it stays there until the provider's id is, or until the provider
certainly has not taken it. What a request cannot say is the failure of that request alone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from llm_sidecar.errors import ProviderError, SidecarError
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.batches import BatchApi
from llm_sidecar.providers.prices import may_cost
from llm_sidecar.services.inference.provider_request import provider_request
from llm_sidecar.services.inference.service import Gate
from llm_sidecar.services.jobs.batch_plan import BatchTarget
from llm_sidecar.services.jobs.batch_results import failed_item
from llm_sidecar.services.routing import Route
from llm_sidecar.storage.batch_items import BatchTable, StoredRequest
from llm_sidecar.storage.jobs import JobTable

_PAGE: Final = 100
_NOT_REACHED: Final = frozenset({"ECONNREFUSED", "ENOTFOUND", "TLS_ERROR", "PROXY_ERROR"})
_NOT_SENT: Final = frozenset({"AUTH_ERROR", "VALIDATION_ERROR"})


class Uncertain(SidecarError):
    """Nobody knows whether the provider has it. `reason`: what went wrong on the way there; None: the process died."""

    def __init__(self, reason: SidecarError | None) -> None:
        super().__init__("JOB_INTERRUPTED", "Nobody knows whether the provider took the batch.")
        self.reason = reason


class NothingToSend(SidecarError):
    """Every request was refused before it left."""

    def __init__(self) -> None:
        super().__init__("INVALID_REQUEST", "No request of the batch can be sent; its items say why.")


class Handover:
    """Of the batch of the job `row`."""

    def __init__(self, jobs: JobTable, table: BatchTable, gates: list[Gate], row: int, *, may_restart: bool) -> None:
        self._jobs = jobs
        self._table = table
        self._gates = gates
        self._row = row
        self._may_restart = may_restart
        self._reason: SidecarError | None = None
        self._batch_id: str | None = None
        """What the provider calls it, before that is on the disk."""

    async def found(self, route: Route, api: BatchApi, sleep: Callable[[], Awaitable[None]]) -> str | None:
        """The provider's id of what was being handed over; None if it is to be handed over (again). Raises
        `Uncertain`, or what the provider does."""
        token = (await self._table.get(self._row)).token
        if token is None:
            return None
        if self._batch_id is not None:
            await self._table.sent(self._row, self._batch_id)
            return self._batch_id
        if api.can_find:
            for is_last in (False, True):
                batch_id = await api.find(route.endpoint, token)
                if batch_id is not None:
                    await self._table.sent(self._row, batch_id)
                    return batch_id
                if not is_last:
                    await sleep()  # it may have been on its way
        elif not self._may_restart:
            raise Uncertain(self._reason)
        else:
            await self._jobs.paid(self._row)
        await self._table.not_sent(self._row)
        return None

    async def done(self, route: Route, api: BatchApi, target: BatchTarget) -> str:
        """Hand it over; returns the provider's id. Raises why not: `retryable` says whether it can be tried again."""
        lines = await self._lines(route, api, target)
        if not lines:
            raise NothingToSend
        brought = await api.bring(route.endpoint, lines)
        lines.clear()
        token = os.urandom(16).hex()
        await self._table.sending(self._row, token, costs_money=may_cost(route.endpoint))
        try:
            self._batch_id = await api.create(route.endpoint, brought, token)
        except SidecarError as error:
            if _was_refused(error):
                await self._table.not_sent(self._row)
                raise
            self._reason = error
            raise SidecarError(error.code, error.message, retryable=True, details=error.details) from error
        await self._table.sent(self._row, self._batch_id)
        return self._batch_id

    async def _lines(self, route: Route, api: BatchApi, target: BatchTarget) -> list[bytes]:
        """The requests as they are handed over. Those that cannot be get their item at once."""
        asked_first = True
        after = 0
        while page := await self._table.requests(self._row, after, _PAGE):
            after = page[-1].number
            requests = [self._request(found, route, target) for found in page]
            if asked_first:
                for gate in self._gates:
                    gate(requests[0][0], [route])
                asked_first = False
            api.prepare(request for _, request in requests)
            await asyncio.sleep(0)
        lines: list[bytes] = []
        after = 0
        while page := await self._table.requests(self._row, after, _PAGE):
            after = page[-1].number
            refused = []
            for found in page:
                try:
                    lines.append(api.line(found.custom_id, self._request(found, route, target)[1]))
                except SidecarError as error:
                    refused.append((failed_item(found.custom_id, error), None))
            if refused:
                await self._table.add(self._row, refused)
            await asyncio.sleep(0)
        return lines

    def _request(
        self, found: StoredRequest, route: Route, target: BatchTarget
    ) -> tuple[InferenceParams, ProviderRequest]:
        asked = msgspec.json.decode(found.request, type=InferenceParams)
        model_id = asked.model_id or target.model_id or route.model_id
        return asked, replace(provider_request(asked, route), model_id=model_id)


def _was_refused(error: SidecarError) -> bool:
    """Whether it is certain that the provider has not taken it."""
    if isinstance(error, ProviderError) and error.status is not None:
        return 400 <= error.status < 500 and error.status != 408
    errno = (error.details or {}).get("errno")
    return errno in _NOT_REACHED or error.code in _NOT_SENT
