"""What a host notes beside a session or a job, and gets back as it was.

Law: bounded, so that a page of a list still holds many.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.limits import KIB

_MOST: Final = 64 * KIB


def encoded(metadata: dict[str, Any] | None) -> bytes | None:
    """As JSON. Raises `InvalidParams` where that is too long."""
    stored = None if metadata is None else msgspec.json.encode(metadata)
    if stored is not None and len(stored) > _MOST:
        raise InvalidParams([FieldProblem("metadata", f"must have at most {_MOST} bytes of JSON")])
    return stored
