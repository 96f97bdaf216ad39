"""Discovery: which model servers run on this machine, and a profile for the first of them.

Law: loopback only, all ports at once, each within `probe_timeout_ms`, without a credential or a prompt; looked at again
after `discovery_cache_ms`, or when asked to. A stranger's process may sit on a port: what is found is listed, and a
profile for it is active only where it is the very first. None is made for a server that needs the user's consent, and
none where one for that origin exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.profile import DiscoveredServer, DiscoverParams, Discovery, ProbedPort
from llm_sidecar.services.profiles.discovery_kinds import Look, look_at_port

PORTS: Final = (8080, 8000, 11434, 1234, 9931)
"""Where llama.cpp, vLLM, Ollama and LM Studio usually listen; the first that is found is preferred."""
_NAMES: Final = {"llama.cpp": "llama.cpp", "ollama": "Ollama", "lmstudio": "LM Studio"}
"""Kinds that are provider types, and what people call them. The others need the user's consent."""


class FoundProfiles(Protocol):
    """What discovery needs of the profiles."""

    def at_origin(self, url: str) -> str | None:
        """The profile for this address, if there is one."""
        ...

    async def create_found(self, kind: str, name: str, url: str) -> str:
        """Make one; returns its id."""
        ...


class _Round(NamedTuple):
    """What was seen, and when (seconds on the loop's clock)."""

    result: Discovery
    at: float


LookAt = Callable[[str, float], Awaitable[Look]]


class DiscoveryService:
    """Used from the event loop only. `ports` and `look` are for tests."""

    def __init__(
        self,
        profiles: FoundProfiles,
        limits: Callable[[], Limits],
        *,
        ports: Sequence[int] = PORTS,
        look: LookAt = look_at_port,
    ) -> None:
        self.ports = ports
        self._profiles = profiles
        self._limits = limits
        self._look = look
        self._turn = asyncio.Lock()
        self._last: _Round | None = None

    async def discover(self, params: DiscoverParams) -> Discovery:
        """Raises `DISCOVERY_ERROR`, or what making a profile raises."""
        asked_at = asyncio.get_running_loop().time()
        async with self._turn:
            last = self._last
            if last is not None and ((self._is_fresh(last) and not params.force) or last.at > asked_at):
                return self._again(last.result)
            result = await self._discover()
            self._last = _Round(result, asyncio.get_running_loop().time())
            return result

    def _is_fresh(self, last: _Round) -> bool:
        return asyncio.get_running_loop().time() - last.at < self._limits().discovery_cache_ms / 1000

    def _again(self, result: Discovery) -> Discovery:
        """What was seen, without what was done then: the profile may be gone, and none is made now."""
        profile_id = result.discovered_url and self._profiles.at_origin(result.discovered_url)
        return Discovery(
            discovered=result.discovered,
            discovered_url=result.discovered_url,
            profile_created=False,
            profile_id=profile_id or None,
            probed_ports=result.probed_ports,
            ports=result.ports,
            servers=result.servers,
            cached=True,
        )

    async def _discover(self) -> Discovery:
        looks = await asyncio.gather(*map(self._look_at, self.ports))
        if looks and all(look.is_broken for look, _ in looks):
            raise SidecarError("DISCOVERY_ERROR", "This machine's ports could not be looked at: its network is down.")
        probed = [
            ProbedPort(port=port, outcome=look.outcome, latency_ms=milliseconds)
            for port, (look, milliseconds) in zip(self.ports, looks, strict=True)
        ]
        servers = [look.server for look, _ in looks if look.server is not None]
        ready = [server for server in servers if server.kind in _NAMES]
        first = next(iter(ready), None) or next(iter(servers), None)
        existing = None if first is None else self._profiles.at_origin(first.url)
        created = None if first is None or existing is not None else await self._make_profile(first)
        log.info("local ports probed", found=len(servers), profileCreated=created is not None)
        return Discovery(
            discovered=first is not None,
            discovered_url=None if first is None else first.url,
            profile_created=created is not None,
            profile_id=existing or created,
            probed_ports=list(self.ports),
            ports=probed,
            servers=servers,
        )

    async def _look_at(self, port: int) -> tuple[Look, int]:
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        try:
            look = await self._look(f"http://127.0.0.1:{port}", self._limits().probe_timeout_ms / 1000)
        except OSError as error:
            log.warning("a port could not be looked at", port=port, exception=type(error).__name__)
            look = Look("unknown", is_broken=True)
        return look, round((loop.time() - begun_at) * 1000)

    async def _make_profile(self, server: DiscoveredServer) -> str | None:
        name = _NAMES.get(server.kind)
        return None if name is None else await self._profiles.create_found(server.kind, f"Local {name}", server.url)
