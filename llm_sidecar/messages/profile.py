"""Profiles: connections a person has set up. The vault keeps their keys; no shape here can hold one on its way out."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from llm_sidecar.messages.shape import Params, Shape

ProfileId = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$",
        description="a version 4 UUID",
    ),
]
ProfileName = Annotated[str, Meta(min_length=1, max_length=100)]
ProviderType = Literal[
    "openai",
    "anthropic",
    "google",
    "deepseek",
    "azure",
    "llama.cpp",
    "ollama",
    "lmstudio",
    "openai-compatible",
    "embedded",
]
EndpointUrl = Annotated[str, Meta(min_length=1, max_length=2_048)]
ApiKey = Annotated[str, Meta(min_length=1, max_length=500)]
ProfileModel = Annotated[str, Meta(min_length=1, max_length=300)]
Instant = Annotated[int, Meta(ge=0, le=2**53)]


class Profile(Shape, kw_only=True):
    """A connection profile. `apiKey` says only whether there is a key. Instants are epoch milliseconds."""

    id: str
    name: str
    provider_type: ProviderType
    endpoint_url: str
    """Where requests go."""
    api_key: Literal["***REDACTED***"] | None
    model_id: str | None
    """Used where a request names none."""
    is_active: bool
    """Used where a request names no profile and no provider."""
    consent_timestamp: int | None
    allow_insecure: bool
    """`http://` may lead to other machines."""
    created_at: int
    modified_at: int


class Warning(Shape, kw_only=True):
    """Something the user should see; the profile was stored all the same."""

    code: Literal["DUPLICATE_NAME_WARNING", "PLAINTEXT_STORAGE_WARNING"]
    message: str


class ProfileList(Shape, kw_only=True):
    profiles: list[Profile]
    encryption_available: bool
    active_profile_id: str | None
    warning: str | None = None
    """Where keys are stored without encryption."""


class CreateProfileParams(Params, kw_only=True):
    """`endpointUrl` null: the provider's own address. `apiKey` null or empty: none. `consentTimestamp`: when the user
    agreed (epoch milliseconds) to send what they type to an address they gave; `azure` and `openai-compatible` need it.
    `allowInsecure`: the user accepts `http://` to another machine."""

    name: ProfileName
    provider_type: ProviderType
    endpoint_url: EndpointUrl | None = None
    api_key: Annotated[str, Meta(max_length=500)] | None = None
    model_id: ProfileModel | None = None
    consent_timestamp: Instant | None = None
    allow_insecure: bool = False


class UpdateProfileParams(Params, kw_only=True):
    """What is named is changed; null removes, and `***REDACTED***` leaves the key as it is. Another origin in
    `endpointUrl` drops the stored key, unless a new one comes with it."""

    id: ProfileId
    name: ProfileName | UnsetType = UNSET
    provider_type: ProviderType | UnsetType = UNSET
    endpoint_url: EndpointUrl | UnsetType | None = UNSET
    api_key: ApiKey | UnsetType | None = UNSET
    model_id: ProfileModel | UnsetType | None = UNSET
    consent_timestamp: Instant | UnsetType | None = UNSET
    allow_insecure: bool | UnsetType = UNSET


class StoredProfile(Shape, kw_only=True):
    """`warning`: a sentence for the user; `warnings` says the same by code."""

    profile: Profile
    warning: str | None = None
    warnings: list[Warning] | None = None


class DeleteProfileParams(Params, kw_only=True):
    """`activateAlternateId`: the profile to activate where the active one is deleted."""

    id: ProfileId
    activate_alternate_id: ProfileId | None = None


class DeletedProfile(Shape, kw_only=True):
    """`requiresUserSelection`: the active profile is gone, none took its place, and there are others."""

    deleted_id: str
    new_active_profile_id: str | None
    requires_user_selection: bool


class ProfileParams(Params, kw_only=True):
    id: ProfileId


class ActivatedProfile(Shape, kw_only=True):
    active_profile: Profile
    deactivated_profile_id: str | None


class TestPromptParams(Params, kw_only=True):
    """Without `profileId`: the active profile."""

    profile_id: ProfileId | None = None
    prompt_text: Annotated[str, Meta(min_length=1, max_length=10_000)] = "Hello, can you respond?"


class TestPromptResult(Shape, kw_only=True):
    """What came of a test prompt. A failing provider is a result, not an error. `latencyMs`: to the first content."""

    profile_id: str
    profile_name: str
    provider_type: ProviderType
    success: bool
    prompt_text: str
    response_text: str | None
    """At most 500 characters."""
    model_name: str | None
    latency_ms: int | None
    total_time_ms: int
    error_code: str | None
    error_message: str | None
    timestamp: int


class DiscoverParams(Params, kw_only=True):
    """`force`: look again, though the last look is younger than five minutes."""

    force: bool = False


class ProbedPort(Shape, kw_only=True):
    """`outcome`: `closed` nobody listens; `timeout` no answer in time; `unknown` something else answered."""

    port: int
    outcome: Literal["found", "closed", "timeout", "unknown"]
    latency_ms: int


class DiscoveredServer(Shape, kw_only=True):
    url: str
    kind: Literal["llama.cpp", "ollama", "lmstudio", "vllm", "openai-compatible"]
    models: list[str]


class Discovery(Shape, kw_only=True):
    """What listens on this machine. `profileCreated`: a profile for `discoveredUrl` was made; it is active only where
    there was none before."""

    discovered: bool
    discovered_url: str | None
    profile_created: bool
    profile_id: str | None
    probed_ports: list[int]
    ports: list[ProbedPort]
    """What came of each of them."""
    servers: list[DiscoveredServer]
    cached: bool = False


class UnlockVaultParams(Params, kw_only=True):
    """One of them: `vaultKey` (base64 of 32 bytes) or `passphrase`; with `acceptOlder` also neither, for the key source
    of the start."""

    vault_key: Annotated[str, Meta(max_length=200)] | None = None
    passphrase: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None
    accept_older: bool = False
    """A person put a backup in the vault's place, and knows that what was stored since is lost: open it although it is
    older than the one written last."""


class RotateVaultParams(Params, kw_only=True):
    """Two phases. `begin` with the new key: the vault opens with either; store the new key; `commit`: with the new one
    only. `abort` drops the new one again. `reencrypt`: a new data key, everything encrypted again."""

    phase: Literal["begin", "commit", "abort", "reencrypt"]
    new_vault_key: Annotated[str, Meta(max_length=200)] | None = None
    new_passphrase: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None


class VaultStatus(Shape, kw_only=True):
    """`state`: `absent` (no key was stored yet), `open`, `locked`, or what is wrong with it. `source`: where its key
    comes from (`host`, `key-fd`, `keyring`, `passphrase`, `environment`), null where there is none."""

    state: Literal["absent", "open", "locked", "wrong-key", "corrupt", "tampered", "newer", "unavailable"]
    available: bool
    source: str | None
    records: int | None = None
    plaintext_keys: int = 0
    """Keys stored without encryption."""
    generation: int | None = None
    rotation_pending: bool = False
    backups: int = 0
    code: str | None = None
    """The error code that says why it cannot be used."""
