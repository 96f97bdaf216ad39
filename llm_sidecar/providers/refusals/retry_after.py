"""How long a provider asks us to wait: what it wrote → milliseconds. Pure; it knows no clock.

Law: never negative, never above a day, and None for what is no wait: garbage is ignored, not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Final

_LONGEST_MS: Final = 24 * 3_600_000
_NUMBER: Final = re.compile(r"[ \t]*([0-9]{1,12}(?:\.[0-9]{1,9})?)[ \t]*")


def retry_after_ms(headers: Mapping[str, str], now: float) -> int | None:
    """The wait that the headers (looked up in lower case) ask for.

    `retry-after-ms`, else `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3). A date is measured from the
    answer's own `Date`, so that a wrong clock here does not matter; from `now` (epoch seconds) where there is none.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is None:
        until, sent = _epoch_seconds(text), _epoch_seconds(headers.get("date"))
        seconds = None if until is None else until - (now if sent is None else sent)
    return None if seconds is None else _bounded(seconds * 1000)


def duration_ms(text: object) -> int | None:
    """A duration as Protocol Buffers write it in JSON: `"34.074824224s"`."""
    seconds = _number(text[:-1]) if isinstance(text, str) and text.endswith("s") else None
    return None if seconds is None else _bounded(seconds * 1000)


def _bounded(milliseconds: float) -> int:
    return int(min(max(milliseconds, 0), _LONGEST_MS))


def _number(text: str | None) -> float | None:
    found = _NUMBER.fullmatch(text) if text is not None else None
    return None if found is None else float(found[1])


def _epoch_seconds(text: str | None) -> float | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # half a megabyte, for what hardly a server sends

    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
