"""Where OpenAI's API is at each brand that speaks it, and how its door opens.

Law: a pure mapping from an endpoint to a URL and headers. Azure has its own paths and its own header (Microsoft,
"Azure OpenAI v1 API lifecycle" and "Azure OpenAI REST API reference"):
- `https://{resource}.openai.azure.com/openai/v1`: like OpenAI's, the model being the name of a deployment;
- `https://{resource}.openai.azure.com/openai/deployments[/{deployment}]`: the older API, dated by an `api-version`. Its
  last generally available version knows chat completions, and neither responses nor `reasoning_effort`.
Both take a key as `api-key`, and a token of Microsoft Entra as `Authorization: Bearer`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.endpoints import normalise_base_url
from llm_sidecar.providers.exchange import usable_key

_DEFAULT_PATH: Final = {"azure": "/openai/v1"}
_OLDER_AZURE: Final = re.compile(r"(?P<root>.*/openai)/deployments(?:/(?P<deployment>[^/]+))?")
_OLDER_VERSION: Final = "2024-10-21"


def openai_url(endpoint: Endpoint, path: str, model_id: str = "") -> str:
    """The URL of `path` (it begins with a slash) at `endpoint`. Raises `InvalidParams` for an address that is none."""
    base_url = _base_url(endpoint)
    older = _older_azure(endpoint)
    if older is None:
        return base_url + path
    deployment = older["deployment"] or quote(model_id, safe="")
    place = path if path == "/models" else f"/deployments/{deployment}{path}"
    return f"{older['root']}{place}?api-version={_OLDER_VERSION}"


def is_older_azure(endpoint: Endpoint) -> bool:
    """Whether it is Azure's older API, which has no responses."""
    return _older_azure(endpoint) is not None


def azure_deployment(endpoint: Endpoint) -> str | None:
    """The deployment that an older Azure address names."""
    older = _older_azure(endpoint)
    return None if older is None else older["deployment"]


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


def _base_url(endpoint: Endpoint) -> str:
    path = _DEFAULT_PATH.get(endpoint.provider_id, "/v1")
    base_url = normalise_base_url(endpoint.base_url, path, allow_insecure=endpoint.allow_insecure)
    return f"{base_url}/v1" if endpoint.provider_id == "azure" and base_url.endswith("/openai") else base_url


def _older_azure(endpoint: Endpoint) -> re.Match[str] | None:
    return _OLDER_AZURE.fullmatch(_base_url(endpoint)) if endpoint.provider_id == "azure" else None


def _is_entra_token(key: str) -> bool:
    """Microsoft Entra's tokens are JSON Web Tokens; Azure's own keys have no dots."""
    return key.startswith("eyJ") and key.count(".") == 2
