"""From what a host asks to what an adapter is asked. Pure."""

from __future__ import annotations

from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.services.routing import Route


def provider_request(params: InferenceParams, route: Route, attempt: int = 1) -> ProviderRequest:
    """What the adapter of `route` is asked."""
    return ProviderRequest(
        endpoint=route.endpoint,
        model_id=route.model_id,
        messages=params.messages,
        system_prompt=params.system_prompt,
        temperature=params.temperature,
        max_tokens=params.max_tokens,
        top_p=params.top_p,
        stop=params.stop,
        seed=params.seed,
        tools=params.tools,
        tool_choice=params.tool_choice,
        response_format=params.response_format,
        reasoning=params.reasoning,
        attempt=attempt,
    )
