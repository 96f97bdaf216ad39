"""What the catalogue says of a method and of a notification.

Law: values; `catalogue` is the list of them, `method_errors` the groups of codes they can be answered with.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Method(Struct, frozen=True):
    """A request a host can make (or, with `is_notification`, a notification it can send)."""

    name: str
    params: type[Any]
    result: type[Any]
    summary: str
    errors: tuple[str, ...] = ()
    """Codes besides the ones any method can answer with (`COMMON_ERRORS`)."""
    is_notification: bool = False
    leads_to: tuple[str, ...] = ()
    """The notifications that may follow because of it."""


class Notification(Struct, frozen=True):
    """A notification the sidecar sends."""

    name: str
    params: type[Any]
    summary: str
