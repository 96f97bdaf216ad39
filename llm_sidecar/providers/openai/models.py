"""The models of a server that speaks OpenAI's chat completions, from where its brand tells most about them.

Law: every such server lists ids at `GET /models`; some brands tell more elsewhere, and what fails there costs only what
it would have told. Models in memory come first where a server says so: without a named model the first one answers, and
loading another takes long. Models told to be for embeddings are left out. No list is trusted.
"""

from __future__ import annotations

from msgspec import Struct

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.base import Endpoint, ModelDescription
from llm_sidecar.providers.decoding.json_object import JsonObject
from llm_sidecar.providers.exchange import fetch
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.endpoint import openai_headers, openai_url
from llm_sidecar.providers.refusals.reading import error_from_event


class _Model(Struct):
    id: str
    name: str | None = None
    context: int | None = None
    is_loaded: bool = False


async def list_openai_models(http: HttpClient, endpoint: Endpoint) -> list[ModelDescription]:
    """The models that can answer at `endpoint`, those in memory first. Raises `ProviderError`."""
    match endpoint.provider_id:
        case "lmstudio":
            models = await _lm_studio(http, endpoint)
        case "llama.cpp":
            models = await _llama_cpp(http, endpoint)
        case _:
            models = await _listed(http, endpoint)
    models.sort(key=lambda model: not model.is_loaded)
    return [ModelDescription(model.id, model.name, model.context) for model in models if model.id]


async def _listed(http: HttpClient, endpoint: Endpoint) -> list[_Model]:
    """OpenAI's list (Together's is bare), with the context window as vLLM, OpenRouter, Groq and llama.cpp call it."""

    def decode(body: bytes) -> list[_Model]:
        answer = JsonObject.decode(body, bare_list="data")
        if "error" in answer:
            raise error_from_event(body, secret=endpoint.api_key)
        return [_from_list(model) for model in answer.listed("data")]

    url = openai_url(endpoint, "/models")
    return await fetch(http, url, openai_headers(endpoint), decode, endpoint=endpoint)


def _from_list(model: JsonObject) -> _Model:
    named = (model.number(name) for name in ("max_model_len", "context_length", "context_window"))
    context = next((number for number in named if number is not None), model.child("meta").number("n_ctx"))
    # Only llama.cpp in front of several models says which of them are in memory.
    return _Model(model.text("id"), context=context, is_loaded=model.child("status").text("value") == "loaded")


async def _llama_cpp(http: HttpClient, endpoint: Endpoint) -> list[_Model]:
    """Older builds tell their context only in `/props`. In front of several models that says nothing, and is not asked:
    asking for one of them would load it."""
    models = await _listed(http, endpoint)
    if len(models) == 1 and models[0].context is None:
        url, headers = _root(endpoint) + "/props", openai_headers(endpoint)
        try:
            props = await fetch(http, url, headers, JsonObject.decode, endpoint=endpoint)
        except ProviderError:
            return models
        models[0].context = props.child("default_generation_settings").number("n_ctx")
    return models


async def _lm_studio(http: HttpClient, endpoint: Endpoint) -> list[_Model]:
    """From 0.4 on `/api/v1/models`, from 0.3.6 on `/api/v0/models`; OpenAI's list would mix in embedding models."""
    listed = await _list_if_any(http, endpoint, "/api/v1/models", "models")
    if listed is not None:
        return [_from_v1(model) for model in listed if _can_chat(model)]
    listed = await _list_if_any(http, endpoint, "/api/v0/models", "data")
    if listed is not None:
        return [_from_v0(model) for model in listed if _can_chat(model)]
    return await _listed(http, endpoint)


async def _list_if_any(http: HttpClient, endpoint: Endpoint, path: str, field: str) -> list[JsonObject] | None:
    """None for a path the server does not know: 404, or as LM Studio has it, an error with status 200."""
    try:
        return await fetch(
            http,
            _root(endpoint) + path,
            openai_headers(endpoint),
            lambda body: JsonObject.decode(body).listed(field) or None,
            endpoint=endpoint,
        )
    except ProviderError as error:
        if error.status == 404:
            return None
        raise


def _can_chat(model: JsonObject) -> bool:
    return model.text("type") in ("llm", "vlm", "")


def _from_v1(model: JsonObject) -> _Model:
    """The context of a model in memory is the one it was loaded with; of any other, the longest it can take."""
    instances = model.children("loaded_instances")
    loaded_context = instances[0].child("config").number("context_length") if instances else None
    return _Model(
        model.text("key"),
        model.text("display_name") or None,
        loaded_context or model.number("max_context_length"),
        is_loaded=bool(instances),
    )


def _from_v0(model: JsonObject) -> _Model:
    return _Model(
        model.text("id"),
        context=model.number("loaded_context_length") or model.number("max_context_length"),
        is_loaded=model.text("state") == "loaded",
    )


def _root(endpoint: Endpoint) -> str:
    """Where a brand's own API is: beside OpenAI's."""
    return openai_url(endpoint, "").removesuffix("/v1")
