"""A stranger who sits on a usual port and says what a model server says: he is listed, and gets no prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.limits import Limits
from llm_sidecar.messages.profile import CreateProfileParams, DeleteProfileParams, DiscoveredServer, DiscoverParams
from llm_sidecar.services.profiles.discovery import DiscoveryService
from llm_sidecar.services.profiles.discovery_kinds import Look
from llm_sidecar.services.profiles.service import ProfileService
from tests.services.profile_crash_program import VAULT_KEY, open_profiles

STRANGER = "http://127.0.0.1:11434"
MINE = CreateProfileParams(name="mine", provider_type="ollama", endpoint_url="http://127.0.0.1:9", api_key=None)


async def look(url: str, seconds: float) -> Look:
    if url != STRANGER:
        return Look("closed")
    return Look("found", DiscoveredServer(url=url, kind="ollama", models=["m"]))


@pytest.fixture
def play(run: Callable[..., Any], tmp_path: Path) -> Callable[..., None]:
    def start(scenario: Callable[[DiscoveryService, ProfileService], Awaitable[None]]) -> None:
        async def main() -> None:
            database, _, profiles = open_profiles(str(tmp_path), VAULT_KEY)
            await scenario(DiscoveryService(profiles, Limits, look=look), profiles)
            await profiles.settled()
            await database.aclose()

        run(main())

    return start


def test_where_there_is_no_profile_the_found_server_is_the_active_one(play: Callable[..., None]) -> None:
    async def scenario(discovery: DiscoveryService, profiles: ProfileService) -> None:
        found = await discovery.discover(DiscoverParams())
        assert found.profile_created is True
        assert profiles.active_id == found.profile_id

    play(scenario)


def test_a_stranger_never_takes_the_place_of_the_active_profile(play: Callable[..., None]) -> None:
    async def scenario(discovery: DiscoveryService, profiles: ProfileService) -> None:
        mine = (await profiles.create(MINE)).profile.id
        found = await discovery.discover(DiscoverParams())
        assert (found.profile_created, found.discovered_url) == (True, STRANGER)
        assert profiles.active_id == mine

    play(scenario)


def test_a_stranger_is_not_chosen_where_the_user_is_to_choose(play: Callable[..., None]) -> None:
    """The active profile was deleted, and others are there: nobody is active until the user says who."""

    async def scenario(discovery: DiscoveryService, profiles: ProfileService) -> None:
        mine = (await profiles.create(MINE)).profile.id
        await profiles.create(MINE)
        deleted = await profiles.delete(DeleteProfileParams(id=mine))
        assert deleted.requires_user_selection is True
        assert (await discovery.discover(DiscoverParams())).profile_created is True
        assert profiles.active_id is None

    play(scenario)


def test_a_stranger_who_comes_while_a_profile_is_made_is_second(play: Callable[..., None]) -> None:
    async def scenario(discovery: DiscoveryService, profiles: ProfileService) -> None:
        made, found = await asyncio.gather(profiles.create(MINE), discovery.discover(DiscoverParams()))
        assert found.profile_created is True
        assert [row.is_active for row in profiles.rows.values()] == [True, False]
        assert profiles.active_id in (made.profile.id, found.profile_id)

    play(scenario)
