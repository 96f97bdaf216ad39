"""A batch as it is handed over, and whether it can be. Pure.

Law: every request is the params of an inference; what belongs to the whole (profile, provider, fallbacks) is said once,
of the batch. Ids, windows and streams of a request are not heeded.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from llm_sidecar.errors import FieldProblem, InvalidParams, SidecarError
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.brands import BRANDS, Brand

HAVE_BATCHES: Final = ("openai", "anthropic")
_OF_THE_BATCH: Final = {
    "profile_id": "profileId",
    "provider_id": "providerId",
    "fallback_profile_ids": "fallbackProfileIds",
}
_MOST_PROBLEMS: Final = 50


class PlannedRequest(NamedTuple):
    """One request: its name, its params, and their JSON."""

    custom_id: str
    params: InferenceParams
    stored: bytes


class BatchTarget(Struct, omit_defaults=True):
    """Where a batch goes: what its params say besides the requests."""

    profile_id: str | None = None
    provider_id: str | None = None
    model_id: str | None = None


class BatchPlan(NamedTuple):
    """What is handed over, and where to."""

    target: BatchTarget
    requests: list[PlannedRequest]


def check_brand(brand: Brand) -> None:
    """Raises `INVALID_PROVIDER` for one without batches."""
    if brand.id not in HAVE_BATCHES:
        names = " and ".join(BRANDS[name].name for name in HAVE_BATCHES)
        raise SidecarError("INVALID_PROVIDER", f"{brand.name} takes no batches; {names} do.")


def check_requests(plan: BatchPlan, brand: Brand) -> None:
    """Raises `InvalidParams` with what is wrong, by its path below the params."""
    problems: list[FieldProblem] = []
    seen: set[str] = set()
    models: set[str | None] = set()
    for at, (custom_id, params, _) in enumerate(plan.requests):
        path = f"requests[{at}]"
        if custom_id in seen:
            problems.append(FieldProblem(f"{path}.customId", "is another request's, too"))
        seen.add(custom_id)
        said = (wire for name, wire in _OF_THE_BATCH.items() if getattr(params, name) is not None)
        problems += [FieldProblem(f"{path}.request.{wire}", "is the batch's to say") for wire in said]
        models.add(params.model_id or plan.target.model_id)
        if brand.id == "openai" and len(models) > 1:
            problems.append(FieldProblem(f"{path}.request.modelId", "OpenAI takes one model for the whole batch"))
            models = {params.model_id or plan.target.model_id}
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise InvalidParams(problems[:_MOST_PROBLEMS])
