"""The demo provider: a scripted model for building and testing an interface. No key, no network, deterministic.

Law: plays the `Script` that `composer` wrote, in time. Token i is due at a fixed instant counted from the
acceptance of the request on the loop's clock, so nothing drifts; what is late comes together in one batch. Every wait
is cancelled at once. The directives for hosts' developers are documented in `protocol/demo-provider.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final, NoReturn

from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.scripted.composer import MODELS, compose
from llm_sidecar.providers.scripted.script import Script

_MAX_BATCH_TOKENS: Final = 2_048
"""About 12 KB of text: large enough to be cheap, small enough to share the loop fairly."""
_CONTEXT_WINDOW: Final = 128_000
_MAX_OUTPUT: Final = 100_000


class ScriptedProvider:
    """Implements `Provider`. Stateless: the same request, attempt included, always plays the same."""

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncGenerator[AsyncIterator[list[ProviderEvent]]]:
        script = compose(request)
        accepted_at = asyncio.get_running_loop().time() + script.connect
        await _sleep_until(accepted_at)
        if script.fault is not None and script.fault.after is None:
            await _fail(script)
        async with aclosing(_play(script, accepted_at)) as batches:
            yield batches

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        return [
            ModelDescription(model_id, context_window=_CONTEXT_WINDOW, max_output_tokens=_MAX_OUTPUT)
            for model_id in MODELS
        ]

    async def warm(self) -> None:
        """There is nothing to load."""

    async def aclose(self) -> None:
        """There is nothing to close."""


async def _play(script: Script, accepted_at: float) -> AsyncGenerator[list[ProviderEvent]]:
    clock = asyncio.get_running_loop().time
    yield script.opening
    first_at = accepted_at + script.first_token
    for step, progress in enumerate(script.progress, 1):
        await _sleep_until(accepted_at + script.first_token * step / (len(script.progress) + 1))
        yield [progress]
    length = script.length()
    end = length if script.fault is None or script.fault.after is None else min(script.fault.after, length)
    sent = 0
    await _sleep_until(first_at)
    while sent < end:
        # A clock that stops a rounding error short of a token's instant has reached it.
        due = int((clock() - first_at) * script.rate + 1e-6) + 1 if script.rate else end
        due = min(max(due, sent + 1), sent + _MAX_BATCH_TOKENS, end)
        yield script.deltas(sent, due)
        sent = due
        if sent < end:
            await _sleep_until(first_at + sent / script.rate if script.rate else first_at)
    if script.fault is not None:
        await _fail(script)
    yield script.closing


async def _sleep_until(instant: float) -> None:
    """Wait for the loop's clock; let others run where it is past already."""
    await asyncio.sleep(max(0.0, instant - asyncio.get_running_loop().time()))


async def _fail(script: Script) -> NoReturn:
    """Raise the script's fault, or say nothing more, until cancelled."""
    if script.fault is not None and script.fault.error is not None:
        raise script.fault.error
    while True:
        await asyncio.get_running_loop().create_future()
