"""`llm:generate-text`: a prompt in, a text out.

Law: an inference like any other (slots, limits, timeouts, retries, figures), of one message and without a stream. It
decides only what the host left open: how long the answer may be, and its temperature where the model takes one.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from llm_sidecar.messages.content import Message
from llm_sidecar.messages.events import DoneEvent
from llm_sidecar.messages.generation import GeneratedText, GenerateTextParams
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.temperature import takes_temperature
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.inference.whole_answer import WholeAnswer
from llm_sidecar.services.routing import Router

DEFAULT_TEMPERATURE: Final = 0.7


class TextGeneration:
    """Used from the event loop only."""

    def __init__(self, router: Router, inferences: InferenceService) -> None:
        self._router = router
        self._inferences = inferences

    def generate(self, params: GenerateTextParams) -> asyncio.Future[GeneratedText]:
        """The text, when it is whole. Raises what `InferenceService.admit` raises; the future, what ends an inference.
        Cancelling it cancels the inference."""
        return self.answer(params).ask(self._inferences)

    def answer(self, params: GenerateTextParams) -> WholeAnswer[GeneratedText]:
        """What is to be asked."""
        asked = InferenceParams(
            inference_id=f"text-{os.urandom(9).hex()}",
            messages=[Message(role="user", content=params.prompt)],
            profile_id=params.profile_id,
            provider_id=params.provider_id,
            model_id=params.model,
            system_prompt=params.system_prompt,
            temperature=self._default_temperature(params) if params.temperature is None else params.temperature,
            max_tokens=params.max_tokens,
            stream=False,
            timeout_ms=params.timeout_ms,
            cache=params.cache,
            queue=params.queue,
            window_id=params.window_id,
        )
        return _Text(asked)

    def _default_temperature(self, params: GenerateTextParams) -> float | None:
        endpoint, model_id = self._router.place(params.profile_id, params.provider_id, params.model)
        return DEFAULT_TEMPERATURE if takes_temperature(endpoint.provider_id, model_id) else None


class _Text(WholeAnswer[GeneratedText]):
    def result(self, done: DoneEvent) -> GeneratedText:
        return GeneratedText(
            text=done.text or "",
            usage=done.usage,
            finish_reason=done.finish_reason,
            cost=done.cost,
            provider_id=done.provider_id,
            model_id=done.model_id,
            profile_id=done.profile_id,
            cached=done.cached,
        )
