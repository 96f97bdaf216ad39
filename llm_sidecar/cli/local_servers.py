"""Model servers on this machine, for the commands: found as `llm:profiles:discover` finds them.

Law: looking changes nothing (no profile is made), and a person does not wait for a stranger that says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.providers.endpoints import normalise_base_url
from llm_sidecar.services.profiles.discovery import PORTS
from llm_sidecar.services.profiles.discovery_kinds import look_at_port

_SECONDS: Final = 1.0
_OTHERS: Final = "openai-compatible"


class LocalServer(NamedTuple):
    """One that answered. `models` are ids, as it lists them."""

    provider_id: str
    base_url: str
    models: list[str]


async def find_local_servers(ports: Sequence[int] = PORTS) -> list[LocalServer]:
    """Those that are known by their answers, in the order of `ports`. Takes a second at most, after the first use."""
    found = await asyncio.gather(*map(_at, ports))
    return [server for server in found if server is not None]


async def _at(port: int) -> LocalServer | None:
    try:
        server = (await look_at_port(f"http://127.0.0.1:{port}", _SECONDS)).server
    except OSError:
        return None
    if server is None:
        return None
    provider_id = server.kind if server.kind in BRANDS else _OTHERS
    return LocalServer(provider_id, normalise_base_url(server.url), server.models)
