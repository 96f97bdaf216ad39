"""The stored profiles as they are asked for: by hosts (never with a key) and by the router (with it, for one request).

Law: in memory, but for the keys. What was decided about an endpoint when it was stored is decided again at every use:
its key is bound to its origin, consent must be there, and `providers` checks where `http://` leads.
"""

from __future__ import annotations

from llm_sidecar.errors import FieldProblem, InvalidParams, SidecarError
from llm_sidecar.messages.profile import ProfileList
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.providers.endpoints import canonical_origin
from llm_sidecar.services.profiles.checks import consent_rule
from llm_sidecar.services.profiles.keys import ProfileKeys
from llm_sidecar.services.profiles.told import origin_of, profile_of
from llm_sidecar.storage.profiles import KeyName, ProfileRow, ProfileTable


class StoredProfiles:
    """Used from the event loop only."""

    def __init__(self, table: ProfileTable, keys: ProfileKeys) -> None:
        self._table = table
        self._keys = keys
        self._known: dict[str, ProfileRow] | None = None

    @property
    def rows(self) -> dict[str, ProfileRow]:
        """All profiles by their ids, in the order they were made. Raises what the database does."""
        if self._known is None:
            self._known = {row.profile_id: row for row in self._table.load_now()}
        return self._known

    @property
    def active_id(self) -> str | None:
        """The profile that is used where none is named."""
        return next((row.profile_id for row in self.rows.values() if row.is_active), None)

    def listed(self) -> ProfileList:
        """`llm:profiles:list`."""
        return ProfileList(
            profiles=[profile_of(row) for row in self.rows.values()],
            encryption_available=self._keys.encrypts,
            active_profile_id=self.active_id,
            warning=self._keys.warning,
        )

    def find(self, profile_id: str) -> ProfileRow:
        """Raises `PROFILE_NOT_FOUND`."""
        row = self.rows.get(profile_id.lower())
        if row is None:
            raise SidecarError("PROFILE_NOT_FOUND", "There is no profile of this id.")
        return row

    def at_origin(self, url: str) -> str | None:
        """The first profile for the server of this address."""
        origin = canonical_origin(url)
        return next((row.profile_id for row in self.rows.values() if origin_of(row) == origin), None)

    def target(self, profile_id: str) -> tuple[Endpoint, str | None]:
        """Where a profile leads, with its key, and its model. What was decided when it was stored is decided again.

        Raises `PROFILE_NOT_FOUND`, `INVALID_PROVIDER`, `API_KEY_MISSING`, `VAULT_…` or `InvalidParams`.
        """
        row = self.find(profile_id)
        brand = BRANDS.get(row.provider_type)
        if brand is None:
            raise SidecarError("INVALID_PROVIDER", f"`{row.provider_type}` is not available in this installation.")
        if brand.needs_consent and row.consent_timestamp is None:
            raise InvalidParams([FieldProblem("consentTimestamp", consent_rule(brand))])
        key = None
        if row.key_id is not None:
            key = self._keys.open(KeyName(row.profile_id, row.key_id), canonical_origin(row.endpoint_url))
        elif brand.needs_key:
            message = "The profile has no key: give it one with `llm:profiles:update`."
            raise SidecarError("API_KEY_MISSING", message)
        return Endpoint(brand.id, row.endpoint_url, key, row.allow_insecure), row.model_id

    def place(self, profile_id: str) -> tuple[Endpoint, str | None]:
        """Where it leads, without its key, and its model. Raises `PROFILE_NOT_FOUND`."""
        row = self.find(profile_id)
        return Endpoint(row.provider_type, row.endpoint_url, None, row.allow_insecure), row.model_id

    def plaintext_count(self) -> int:
        """How many keys lie in plaintext."""
        names = [KeyName(row.profile_id, row.key_id) for row in self.rows.values() if row.key_id is not None]
        return sum(map(self._keys.is_in_plaintext, names))
