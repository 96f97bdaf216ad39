"""Errors as vendors report them → `ProviderError`. Pure: no I/O, no clock unless the answer has none.

Law: the message is a sentence of ours. Of what the vendor wrote, only the HTTP status and one name (`providerCode`) are
passed on, the name only if `_may_be_shown`; its free text helps to classify the error and is never forwarded, since
servers echo keys and prompts. `reports` reads the body, `table` decides.

What is retried is what the official SDKs retry (408, 409, 429, 5xx), except where another attempt cannot help: a
used-up quota, a request that is too long, 501, and whatever came with `x-should-retry: false` (the SDKs obey it too).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Final

from llm_sidecar.errors import ERROR_KINDS, ProviderError
from llm_sidecar.providers.refusals.reports import ErrorReport, read_error
from llm_sidecar.providers.refusals.retry_after import retry_after_ms
from llm_sidecar.providers.refusals.table import KNOWN_NAMES, code_for

_SENTENCES: Final = {
    "INSUFFICIENT_QUOTA": "The account's credit or quota is used up",
    "CONTEXT_LENGTH_EXCEEDED": "The request is longer than the model's context, or than the provider takes",
    "INVALID_MODEL": "The provider does not know this model, or does not let this key use it",
    "AUTH_ERROR": "The provider refused the key",
    "RATE_LIMIT": "The provider limits the rate of requests",
    "PROVIDER_OVERLOADED": "The provider is overloaded or still loading the model",
    "SERVER_ERROR": "The provider failed",
    "INVALID_REQUEST": "The provider refused the request",
}

_WORDS: Final = re.compile(
    r"(?=.{3,64}\Z)(?:[a-z]+\d{0,2}(?:[_.-][a-z]+\d{0,2})*|[A-Z]+(?:_[A-Z]+)*|(?:[A-Z]+[a-z]{2,})+)"
)
"""`snake_case` with a small number here or there (`invalid_base64_image`), `UPPER_CASE`, `CamelCase`; no key."""
_TELLING_RUN: Final = 4
"""Characters in a row shared with the key: the end that vendors show of a masked one is at least this long."""


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, *, secret: str | None = None
) -> ProviderError:
    """The error an answer with HTTP `status` ≥ 400 stands for. `body` may be cut off or no JSON at all.

    `headers` are looked up in lower case. `secret` is what must not appear in the error (the key that was sent).
    """
    report = read_error(body)
    wait = retry_after_ms(headers, now=time.time())
    refuses_retry = headers.get("x-should-retry", "").strip().lower() == "false"
    return _error(status, report, report.retry_after_ms if wait is None else wait, refuses_retry, secret)


def error_from_event(body: bytes, *, secret: str | None = None) -> ProviderError:
    """The error that an event in a stream (or a whole answer with HTTP 200) reports, which may name a status."""
    report = read_error(body)
    return _error(report.status, report, report.retry_after_ms, False, secret)


def _error(
    status: int | None, report: ErrorReport, wait_ms: int | None, refuses_retry: bool, secret: str | None
) -> ProviderError:
    code = code_for(status, report)
    shown = next((name for name in report.names if _may_be_shown(name, secret)), None)
    facts = ", ".join(fact for fact in (f"HTTP {status}" if status else None, shown) if fact)
    retryable = ERROR_KINDS[code].retryable and not refuses_retry
    return ProviderError(
        code,
        f"{_SENTENCES[code]} ({facts})." if facts else f"{_SENTENCES[code]}.",
        status=status,
        provider_code=shown,
        param=report.param,
        retryable=retryable,
        retry_after_ms=wait_ms if retryable else None,
    )


def _may_be_shown(name: str, secret: str | None) -> bool:
    """A name of the tables above says nothing but itself; another one must be words, and no piece of the key."""
    if name.lower() in KNOWN_NAMES:
        return True
    return _WORDS.fullmatch(name) is not None and not _shares_a_run(name.lower(), (secret or "").lower())


def _shares_a_run(name: str, secret: str) -> bool:
    length = min(_TELLING_RUN, len(secret))
    return length > 0 and any(secret[at : at + length] in name for at in range(len(secret) - length + 1))
