"""Changes a profile in the data folder of argv, and is killed at the step of argv (none: it ends by itself)."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from typing import Any

from llm_sidecar.limits import Limits
from llm_sidecar.messages.profile import CreateProfileParams, UpdateProfileParams
from llm_sidecar.services.profiles.keys import ProfileKeys
from llm_sidecar.services.profiles.service import ProfileService
from llm_sidecar.storage.database import Database
from llm_sidecar.storage.profiles import ProfileTable
from llm_sidecar.vault.key_sources import KeySource, RawKey
from llm_sidecar.vault.plain_keys import PlainKeys
from llm_sidecar.vault.vault import Vault

OLD = ("http://127.0.0.1:8001", "sk-old-0123456789abcdef")
NEW = ("http://127.0.0.1:8002", "sk-new-0123456789abcdef")
VAULT_KEY = RawKey("host", bytes(range(32)))


class NoAudit:
    def record(self, action: str, profile_id: str | None = None, **details: Any) -> None:
        pass


def open_profiles(folder: str, source: KeySource | None) -> tuple[Database, ProfileKeys, ProfileService]:
    database = Database.open(folder)
    table = ProfileTable(database)
    keys = ProfileKeys(table, NoAudit(), folder, source)
    service = ProfileService(table, keys, NoAudit(), Limits)
    service.start()
    return database, keys, service


def die_at(step: int) -> None:
    """SIGKILL before or after the n-th thing that is written."""
    count = itertools.count()

    def reached() -> None:
        if next(count) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def blocking(owner: type, name: str) -> None:
        inner = getattr(owner, name)

        def outer(*arguments: Any) -> Any:
            reached()
            result = inner(*arguments)
            reached()
            return result

        setattr(owner, name, outer)

    def waiting(owner: type, name: str) -> None:
        inner = getattr(owner, name)

        async def outer(*arguments: Any) -> Any:
            reached()
            result = await inner(*arguments)
            reached()
            return result

        setattr(owner, name, outer)

    for name in ("put", "delete", "absorb"):
        blocking(Vault, name)
    for name in ("put", "delete", "destroy"):
        blocking(PlainKeys, name)
    for name in ("insert", "update", "delete", "expect_key", "forget_keys", "set_generation"):
        waiting(ProfileTable, name)


async def main(folder: str, what: str, step: int) -> None:
    if what == "prepare":
        source = None if step else VAULT_KEY
        database, _, profiles = open_profiles(folder, source)
        url, key = OLD
        await profiles.create(
            CreateProfileParams(name="n", provider_type="openai", endpoint_url=url, api_key=key, model_id="m")
        )
        await profiles.settled()
    else:
        die_at(step)
        database, _, profiles = open_profiles(folder, VAULT_KEY)
        await profiles.settled()
        (profile_id,) = profiles.rows
        if what == "move":
            url, key = NEW
            await profiles.update(UpdateProfileParams(id=profile_id, endpoint_url=url, api_key=key))
    await database.aclose()
    print(json.dumps("done"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
