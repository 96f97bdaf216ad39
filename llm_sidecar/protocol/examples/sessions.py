"""Examples: sessions."""

from __future__ import annotations

from typing import Final

from llm_sidecar.protocol.examples.exchange import Exchange, Json

HOST: Final[dict[str, Exchange]] = {}
SIDECAR: Final[dict[str, Json]] = {}
