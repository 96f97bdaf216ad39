"""One example of everything that can be said: what the page of channels shows.

Law: plain JSON values; a test holds each against the structs of its method, so that no example can be wrong for long.
"""

from __future__ import annotations

from typing import Final

from llm_sidecar.protocol.examples import inference, jobs, profiles, sessions, usage
from llm_sidecar.protocol.examples.exchange import Exchange, Json

__all__ = ["HOST", "SIDECAR", "Exchange", "Json"]

HOST: Final[dict[str, Exchange]] = {
    **inference.HOST,
    **sessions.HOST,
    **profiles.HOST,
    **jobs.HOST,
    **usage.HOST,
}
"""What a host sends, by method, and what it may get."""

SIDECAR: Final[dict[str, Json]] = {
    **inference.SIDECAR,
    **sessions.SIDECAR,
    **profiles.SIDECAR,
    **jobs.SIDECAR,
    **usage.SIDECAR,
}
"""What the sidecar sends by itself, by notification: its params."""
