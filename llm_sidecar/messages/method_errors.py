"""The groups of error codes that methods can be answered with.

Law: names only; what a code means is in `errors`.
"""

from __future__ import annotations

from typing import Final

COMMON_ERRORS: Final = (
    "PARSE_ERROR",
    "INVALID_MESSAGE",
    "MESSAGE_TOO_LARGE",
    "DUPLICATE_ID",
    "METHOD_NOT_FOUND",
    "VALIDATION_ERROR",
    "INTERNAL_ERROR",
    "OVERLOADED",
    "CANCELLED",
    "SHUTTING_DOWN",
    "DATA_DIR_LOCKED",
)
"""What any request can be answered with."""

READ_ERRORS: Final = ("STORAGE_READ_ERROR", "STORAGE_CORRUPT", "STORAGE_NEWER")
STORE_ERRORS: Final = (*READ_ERRORS, "STORAGE_WRITE_ERROR")
CLOSED_VAULT: Final = ("VAULT_LOCKED", "VAULT_WRONG_KEY", "VAULT_CORRUPT", "VAULT_TAMPERED", "VAULT_NEWER")
VAULT_ERRORS: Final = ("VAULT_READ_ERROR", "VAULT_WRITE_ERROR", *CLOSED_VAULT)
NO_ROUTE: Final = ("INVALID_PROVIDER", "API_KEY_MISSING", "PROFILE_NOT_FOUND", "NO_ACTIVE_PROFILE")
INFERENCE_ERRORS: Final = (
    "RATE_LIMIT",
    "BUDGET_EXCEEDED",
    *NO_ROUTE,
    "VAULT_READ_ERROR",
    *CLOSED_VAULT,
    *READ_ERRORS,
    "INVALID_MODEL",
    "NETWORK_ERROR",
    "AUTH_ERROR",
    "INSUFFICIENT_QUOTA",
    "INVALID_REQUEST",
    "CONTEXT_LENGTH_EXCEEDED",
    "SERVER_ERROR",
    "PROVIDER_OVERLOADED",
    "STREAM_TRUNCATED",
    "PROVIDER_PROTOCOL_ERROR",
    "TIMEOUT",
    "FIRST_TOKEN_TIMEOUT",
    "STREAM_TIMEOUT",
)
"""What a request can be answered with whose result is the whole answer of an inference."""

ROUTE_ERRORS: Final = (
    *NO_ROUTE,
    *VAULT_ERRORS,
    *READ_ERRORS,
)
"""What finding a provider, its address and its key can fail with."""
ADMISSION_ERRORS: Final = ("RATE_LIMIT", "INFERENCE_EXISTS", "BUDGET_EXCEEDED", *ROUTE_ERRORS)
