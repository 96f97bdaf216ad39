"""Profiles: `llm:profiles:*`."""

from __future__ import annotations

from collections.abc import Awaitable

from llm_sidecar.messages import profile
from llm_sidecar.messages.shape import NoParams
from llm_sidecar.rpc.context import Context, Handler
from llm_sidecar.services.profiles.discovery import DiscoveryService
from llm_sidecar.services.profiles.prompt_test import PromptTests
from llm_sidecar.services.profiles.service import ProfileService


class ProfileMethods:
    def __init__(self, profiles: ProfileService, tests: PromptTests, discovery: DiscoveryService) -> None:
        self._profiles = profiles
        self._tests = tests
        self._discovery = discovery
        self.handlers: dict[str, Handler] = {
            "llm:profiles:list": self._list,
            "llm:profiles:create": self._create,
            "llm:profiles:update": self._update,
            "llm:profiles:delete": self._delete,
            "llm:profiles:activate": self._activate,
            "llm:profiles:test": self._test,
            "llm:profiles:discover": self._discover,
        }

    def _list(self, _context: Context, _params: NoParams) -> profile.ProfileList:
        return self._profiles.listed()

    def _create(self, _context: Context, params: profile.CreateProfileParams) -> Awaitable[profile.StoredProfile]:
        return self._profiles.create(params)

    def _update(self, _context: Context, params: profile.UpdateProfileParams) -> Awaitable[profile.StoredProfile]:
        return self._profiles.update(params)

    def _delete(self, _context: Context, params: profile.DeleteProfileParams) -> Awaitable[profile.DeletedProfile]:
        return self._profiles.delete(params)

    def _activate(self, _context: Context, params: profile.ProfileParams) -> Awaitable[profile.ActivatedProfile]:
        return self._profiles.activate(params.id)

    def _test(self, _context: Context, params: profile.TestPromptParams) -> Awaitable[profile.TestPromptResult]:
        return self._tests.test(params)

    def _discover(self, _context: Context, params: profile.DiscoverParams) -> Awaitable[profile.Discovery]:
        return self._discovery.discover(params)
