"""Which names lead to this machine: asked of the resolver, never guessed from the text.

Law: a name leads here only if every one of its addresses is loopback; one that is not found leads nowhere and is
refused as well. Whoever connects must connect to the very addresses that were checked: a second look-up may be answered
differently (rebinding). `localhost` is taken at its word only where the question is whether a proxy is used.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from llm_sidecar.providers.endpoints import is_elsewhere, is_loopback_address, normalise_base_url, refused

LookUp = Callable[[str], Awaitable[Sequence[str]]]
"""A host name → its numeric addresses. Raises `OSError` where there are none."""

_LOCALHOST: Final = "localhost"


async def look_up(name: str) -> list[str]:
    """The addresses of `name` that this machine can reach, in the system's order. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except socket.gaierror:
        if name != _LOCALHOST:
            raise
        # Without any network, AI_ADDRCONFIG hides loopback on some systems.
        found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(_numeric(sockaddr) for *_, sockaddr in found))


async def loopback_addresses(name: str, ask: LookUp = look_up) -> Sequence[str]:
    """The addresses of `name`, every one of them loopback. Raises `InvalidParams` otherwise."""
    try:
        addresses = await ask(name)
    except OSError:
        raise refused("insecure") from None
    if not addresses or not all(map(is_loopback_address, addresses)):
        raise refused("insecure")
    return addresses


async def leads_here(host: str, ask: LookUp = look_up) -> bool:
    """Whether a checked host, a name or a numeric address, is this machine and nothing else."""
    if is_loopback_address(host) or host == _LOCALHOST or host.endswith(f".{_LOCALHOST}"):
        return True
    if is_elsewhere(host):
        return False
    try:
        addresses = await ask(host)
    except OSError:
        return False
    return bool(addresses) and all(map(is_loopback_address, addresses))


async def check_endpoint(
    text: str, *, allow_insecure: bool = False, default_path: str = "/v1", look_up: LookUp = look_up
) -> str:
    """The base URL to be stored for what a person typed, with the name of an `http://` address looked up.

    Raises `InvalidParams`. Every connection is decided again by itself: what a name means may change.
    """
    base_url = normalise_base_url(text, default_path, allow_insecure=allow_insecure)
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not allow_insecure and not is_loopback_address(host):
        await loopback_addresses(host, look_up)
    return base_url


def _numeric(sockaddr: Sequence[object]) -> str:
    """The address; a link-local one with its interface, without which it leads nowhere."""
    address = str(sockaddr[0])
    has_scope = len(sockaddr) > 3 and sockaddr[3] and "%" not in address
    return f"{address}%{sockaddr[3]}" if has_scope else address
