"""`llm:generate-text`: one prompt, one text, in one response."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from llm_sidecar.messages.events import FinishReason, Usage
from llm_sidecar.messages.shape import LongText, Params, Shape, WindowId


class GenerateTextParams(Params, kw_only=True):
    """A prompt, and who is to answer it. `maxTokens` holds for the model's reasoning, too."""

    prompt: Annotated[str, Meta(min_length=1, max_length=100_000)]
    provider_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    system_prompt: LongText | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """Left out: 0.7, or the model's own where it takes no other."""
    timeout_ms: Annotated[int, Meta(ge=1_000, le=600_000)] | None = None
    cache: bool = False
    queue: bool = False
    window_id: WindowId | None = None


class GeneratedText(Shape, kw_only=True):
    """The whole text, how it ended, and what it took."""

    text: str
    usage: Usage
    finish_reason: FinishReason
    cost: float | None
    """US dollars; null where the price is not known."""
    provider_id: str
    model_id: str
    profile_id: str | None = None
    cached: bool = False
