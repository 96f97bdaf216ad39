"""Days and months of the wall clock, as somebody's calendar has them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, Literal

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1).toordinal()
_LAST: Final = date(9999, 11, 30).toordinal() - _EPOCH


def day_name(day: int) -> str:
    """Of a day counted from 1970-01-01 (0): `2026-11-28`."""
    return date.fromordinal(_EPOCH + _known(day)).isoformat()


def period_around(instant_ms: int, period: Literal["day", "month"], utc_offset_minutes: int) -> tuple[int, int]:
    """When the day or month of an instant begins and ends (epoch milliseconds), on a clock that is so far ahead of
    UTC."""
    offset_ms = utc_offset_minutes * _MINUTE_MS
    day = _known((instant_ms + offset_ms) // _DAY_MS)
    if period == "day":
        return day * _DAY_MS - offset_ms, (day + 1) * _DAY_MS - offset_ms
    first = date.fromordinal(_EPOCH + day).replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    start, end = ((first_day.toordinal() - _EPOCH) * _DAY_MS - offset_ms for first_day in (first, following))
    return start, end


def _known(day: int) -> int:
    """Calendars end with the year 9999; a clock may be further gone."""
    return min(max(day, -1), _LAST)
