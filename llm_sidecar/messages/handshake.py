"""Lifecycle: `initialize`, `ping`, `shutdown`, `exit`, `$/cancelRequest`, `rpc.discover`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from llm_sidecar.messages.shape import Params, Shape

PROTOCOL_VERSION: Final = 1


class ClientInfo(Shape, kw_only=True):
    """Who the host is, for the log."""

    name: Annotated[str, Meta(max_length=200)]
    version: Annotated[str, Meta(max_length=100)] | None = None


class TokenBatching(Shape, kw_only=True):
    """Merge tokens for up to `maxDelayMs`, or until `maxTokens` wait. The first token of an answer never waits."""

    max_delay_ms: Annotated[int, Meta(ge=0, le=1_000)] = 0
    max_tokens: Annotated[int, Meta(ge=0, le=100_000)] = 0


class InitializeParams(Shape, kw_only=True):
    """The handshake. Optional; once; first. Fields the sidecar does not know are ignored."""

    protocol_version: int
    client: ClientInfo | None = None
    vault_key: Annotated[str, Meta(max_length=200)] | None = None
    """Base64 of 32 bytes."""
    process_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    """The host's process; the sidecar ends when it does, also where somebody else still holds the pipe."""
    token_batching: TokenBatching | None = None
    prewarm: Annotated[list[str], Meta(max_length=50)] | None = None
    """Provider ids whose code is loaded in the background now, so that their first answer comes sooner."""
    limits: dict[str, Any] | None = None
    """Changes to the limits in force, by their camelCase names."""
    capabilities: dict[str, Any] | None = None


class ServerInfo(Shape, kw_only=True):
    name: str
    version: str


class EncryptionState(Shape, kw_only=True):
    """Whether stored keys can be encrypted, and where the key comes from (null: nowhere)."""

    available: bool
    source: str | None


class InitializeResult(Shape, kw_only=True):
    protocol_version: int
    server: ServerInfo
    capabilities: dict[str, Any]
    encryption: EncryptionState
    limits: dict[str, int]
    providers: list[str]


class ShutdownParams(Params, kw_only=True):
    """`deadlineMs`: how long running work may go on before it ends as `SHUTTING_DOWN`."""

    deadline_ms: Annotated[int, Meta(ge=0, le=600_000)] | None = None


class CancelRequestParams(Params, kw_only=True):
    """The id of the request to cancel; it still gets its one response, `CANCELLED`."""

    id: str | int | float
