"""One question to a port of this machine, to find out who listens there.

Law: loopback only, whatever the address says; a plain GET without a credential or a prompt, on a connection of its own;
no redirect is followed, no proxy used, and a bounded number of bytes read in a bounded time. Who answers may be
anybody: what it says is data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from llm_sidecar.errors import network_error
from llm_sidecar.limits import MIB, Limits
from llm_sidecar.providers.endpoints import host_and_port, normalise_base_url, refused
from llm_sidecar.providers.http.client import HttpClient

_TOLD_HEADERS: Final = ("content-type", "server")
_LONGEST_HEADER: Final = 200


class ProbeAnswer(NamedTuple):
    """What a server said. `headers` has of `content-type` and `server` what was sent, by lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def probe(url: str, path: str, *, timeout_s: float = 2.0, max_bytes: int = 1 * MIB) -> ProbeAnswer:
    """GET `path` (it begins with a slash) at `url`, an `http://` address of this machine; 4xx and 5xx are answers, too.

    Raises `InvalidParams` for an address that is not this machine's; `NETWORK_ERROR` (`ETIMEDOUT` where the whole
    answer took longer than `timeout_s` seconds); `STREAM_TRUNCATED`; `PROVIDER_PROTOCOL_ERROR` for a redirect, a
    compressed body, another success than 200, and more than `max_bytes`.
    """
    base_url = normalise_base_url(url, "")
    if not base_url.startswith("http:"):
        raise refused("insecure")
    http = HttpClient(Limits)
    try:
        await http.warm()
        async with asyncio.timeout(timeout_s):
            response = await http.send("GET", base_url + path, {"Accept": "application/json", "Connection": "close"})
            try:
                told = {name: response.headers[name] for name in _TOLD_HEADERS if name in response.headers}
                headers = {name: value[:_LONGEST_HEADER] for name, value in told.items()}
                return ProbeAnswer(response.status, headers, await response.read_all(max_bytes))
            finally:
                response.close()
    except TimeoutError:
        raise network_error("ETIMEDOUT", f"{host_and_port(base_url)} did not answer in time.") from None
    finally:
        await http.aclose()
