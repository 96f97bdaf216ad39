"""What came of the requests of a batch, as a host sees it and as it is paid for.

Law: an answer is put together as one that streamed; it costs what the provider asks for a batch. Nothing is estimated
that the provider counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message
from llm_sidecar.messages.events import DoneEvent, Timings, Usage
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.messages.job import BatchItem
from llm_sidecar.messages.usage import UsageRow
from llm_sidecar.providers.batches import BatchLine
from llm_sidecar.providers.prices import PriceList, cost_of_answer
from llm_sidecar.services.inference.origin import Origin
from llm_sidecar.services.inference.relay import Relay
from llm_sidecar.services.inference.whole_answer import WholeAnswer
from llm_sidecar.services.jobs.run import job_error
from llm_sidecar.services.routing import Route
from llm_sidecar.services.usage.row import usage_row
from llm_sidecar.storage.clock import now_ms

_ROOM: Final = 4_096
"""What an item's page takes besides the item."""


class BatchReader:
    """Of one batch: of the job `job_id`, at `route`; `price` is of the list price."""

    def __init__(
        self, job_id: str, route: Route, price: float, prices: PriceList, limits: Callable[[], Limits]
    ) -> None:
        self._job_id = job_id
        self._route = route
        self._price = price
        self._prices = prices
        self._limits = limits

    def read(self, line: BatchLine) -> tuple[BatchItem, UsageRow | None]:
        """A request's item, and the row of what it used."""
        if line.events is None:
            return failed_item(line.custom_id, line.error), None
        params = InferenceParams(
            inference_id=f"{self._job_id}:{line.custom_id}", messages=[Message(role="user", content="")], stream=False
        )
        relay = Relay(params, WholeAnswer[Any](params), self._limits(), self._route.model_id)
        try:
            relay.take(line.events)
        except SidecarError as error:
            return failed_item(line.custom_id, error), None
        done = self._done(relay, params)
        result = msgspec.to_builtins(done)
        item = BatchItem(custom_id=line.custom_id, result=result)
        most = self._limits().max_message_bytes - _ROOM
        size = len(msgspec.json.encode(item))
        if size > most:
            message = f"The answer has {size} bytes; the limit is {most}. Ask for fewer tokens."
            item = failed_item(line.custom_id, SidecarError("MESSAGE_TOO_LARGE", message))
        return item, usage_row(done, Origin(job_id=self._job_id), now_ms(), cost=done.cost, is_timed=False)

    def _done(self, relay: Relay, params: InferenceParams) -> DoneEvent:
        answer, route = relay.answer, self._route
        assert answer.finish is not None
        assert params.inference_id is not None
        usage = answer.meter.usage(complete=True, was_sent=True)
        return DoneEvent(
            inference_id=params.inference_id,
            seq=0,
            total_tokens=usage.total_tokens,
            usage=usage,
            cost=self._cost(answer.model_id, usage),
            finish_reason=answer.finish.reason,
            raw_finish_reason=answer.finish.raw,
            text=answer.text,
            tool_calls=answer.tool_calls,
            provider_state=answer.provider_state,
            provider_id=route.endpoint.provider_id,
            model_id=answer.model_id,
            profile_id=route.profile_id,
            attempts=1,
            timings=Timings(queued_ms=0, first_token_ms=None, total_ms=0),
        )

    def _cost(self, model_id: str, usage: Usage) -> float | None:
        route = self._route
        cost = cost_of_answer(self._prices, route.endpoint, usage, answered=model_id, asked=route.model_id)
        return None if cost is None else cost * self._price


def failed_item(custom_id: str, error: SidecarError | None) -> BatchItem:
    """Of a request that has no answer."""
    reason = error or SidecarError("PROVIDER_PROTOCOL_ERROR", "The provider gave no result for this request.")
    return BatchItem(custom_id=custom_id, error=job_error(reason))
