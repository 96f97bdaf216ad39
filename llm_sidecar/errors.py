"""The one tree of errors this program raises on purpose.

Law: an error is a stable code string, a sentence for a person, and whether trying again can help.
This module knows no JSON-RPC number (`wire.error_codes` does) and imports nothing of the project.
A message is written by us from facts we chose; it never forwards another library's text, a URL with a
query, a header or a key.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct


class ErrorKind(Struct, frozen=True):
    """One row of the table of errors: the group it is documented under, and whether retrying can help."""

    group: str
    retryable: bool
    summary: str


ERROR_KINDS: Final[dict[str, ErrorKind]] = {
    # protocol: the message itself was wrong
    "PARSE_ERROR": ErrorKind("protocol", False, "The line is not strict UTF-8 JSON."),
    "INVALID_MESSAGE": ErrorKind("protocol", False, "The JSON is not a JSON-RPC 2.0 request."),
    "MESSAGE_TOO_LARGE": ErrorKind("protocol", False, "A line, a batch or a result is above its limit."),
    "DUPLICATE_ID": ErrorKind("protocol", False, "A request with this id is still in flight."),
    "METHOD_NOT_FOUND": ErrorKind("protocol", False, "There is no such method."),
    "ALREADY_INITIALIZED": ErrorKind("protocol", False, "`initialize` comes once, and first."),
    "INTERNAL_ERROR": ErrorKind("protocol", False, "A fault of the sidecar; the log id finds it on stderr."),
    # configuration
    "VALIDATION_ERROR": ErrorKind("configuration", False, "A field is missing, unknown or out of range."),
    "API_KEY_MISSING": ErrorKind("configuration", False, "The provider needs a key and none was found."),
    "INVALID_PROVIDER": ErrorKind("configuration", False, "There is no such provider."),
    "INVALID_MODEL": ErrorKind("configuration", False, "The provider does not know the model, or none was named."),
    # network
    "NETWORK_ERROR": ErrorKind("network", True, "The provider could not be reached; `details.errno` says how."),
    # provider
    "AUTH_ERROR": ErrorKind("provider", False, "The provider refused the key."),
    "RATE_LIMIT": ErrorKind("provider", True, "Too many requests, at the provider or (details.scope) here."),
    "INSUFFICIENT_QUOTA": ErrorKind("provider", False, "The account has no credit or reached its spending limit."),
    "INVALID_REQUEST": ErrorKind("provider", False, "The provider refused the request as malformed."),
    "CONTEXT_LENGTH_EXCEEDED": ErrorKind("provider", False, "The prompt is longer than the model's context."),
    "SERVER_ERROR": ErrorKind("provider", True, "The provider failed."),
    "PROVIDER_OVERLOADED": ErrorKind("provider", True, "The provider is overloaded or still loading the model."),
    "STREAM_TRUNCATED": ErrorKind("provider", True, "The stream stopped without the provider's end marker."),
    "PROVIDER_PROTOCOL_ERROR": ErrorKind("provider", False, "The provider sent something its protocol does not allow."),
    # time
    "TIMEOUT": ErrorKind("time", True, "The whole inference took longer than `timeoutMs`."),
    "FIRST_TOKEN_TIMEOUT": ErrorKind("time", True, "No content came within `firstTokenTimeoutMs`."),
    "STREAM_TIMEOUT": ErrorKind("time", True, "No content came for `chunkTimeoutMs`."),
    # limits of the sidecar
    "OVERLOADED": ErrorKind("limits", True, "A queue of the sidecar is full."),
    "SESSION_LIMIT": ErrorKind("limits", True, "Too many sessions are live, at all or in one window."),
    "BUDGET_EXCEEDED": ErrorKind("limits", False, "A budget is spent; `details` says which and when it begins anew."),
    # sessions
    "SESSION_NOT_FOUND": ErrorKind("sessions", False, "There is no session of this id."),
    "SESSION_EXISTS": ErrorKind("sessions", False, "There is a session of this id already."),
    "SESSION_BUSY": ErrorKind("sessions", True, "The session is answering; one run at a time."),
    # inferences
    "INFERENCE_NOT_FOUND": ErrorKind("inferences", False, "No inference of this id is known (any more)."),
    "INFERENCE_EXISTS": ErrorKind("inferences", False, "An inference of this id is live."),
    "REPLAY_GAP": ErrorKind("inferences", False, "The events asked for have left the journal."),
    "SHUTTING_DOWN": ErrorKind("inferences", True, "The sidecar is stopping."),
    "CANCELLED": ErrorKind("inferences", False, "The request was cancelled by `$/cancelRequest`."),
    # profiles
    "PROFILE_NOT_FOUND": ErrorKind("profiles", False, "There is no profile of this id."),
    "NO_ACTIVE_PROFILE": ErrorKind(
        "profiles", False, "Neither a profile nor a provider was named, and none is active."
    ),
    "ALTERNATE_NOT_FOUND": ErrorKind("profiles", False, "The profile to be activated instead does not exist."),
    "DISCOVERY_ERROR": ErrorKind("profiles", False, "This machine's ports could not be looked at."),
    # vault
    "VAULT_READ_ERROR": ErrorKind("vault", False, "The vault's file cannot be read; `details.reason` says why."),
    "VAULT_WRITE_ERROR": ErrorKind("vault", False, "The vault's file cannot be written; the old one is intact."),
    "VAULT_LOCKED": ErrorKind("vault", False, "The vault has no key yet: unlock it."),
    "VAULT_WRONG_KEY": ErrorKind("vault", False, "The key is not the vault's; nothing was changed."),
    "VAULT_CORRUPT": ErrorKind("vault", False, "The vault's file is damaged; nothing was changed."),
    "VAULT_TAMPERED": ErrorKind("vault", False, "The vault's file was altered or set back; nothing was changed."),
    "VAULT_NEWER": ErrorKind("vault", False, "The vault was written by a newer version; nothing was changed."),
    # storage
    "DATA_DIR_LOCKED": ErrorKind("storage", False, "Another sidecar serves this data folder."),
    "STORAGE_READ_ERROR": ErrorKind("storage", False, "The database cannot be read; `details.reason` says why."),
    "STORAGE_WRITE_ERROR": ErrorKind("storage", True, "The database cannot be written; nothing was changed."),
    "STORAGE_CORRUPT": ErrorKind("storage", False, "The database is damaged; nothing was changed."),
    "STORAGE_NEWER": ErrorKind("storage", False, "The database was written by a newer version; nothing was changed."),
    # jobs
    "JOB_NOT_FOUND": ErrorKind("jobs", False, "There is no job of this id."),
    "JOB_EXISTS": ErrorKind("jobs", False, "There is a job of this id already."),
    "JOB_INTERRUPTED": ErrorKind("jobs", True, "The sidecar ended while the job ran."),
    # services
    "SERVICE_NOT_FOUND": ErrorKind("services", False, "There is no service of this name."),
}
"""Every code a host can meet, in the order the documentation lists them."""


class SidecarError(Exception):
    """A failure with a stable code. The dispatcher turns it into the wire's `error`.

    `code` is a key of `ERROR_KINDS`; `message` is for a person and holds no secret; `retry_after_ms` is how long to
    wait before the next try, in milliseconds, where somebody said so; `details` is a small JSON object.
    `retryable` follows the table unless the one who raises knows better.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = ERROR_KINDS[code].retryable if retryable is None else retryable
        self.retry_after_ms = retry_after_ms
        self.details = details

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.message!r})"


class FieldProblem(Struct, frozen=True):
    """One refused field: where it is (`messages[2].role`) and why, without its value."""

    path: str
    reason: str


class InvalidParams(SidecarError):
    """The params of a request do not fit its method; lists every field at fault, never a value."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        shown = "; ".join(f"{p.path or 'params'}: {p.reason}" for p in problems[:3])
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        fields = [{"path": p.path, "reason": p.reason} for p in problems]
        super().__init__("VALIDATION_ERROR", f"Invalid params: {shown}{more}", details={"fields": fields})


class ProviderError(SidecarError):
    """A provider, or the way to it, failed. `status` is the HTTP status where there was one; `param` the field of the
    request that is at fault, where the provider named one, in its own words: for adapters, told to nobody."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        errno: str | None = None,
        provider_code: str | None = None,
        param: str | None = None,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        details: dict[str, Any] = {}
        if status is not None:
            details["status"] = status
        if errno is not None:
            details["errno"] = errno
        if provider_code is not None:
            details["providerCode"] = provider_code
        super().__init__(code, message, retryable=retryable, retry_after_ms=retry_after_ms, details=details or None)
        self.status = status
        self.param = param
        self.model_id: str | None = None
        """The model that was asked, where the adapter found out which one is meant."""


def network_error(errno: str, message: str) -> ProviderError:
    """A `NETWORK_ERROR`; `errno` is `ECONNREFUSED`, `ENOTFOUND`, `ETIMEDOUT`, `ECONNRESET`, `TLS_ERROR` or the like."""
    return ProviderError("NETWORK_ERROR", message, errno=errno)
