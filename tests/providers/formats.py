"""Every wire format there is an adapter for."""

from __future__ import annotations

from tests.providers.anthropic_format import FORMAT as ANTHROPIC
from tests.providers.gemini_format import FORMAT as GEMINI
from tests.providers.ollama_format import FORMAT as OLLAMA
from tests.providers.openai_chat_format import FORMAT as OPENAI_CHAT
from tests.providers.openai_responses_format import FORMAT as OPENAI_RESPONSES
from tests.providers.wire_format import WireFormat

FORMATS: dict[str, WireFormat] = {
    wire_format.name: wire_format for wire_format in (OPENAI_CHAT, OPENAI_RESPONSES, GEMINI, ANTHROPIC, OLLAMA)
}
