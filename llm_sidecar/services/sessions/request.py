"""From a session and the new messages of a turn to the request for its answer.

Law: what the run says goes before what the session says. Who names a profile or a provider for a run means that one's
model, not the session's. Nothing is cut without `contextPolicy: "truncate"`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.inference import AnswerOptions, InferenceParams
from llm_sidecar.messages.session import SessionConfig, SessionRunParams
from llm_sidecar.providers.prices import PriceList
from llm_sidecar.services.routing import Router
from llm_sidecar.services.sessions.context import Window, estimated, estimated_tools
from llm_sidecar.storage.turns import Conversation

T = TypeVar("T")

_SMALLEST_WINDOW: Final = 4_000
"""Tokens that every model takes: below this nobody is asked how many that are."""
_MOST_MISJUDGED: Final = 2
"""An estimate is not believed to be more than this many times too high."""
_SHARE_OF_ANSWER: Final = 8
"""Without `maxTokens`, this part of a context window is left for the answer."""


class SessionRequest(NamedTuple):
    """`shorten` gives the same with fewer turns; None: as it is, or not at all."""

    params: InferenceParams
    shorten: Callable[[], InferenceParams | None] | None


class SessionRequests:
    def __init__(self, router: Router, prices: PriceList) -> None:
        self._router = router
        self._prices = prices

    async def make(self, params: SessionRunParams, said: Conversation, window_id: str | None) -> SessionRequest:
        """Raises what `Router.place` does, and `CONTEXT_LENGTH_EXCEEDED` where it is far too long for sure."""
        window = Window(said.turns, params.messages)
        request = _request(params, said.session.config, window_id)
        request.messages = window.messages()
        truncates = (params.context_policy or said.session.config.context_policy) == "truncate"
        beside = estimated([], request.system_prompt) + estimated_tools(request.tools)
        tokens = beside + estimated(request.messages)
        known = await self._known_window(request) if tokens > _SMALLEST_WINDOW else None
        if known is not None and truncates:
            window.fit(known - beside - (request.max_tokens or known // _SHARE_OF_ANSWER))
            request.messages = window.messages()
            tokens = beside + estimated(request.messages)
        if known is not None and tokens > known * _MOST_MISJUDGED:
            message = f"About {tokens} tokens are too many for this model, which takes {known}."
            raise SidecarError("CONTEXT_LENGTH_EXCEEDED", message)

        def shorten() -> InferenceParams | None:
            return replace(request, messages=window.messages()) if window.shrink() else None

        return SessionRequest(request, shorten if truncates else None)

    async def _known_window(self, request: InferenceParams) -> int | None:
        endpoint, model_id = self._router.place(request.profile_id, request.provider_id, request.model_id)
        await self._prices.warm(endpoint)
        listed = self._prices.listed(endpoint, model_id)
        return None if listed is None else listed.context_window


def _request(params: SessionRunParams, config: SessionConfig, window_id: str | None) -> InferenceParams:
    said = {name: getattr(params, name) for name in AnswerOptions.__struct_fields__}
    request = InferenceParams(**said, messages=params.messages)
    request.window_id = window_id
    if request.profile_id is None and request.provider_id is None:
        request.profile_id, request.provider_id = config.profile_id, config.provider_id
        request.model_id = _or(request.model_id, config.model_id)
    request.system_prompt = _or(request.system_prompt, config.system_prompt)
    request.temperature = _or(request.temperature, config.temperature)
    request.max_tokens = _or(request.max_tokens, config.max_tokens)
    return request


def _or(said: T | None, otherwise: T | None) -> T | None:
    return otherwise if said is None else said
