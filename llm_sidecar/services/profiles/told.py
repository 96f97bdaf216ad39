"""Between rows, drafts and what a host is told of a profile. Pure; never a key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast, overload

from msgspec import UNSET, UnsetType

from llm_sidecar.errors import InvalidParams
from llm_sidecar.limits import camel
from llm_sidecar.messages.profile import Profile, ProviderType, StoredProfile, UpdateProfileParams, Warning
from llm_sidecar.providers.brands import BRANDS
from llm_sidecar.providers.endpoints import canonical_origin
from llm_sidecar.services.profiles.checks import REDACTED, Draft
from llm_sidecar.storage.profiles import ProfileRow

_WIRE_NAMES: Final = {"key_id": "apiKey"}
_NOT_TOLD: Final = ("is_active", "modified_at")


def profile_of(row: ProfileRow) -> Profile:
    """A row as a host sees it."""
    return Profile(
        id=row.profile_id,
        name=row.name,
        provider_type=cast(ProviderType, row.provider_type),
        endpoint_url=row.endpoint_url,
        api_key=None if row.key_id is None else REDACTED,
        model_id=row.model_id,
        is_active=row.is_active,
        consent_timestamp=row.consent_timestamp,
        allow_insecure=row.allow_insecure,
        created_at=row.created_at,
        modified_at=row.modified_at,
    )


def stored(row: ProfileRow, duplicate: str | None, plaintext: str | None) -> StoredProfile:
    """What is answered once a profile is stored; the sentences are those of its warnings, None where there is none."""
    warnings = []
    if duplicate is not None:
        warnings.append(Warning(code="DUPLICATE_NAME_WARNING", message=duplicate))
    if plaintext is not None:
        warnings.append(Warning(code="PLAINTEXT_STORAGE_WARNING", message=plaintext))
    sentence = " ".join(warning.message for warning in warnings) or None
    return StoredProfile(profile=profile_of(row), warning=sentence, warnings=warnings or None)


def duplicate_name(row: ProfileRow, others: Iterable[ProfileRow]) -> str | None:
    """What is to be said where another profile has this name, however it is capitalised."""
    name = row.name.casefold()
    if any(other.name.casefold() == name and other.profile_id != row.profile_id for other in others):
        return "Another profile has the same name."
    return None


def draft_of(row: ProfileRow, params: UpdateProfileParams) -> Draft:
    """The row with what `params` name changed. A provider's own address goes when the provider does."""
    brand = BRANDS.get(row.provider_type)
    is_other = params.provider_type not in (UNSET, row.provider_type)
    is_own_address = brand is not None and brand.base_url == row.endpoint_url
    endpoint_url = None if is_other and is_own_address else row.endpoint_url
    return Draft(
        name=row.name if params.name is UNSET else params.name,
        provider_type=row.provider_type if params.provider_type is UNSET else params.provider_type,
        endpoint_url=endpoint_url if params.endpoint_url is UNSET else params.endpoint_url,
        model_id=row.model_id if params.model_id is UNSET else params.model_id,
        consent_timestamp=row.consent_timestamp if params.consent_timestamp is UNSET else params.consent_timestamp,
        allow_insecure=row.allow_insecure if params.allow_insecure is UNSET else params.allow_insecure,
    )


def changed_fields(before: ProfileRow, after: ProfileRow) -> list[str]:
    """The wire's names of what differs."""
    names = (name for name in ProfileRow._fields if name not in _NOT_TOLD)
    return [_WIRE_NAMES.get(name, camel(name)) for name in names if getattr(before, name) != getattr(after, name)]


def origin_of(row: ProfileRow) -> str | None:
    """Where it leads; None for an address that somebody spoilt by hand."""
    try:
        return canonical_origin(row.endpoint_url)
    except InvalidParams:
        return None


@overload
def trimmed(key: str | None) -> str | None: ...
@overload
def trimmed(key: str | UnsetType | None) -> str | UnsetType | None: ...
def trimmed(key: Any) -> Any:
    """A key without what was pasted with it."""
    return key.strip() if isinstance(key, str) else key
