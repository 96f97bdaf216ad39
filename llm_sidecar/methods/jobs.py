"""Jobs: work that survives the process."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from llm_sidecar.errors import InvalidParams
from llm_sidecar.messages import job
from llm_sidecar.messages.inference import InferenceParams, Success
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.rpc.params import decode_params
from llm_sidecar.services.jobs.batch_plan import BatchPlan, BatchTarget, PlannedRequest
from llm_sidecar.services.jobs.inference import KINDS
from llm_sidecar.services.jobs.service import JobService, within

_SLICE: Final = 200
"""Requests of a batch that are read before others get their turn."""


class JobMethods:
    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs
        self.handlers: dict[str, Handler] = {
            "llm:job:submit": self._submit,
            "llm:job:get": lambda _, params: jobs.get(params.job_id),
            "llm:job:list": lambda _, params: jobs.list(params),
            "llm:job:cancel": self._cancel,
            "llm:job:result": lambda _, params: jobs.result(params),
        }

    async def _submit(self, context: Context, params: job.SubmitJobParams) -> job.JobAccepted:
        accepted = await self._jobs.submit(params, await _inner(params))
        context.after_reply(self._jobs.pool.wake)
        return accepted

    async def _cancel(self, context: Context, params: job.JobParams) -> Success:
        return await self._jobs.cancel(params.job_id, context.after_reply)


async def _inner(params: job.SubmitJobParams) -> Any:
    """The params of the job's own method, typed. Raises `InvalidParams` with paths that begin with `params`."""
    if params.kind != "batch":
        return _decoded(params.params, KINDS[params.kind], "params")
    batch = _decoded(params.params, job.BatchParams, "params")
    requests: list[PlannedRequest] = []
    for at, asked in enumerate(batch.requests):
        inference = _decoded(asked.request, InferenceParams, f"params.requests[{at}].request")
        requests.append(PlannedRequest(asked.custom_id, inference, msgspec.json.encode(inference)))
        if at % _SLICE == _SLICE - 1:
            await asyncio.sleep(0)
    return BatchPlan(BatchTarget(batch.profile_id, batch.provider_id, batch.model_id), requests)


def _decoded(value: dict[str, Any], shape: type[Any], path: str) -> Any:
    try:
        return decode_params(value, shape)
    except InvalidParams as error:
        raise within(error, path) from None
