"""Where OpenAI's API is at each brand that speaks it, and how its door opens.

Law: a pure mapping from an endpoint to a URL and headers. Azure has its own paths and its own header (Microsoft,
"Azure OpenAI v1 API lifecycle"): `/openai/v1/…` like OpenAI's, or the older one of a deployment with an `api-version`.
"""

from __future__ import annotations

from typing import Final

from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.endpoints import normalise_base_url
from llm_sidecar.providers.exchange import usable_key

_DEFAULT_PATH: Final = {"azure": "/openai/v1"}
_LEGACY_PATH: Final = "/openai/deployments"
_LEGACY_VERSION: Final = "2024-10-21"
"""The last generally available one of the older API."""


def openai_url(endpoint: Endpoint, path: str, model_id: str = "") -> str:
    """The URL of `path` (which begins with a slash) at `endpoint`. Raises `InvalidParams` for an address that is none.

    An Azure address that ends in `/openai/deployments` (or names one below it) is the older API.
    """
    base_url = normalise_base_url(endpoint.base_url, _DEFAULT_PATH.get(endpoint.provider_id, "/v1"))
    if endpoint.provider_id == "azure":
        if base_url.endswith("/openai"):
            base_url += "/v1"
        root, legacy, deployment = base_url.partition(_LEGACY_PATH)
        if legacy:
            place = f"{deployment or f'/{model_id}'}{path}" if path != "/models" else path
            folder = _LEGACY_PATH if path != "/models" else "/openai"
            return f"{root}{folder}{place}?api-version={_LEGACY_VERSION}"
    return base_url + path


def openai_headers(endpoint: Endpoint) -> dict[str, str]:
    """What opens the door. Raises `AUTH_ERROR` for a key that cannot be one."""
    headers = {"Accept": "text/event-stream, application/json"}
    key = usable_key(endpoint)
    if key is None:
        return headers
    if endpoint.provider_id == "azure" and not _is_entra_token(key):
        headers["api-key"] = key
    else:
        headers["Authorization"] = f"Bearer {key}"
    return headers


def _is_entra_token(key: str) -> bool:
    """Microsoft Entra's tokens are JSON Web Tokens; Azure's own keys have no dots."""
    return key.startswith("eyJ") and key.count(".") == 2
