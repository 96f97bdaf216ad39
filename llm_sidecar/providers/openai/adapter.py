"""OpenAI and Azure OpenAI: which of OpenAI's two formats a request is sent in.

Law: the rules of `providers.base`. Chat completions, unless one of these wants the Responses format:
- the request asks for reasoning: only there is it shown, kept for the next turn, and combined with tools;
- the model is offered nowhere else (`_RESPONSES_ONLY`), or takes tools nowhere else (`_TOOLS_BY_RESPONSES_ONLY`);
- a message is an answer of this model that must be replayed as it came (`openai_responses.replay`).
Azure's older API has chat completions only.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from msgspec.structs import replace

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.base import Endpoint, ModelDescription, ProviderRequest
from llm_sidecar.providers.events import ProviderEvent
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.chat import OpenAIChatProvider
from llm_sidecar.providers.openai.endpoint import azure_deployment, is_older_azure
from llm_sidecar.providers.openai_responses.adapter import OpenAIResponsesProvider
from llm_sidecar.providers.openai_responses.replay import must_be_replayed, origin_of

_RESPONSES_ONLY: Final = (
    r"o\d+-pro",  # o1-pro, o3-pro
    r"gpt-[\d.]+-pro",  # gpt-5-pro, gpt-5.2-pro
    r"(gpt-[\d.]+-)?codex",  # gpt-5-codex, gpt-5.1-codex-max, codex-mini-latest
    r"o\d+(-mini)?-deep-research",
    r"computer-use-preview",
    r"gpt-daybreak",
    r"gpt-[\d.]+-cyber",
    r"gpt-([\d.]+-)?rosalind",
    r"gpt-[\d.]+-astra-law",
)
"""How the names of models without chat completions begin, up to a dash or their end. Source: the official SDK's types
(what is in `AllModels` and not in `ChatModel`). Of the codex and pro families `ChatModel` lists some; they are taken by
their family, for which the API answers "only supported in v1/responses"."""

_TOOLS_BY_RESPONSES_ONLY: Final = (5, 6)
"""From gpt-5.6 on, chat completions refuse tools unless reasoning is switched off, even where none was asked for (400
"Function tools with reasoning_effort are not supported for gpt-5.6-… in /v1/chat/completions")."""

_needs_responses_by_name: Final = re.compile(rf"(?:{'|'.join(_RESPONSES_ONLY)})(?:-.*)?").fullmatch
_gpt_version: Final = re.compile(r"gpt-(\d)(?:\.(\d+))?(?:-.*)?").fullmatch


class OpenAIProvider:
    """`Provider` for OpenAI's own models, at OpenAI and at Azure."""

    def __init__(self, http: HttpClient) -> None:
        self._chat = OpenAIChatProvider(http)
        self._responses = OpenAIResponsesProvider(http)

    @asynccontextmanager
    async def stream(self, request: ProviderRequest) -> AsyncIterator[AsyncIterator[list[ProviderEvent]]]:
        """One streamed answer; see the rules of `providers.base`."""
        request = _with_deployment(request)
        adapter = self._responses if needs_responses(request) else self._chat
        async with adapter.stream(request) as batches:
            yield batches

    async def list_models(self, endpoint: Endpoint) -> list[ModelDescription]:
        """The models offered at `endpoint` (at Azure: those that could be deployed). Raises `ProviderError`."""
        return await self._chat.list_models(endpoint)

    async def warm(self) -> None:
        await self._chat.warm()

    async def aclose(self) -> None:
        await self._chat.aclose()


def needs_responses(request: ProviderRequest) -> bool:
    """Whether `request` is one for the Responses format."""
    if is_older_azure(request.endpoint):
        return False
    name = request.model_id.lower()
    if request.reasoning is not None or _needs_responses_by_name(name):
        return True
    if request.tools and _version(name) >= _TOOLS_BY_RESPONSES_ONLY:
        return True
    origin = origin_of(request.endpoint, request.model_id)
    return any(must_be_replayed(message, origin) for message in request.messages)


def _version(name: str) -> tuple[int, int]:
    version = _gpt_version(name)
    return (int(version[1]), int(version[2] or 0)) if version else (0, 0)


def _with_deployment(request: ProviderRequest) -> ProviderRequest:
    """Azure's list of models names what could be deployed, not what is: the first of it would be no model to ask."""
    if request.endpoint.provider_id != "azure" or request.model_id:
        return request
    deployment = azure_deployment(request.endpoint)
    if deployment is None:
        raise ProviderError("INVALID_MODEL", "Azure wants the name of a deployment as the model, and none was named.")
    return replace(request, model_id=deployment)
