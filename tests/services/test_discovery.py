"""Discovery: all ports at once, remembered for five minutes, and a profile that takes nobody's place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.profile import DiscoveredServer, DiscoverParams
from llm_sidecar.services.profiles.discovery import PORTS, DiscoveryService
from llm_sidecar.services.profiles.discovery_kinds import Look
from tests.virtual_time import run_virtual


class Profiles:
    """What was made, by address."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def at_origin(self, url: str) -> str | None:
        return self.made.get(url)

    async def create_found(self, kind: str, name: str, url: str) -> str:
        self.made[url] = f"{kind}: {name}"
        return self.made[url]


class Ports:
    """What is seen at each port, after how many seconds; nobody listens elsewhere."""

    def __init__(self, seen: dict[int, str], seconds: float = 0.0) -> None:
        self.seen = seen
        self.seconds = seconds
        self.rounds = 0

    async def look(self, url: str, seconds: float) -> Look:
        port = int(url.rpartition(":")[2])
        self.rounds += port == PORTS[0]
        await asyncio.sleep(min(seconds, self.seconds))
        kind: Any = self.seen.get(port)
        if kind is None:
            return Look("closed")
        if kind in ("timeout", "unknown"):
            return Look(kind)
        if kind == "broken":
            return Look("closed", is_broken=True)
        return Look("found", DiscoveredServer(url=url, kind=kind, models=["m"]))


def play(ports: Ports, scenario: Callable[[DiscoveryService, Profiles], Awaitable[None]], **limits: int) -> None:
    async def main() -> None:
        profiles = Profiles()
        await scenario(DiscoveryService(profiles, lambda: Limits(**limits), look=ports.look), profiles)

    run_virtual(main())


def test_the_first_server_gets_a_profile_and_every_port_is_told_of() -> None:
    async def scenario(discovery: DiscoveryService, profiles: Profiles) -> None:
        found = await discovery.discover(DiscoverParams())
        assert (found.discovered, found.discovered_url) == (True, "http://127.0.0.1:11434")
        assert (found.profile_created, found.profile_id) == (True, "ollama: Local Ollama")
        outcomes = {probed.port: probed.outcome for probed in found.ports}
        assert found.probed_ports == [8080, 8000, 11434, 1234, 9931]
        assert outcomes == {8080: "closed", 8000: "timeout", 11434: "found", 1234: "found", 9931: "unknown"}
        assert [server.kind for server in found.servers] == ["ollama", "lmstudio"]
        assert list(profiles.made) == ["http://127.0.0.1:11434"]

    play(Ports({8000: "timeout", 11434: "ollama", 1234: "lmstudio", 9931: "unknown"}), scenario)


def test_all_ports_are_asked_at_once_each_within_its_time() -> None:
    async def scenario(discovery: DiscoveryService, _: Profiles) -> None:
        await discovery.discover(DiscoverParams())
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)

    play(Ports(dict.fromkeys(PORTS, "timeout"), seconds=60), scenario)


def test_a_server_that_needs_consent_gets_no_profile_without_it() -> None:
    async def scenario(discovery: DiscoveryService, profiles: Profiles) -> None:
        found = await discovery.discover(DiscoverParams())
        assert (found.discovered_url, found.profile_created, profiles.made) == ("http://127.0.0.1:8000", False, {})

    play(Ports({8000: "vllm"}), scenario)


def test_what_was_seen_is_remembered_for_five_minutes_unless_asked_again() -> None:
    ports = Ports({8080: "llama.cpp"})

    async def scenario(discovery: DiscoveryService, profiles: Profiles) -> None:
        first = await discovery.discover(DiscoverParams())
        await asyncio.sleep(299)
        second = await discovery.discover(DiscoverParams())
        assert (second.cached, second.profile_created, second.profile_id) == (True, False, first.profile_id)
        assert ports.rounds == 1
        await discovery.discover(DiscoverParams(force=True))
        assert ports.rounds == 2
        profiles.made.clear()
        assert (await discovery.discover(DiscoverParams())).profile_id is None, "it is gone, and not made again"
        await asyncio.sleep(301)
        assert (await discovery.discover(DiscoverParams())).profile_created is True
        assert ports.rounds == 3

    play(ports, scenario)


def test_an_address_that_has_a_profile_gets_no_second_one() -> None:
    async def scenario(discovery: DiscoveryService, profiles: Profiles) -> None:
        profiles.made["http://127.0.0.1:8080"] = "mine"
        found = await discovery.discover(DiscoverParams())
        assert (found.profile_created, found.profile_id, len(profiles.made)) == (False, "mine", 1)

    play(Ports({8080: "llama.cpp"}), scenario)


def test_those_who_ask_at_once_share_one_look() -> None:
    ports = Ports({8080: "llama.cpp"}, seconds=1)

    async def scenario(discovery: DiscoveryService, profiles: Profiles) -> None:
        found = await asyncio.gather(*(discovery.discover(DiscoverParams(force=True)) for _ in range(5)))
        assert ports.rounds == 1
        assert sum(one.profile_created for one in found) == 1
        assert len(profiles.made) == 1

    play(ports, scenario)


def test_nobody_at_all_is_an_answer_and_a_machine_without_a_network_an_error() -> None:
    async def nobody(discovery: DiscoveryService, _: Profiles) -> None:
        found = await discovery.discover(DiscoverParams())
        assert (found.discovered, found.discovered_url, found.profile_id, found.servers) == (False, None, None, [])

    async def broken(discovery: DiscoveryService, _: Profiles) -> None:
        with pytest.raises(SidecarError) as caught:
            await discovery.discover(DiscoverParams())
        assert caught.value.code == "DISCOVERY_ERROR"

    play(Ports({}), nobody)
    play(Ports(dict.fromkeys(PORTS, "broken")), broken)
