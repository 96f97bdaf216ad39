"""Where Ollama's own API is, and how its door opens.

Law: a pure mapping from an endpoint to a URL and headers. A local server needs no key; Ollama's cloud and proxies take
one as a bearer token.
"""

from __future__ import annotations

from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.endpoints import normalise_base_url
from llm_sidecar.providers.exchange import usable_key


def ollama_url(endpoint: Endpoint, path: str) -> str:
    """The URL of `path` (which begins with a slash) at `endpoint`. Raises `InvalidParams` for an address that is none.

    People give the address with the path of one of Ollama's APIs, `/api` or the OpenAI-compatible `/v1`, or without.
    """
    root = normalise_base_url(endpoint.base_url, "", allow_insecure=endpoint.allow_insecure)
    return (root.removesuffix("/v1") if root.endswith("/v1") else root.removesuffix("/api")) + path


def ollama_headers(endpoint: Endpoint) -> dict[str, str]:
    """What opens the door. Raises `AUTH_ERROR` for a key that cannot be one."""
    headers = {"Accept": "application/x-ndjson, application/json"}
    key = usable_key(endpoint)
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return headers
