"""OpenAI (and Azure): chat completions.

Law: the rules of `providers.base`.
"""

from __future__ import annotations

from llm_sidecar.providers.openai_chat import OpenAIChatProvider


class OpenAIProvider(OpenAIChatProvider):
    """`Provider` for OpenAI's own models."""
