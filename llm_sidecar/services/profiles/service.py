"""Profiles: the connections a person has set up, kept in memory (without their keys) and in the database.

Here they change; `stored` is what can be asked of them.

Law:
1.  A change is made whole, one after the other, also where nobody waits for it any more.
2.  A key is written under a name of its own before the profile names it, and thrown away after no profile does
    (`storage.profiles`): at any point in between the profile has the key it had, or the one it gets.
3.  A key belongs to an origin. Another origin drops it, unless a new one comes with it.
4.  Nothing that is told of a change holds a key.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, TypeVar

from msgspec import UNSET

from llm_sidecar import log
from llm_sidecar.errors import FieldProblem, InvalidParams, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages import profile as shapes
from llm_sidecar.providers.endpoints import canonical_origin
from llm_sidecar.providers.http.loopback import LookUp, look_up
from llm_sidecar.services.audit import AuditLog
from llm_sidecar.services.profiles.checks import REDACTED, Draft, checked
from llm_sidecar.services.profiles.keys import ProfileKeys
from llm_sidecar.services.profiles.stored import StoredProfiles
from llm_sidecar.services.profiles.told import (
    changed_fields,
    draft_of,
    duplicate_name,
    origin_of,
    profile_of,
    stored,
    trimmed,
)
from llm_sidecar.storage.clock import now_ms
from llm_sidecar.storage.profiles import ProfileRow, ProfileTable

T = TypeVar("T")


class ProfileService(StoredProfiles):
    """Used from the event loop only."""

    def __init__(
        self,
        table: ProfileTable,
        keys: ProfileKeys,
        audit: AuditLog,
        limits: Callable[[], Limits],
        *,
        look_up: LookUp = look_up,
    ) -> None:
        super().__init__(table, keys)
        self._audit = audit
        self._limits = limits
        self._look_up = look_up
        self._turn = asyncio.Lock()
        self._changes: set[asyncio.Task[Any]] = set()
        self.opening: asyncio.Task[None] | None = None
        """The vault's key is still being found."""

    # --- opening ---

    def start(self) -> None:
        """Open the vault: at once where that is quick, else behind everything that waits for `opened`."""
        if self._keys.is_slow_to_open:
            self.opening = self._begin(self._keys.open_slowly())
        else:
            self._keys.open_now()
        self._begin(self._keys.tidy())

    # --- changing ---

    async def create(self, params: shapes.CreateProfileParams) -> shapes.StoredProfile:
        """`llm:profiles:create`. The very first profile becomes the active one."""
        draft = Draft(
            params.name,
            params.provider_type,
            params.endpoint_url,
            params.model_id,
            params.consent_timestamp,
            params.allow_insecure,
        )
        api_key = trimmed(params.api_key or None)
        draft = await self._check(draft, api_key, None)
        return await self._in_turn(self._create(draft, api_key))

    async def create_found(self, kind: str, name: str, url: str) -> str:
        """A profile for a server of this machine that was found; active only where it is the very first: who has others
        chooses. Returns its id."""
        draft = await self._check(Draft(name, kind, url, None, None, False), None, None)
        made = await self._in_turn(self._create(draft, None))
        return made.profile.id

    async def update(self, params: shapes.UpdateProfileParams) -> shapes.StoredProfile:
        """`llm:profiles:update`."""
        return await self._in_turn(self._update(params))

    async def delete(self, params: shapes.DeleteProfileParams) -> shapes.DeletedProfile:
        """`llm:profiles:delete`."""
        return await self._in_turn(self._delete(params))

    async def activate(self, profile_id: str) -> shapes.ActivatedProfile:
        """`llm:profiles:activate`."""
        return await self._in_turn(self._activate(profile_id))

    async def while_unchanged(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` while no profile changes."""

        async def waited_for() -> T:
            return await work()

        return await self._in_turn(waited_for())

    async def settled(self) -> None:
        """Return when every change that was asked for is made."""
        while self._changes:
            await asyncio.wait(self._changes)

    # --- one change ---

    async def _create(self, draft: Draft, api_key: str | None) -> shapes.StoredProfile:
        if len(self.rows) >= self._limits().max_profiles:
            raise InvalidParams([FieldProblem("", f"there are {len(self.rows)} profiles, and no more are kept")])
        now = now_ms()
        row = ProfileRow(
            profile_id=str(uuid.uuid4()),
            name=draft.name,
            provider_type=draft.provider_type,
            endpoint_url=draft.endpoint_url or "",
            key_id=None,
            model_id=draft.model_id,
            is_active=not self.rows,
            consent_timestamp=draft.consent_timestamp,
            allow_insecure=draft.allow_insecure,
            created_at=now,
            modified_at=now,
        )
        warning = duplicate_name(row, self.rows.values())
        row, mark = await self._keys.keep(row, canonical_origin(row.endpoint_url), api_key)
        await self._table.insert(row, mark)
        self.rows[row.profile_id] = row
        self._record("profile.created", row)
        if row.is_active:
            self._audit.record("profile.activated", row.profile_id)
        return stored(row, warning, self._keys.warning)

    async def _update(self, params: shapes.UpdateProfileParams) -> shapes.StoredProfile:
        row = self.find(params.id)
        is_shown_one = params.api_key == REDACTED  # a form sends back what it was shown
        api_key = UNSET if is_shown_one else trimmed(params.api_key)
        draft = await self._check(draft_of(row, params), None if api_key is UNSET else api_key, row)
        changed = row._replace(
            name=draft.name,
            provider_type=draft.provider_type,
            endpoint_url=draft.endpoint_url or "",
            model_id=draft.model_id,
            consent_timestamp=draft.consent_timestamp,
            allow_insecure=draft.allow_insecure,
        )
        origin = canonical_origin(changed.endpoint_url)
        is_elsewhere = origin_of(row) != origin
        mark = None
        if api_key is not UNSET or is_elsewhere:
            new_key = None if api_key is UNSET else api_key
            changed, mark = await self._keys.keep(changed, origin, new_key)
        if changed != row:
            changed = changed._replace(modified_at=now_ms())
            await self._table.update(changed, mark)
            self.rows[row.profile_id] = changed
            self._record("profile.changed", changed, fields=",".join(changed_fields(row, changed)))
            if row.key_id is not None and changed.key_id is None and api_key is UNSET:
                self._audit.record("key.dropped", row.profile_id, origin=origin_of(row), reason="another origin")
            if row.key_id != changed.key_id:
                await self._keys.throw_away_loose()
        warning = duplicate_name(changed, self.rows.values()) if changed.name != row.name else None
        return stored(changed, warning, self._keys.warning)

    async def _delete(self, params: shapes.DeleteProfileParams) -> shapes.DeletedProfile:
        row = self.find(params.id)
        alternate = params.activate_alternate_id
        other = None if alternate is None else self.rows.get(alternate.lower())
        if alternate is not None and (other is None or other is row):
            raise SidecarError("ALTERNATE_NOT_FOUND", "The profile to be activated instead does not exist.")
        heir = other.profile_id if other is not None and row.is_active else None
        await self._table.delete(row.profile_id, heir)
        del self.rows[row.profile_id]
        self._record("profile.deleted", row)
        if heir is not None:
            self._set_active(heir)
            self._audit.record("profile.activated", heir, previous_profile_id=row.profile_id)
        if row.key_id is not None:
            await self._keys.throw_away_loose()
        return shapes.DeletedProfile(
            deleted_id=row.profile_id,
            new_active_profile_id=heir,
            requires_user_selection=row.is_active and heir is None and bool(self.rows),
        )

    async def _activate(self, profile_id: str) -> shapes.ActivatedProfile:
        row, before = self.find(profile_id), self.active_id
        if before != row.profile_id:
            await self._table.activate(row.profile_id)
            self._set_active(row.profile_id)
            self._audit.record("profile.activated", row.profile_id, previous_profile_id=before)
        return shapes.ActivatedProfile(
            active_profile=profile_of(self.find(profile_id)),
            deactivated_profile_id=None if before == row.profile_id else before,
        )

    # --- inside ---

    async def _in_turn(self, change: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(self._begin(change))

    def _begin(self, change: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        async def in_turn() -> T:
            async with self._turn:
                return await change

        task = asyncio.ensure_future(in_turn())
        self._changes.add(task)
        task.add_done_callback(self._changed)
        return task

    def _changed(self, change: asyncio.Task[Any]) -> None:
        self._changes.discard(change)
        if not change.cancelled():
            change.exception()  # whoever asked for it may be gone

    async def _check(self, draft: Draft, api_key: str | None, row: ProfileRow | None) -> Draft:
        kept_key = None if row is None else self._keys.peek(row)
        try:
            return await checked(draft, api_key, self._look_up, kept_key)
        except InvalidParams as refusal:
            for field in (refusal.details or {})["fields"]:
                if field["path"] == "endpointUrl":
                    provider_id = draft.provider_type
                    self._audit.record(
                        "endpoint.refused", row and row.profile_id, provider_id=provider_id, reason=field["reason"]
                    )
            raise

    def _record(
        self, action: Literal["profile.created", "profile.changed", "profile.deleted"], row: ProfileRow, **more: str
    ) -> None:
        log.info(action, profileId=row.profile_id, provider=row.provider_type)
        self._audit.record(
            action, row.profile_id, name=row.name, provider_id=row.provider_type, origin=origin_of(row), **more
        )

    def _set_active(self, profile_id: str) -> None:
        for row in list(self.rows.values()):
            if row.is_active != (row.profile_id == profile_id):
                self.rows[row.profile_id] = row._replace(is_active=not row.is_active)
