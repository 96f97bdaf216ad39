"""The shape of an example."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]


class Exchange(NamedTuple):
    """A request's params and the result it may have; None for a notification, which has none."""

    params: Json
    result: Json | None
