"""Token counts as servers write them.

Law: a number of any kind in, a count that a host's JSON parser can hold out; None for what cannot be one.
"""

from __future__ import annotations

from typing import Final

_MAX_COUNT: Final = 2**53

Number = int | float | None
"""A count as servers write it; `count` makes it one."""


def count(number: Number) -> int | None:
    """A token count; None for what cannot be one."""
    return int(number) if number is not None and 0 <= number <= _MAX_COUNT else None
