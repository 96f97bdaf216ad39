"""Every wire format there is an adapter for."""

from __future__ import annotations

from tests.providers.openai_chat_format import FORMAT as OPENAI_CHAT
from tests.providers.wire_format import WireFormat

FORMATS: dict[str, WireFormat] = {wire_format.name: wire_format for wire_format in (OPENAI_CHAT,)}
