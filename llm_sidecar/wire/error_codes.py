"""Error code string ↔ JSON-RPC number, and the `error` object of a response.

Numbers below -32000 are the specification's and LSP's; every application error shares -32000 and differs by
`data.code`, which is what hosts branch on.
"""

from __future__ import annotations

import time
from typing import Any, Final

from msgspec import Struct

from llm_sidecar.errors import SidecarError

NUMBER_OF_CODE: Final = {
    "PARSE_ERROR": -32700,
    "INVALID_MESSAGE": -32600,
    "MESSAGE_TOO_LARGE": -32600,
    "DUPLICATE_ID": -32600,
    "METHOD_NOT_FOUND": -32601,
    "VALIDATION_ERROR": -32602,
    "INTERNAL_ERROR": -32603,
    "CANCELLED": -32800,
    "OVERLOADED": -32001,
}
APPLICATION_ERROR: Final = -32000


class ErrorData(Struct, rename="camel", omit_defaults=True, kw_only=True):
    """`error.data`: the stable code, whether trying again can help, and when (epoch ms) it happened."""

    code: str
    retryable: bool
    retry_after_ms: int | None = None
    details: dict[str, Any] | None = None
    timestamp: int


class ErrorObject(Struct):
    """`error` of a response."""

    code: int
    message: str
    data: ErrorData


def error_object(error: SidecarError) -> ErrorObject:
    """The wire's form of `error`, stamped now."""
    data = ErrorData(
        code=error.code,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        details=error.details,
        timestamp=int(time.time() * 1000),
    )
    return ErrorObject(NUMBER_OF_CODE.get(error.code, APPLICATION_ERROR), error.message, data)
