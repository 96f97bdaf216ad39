"""What a provider's stream is made of, whoever the provider is.

Law: plain values, cheap to make (one is made per delta). Text is never empty. Order is the provider's.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class TextDelta(Struct, frozen=True, gc=False):
    """A piece of the answer. `count` is how many of the provider's deltas it joins."""

    text: str
    count: int = 1


class ReasoningDelta(Struct, frozen=True, gc=False):
    """A piece of the model's reasoning."""

    text: str


class ToolCallDelta(Struct, frozen=True, gc=False):
    """A piece of the tool call at `index` (0-based, gapless). `id` and `name` are set in the first piece of a call."""

    index: int
    arguments: str
    id: str | None = None
    name: str | None = None


class UsageReport(Struct, frozen=True):
    """Token counts as the provider reported them. Each report replaces the fields it sets; None leaves them.

    `prompt_tokens` includes those read from and written to a cache; `completion_tokens` includes reasoning.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    """Read from the provider's prompt cache: they cost less."""
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None
    """Written to the prompt cache: some providers charge more for them."""


class PromptProgress(Struct, frozen=True):
    """Prompt tokens read so far, and how many there are where known. Not content: it resets no content timer."""

    current: int
    total: int | None = None


class ProviderState(Struct, frozen=True):
    """Opaque values to be replayed with this answer in the next turn; later keys replace earlier ones."""

    state: dict[str, Any]


class ModelNamed(Struct, frozen=True):
    """The model that really answers, where the provider says so."""

    model_id: str


class Finish(Struct, frozen=True):
    """The provider's own end of the answer, mapped, and as it said it."""

    reason: Literal["stop", "length", "content_filter", "tool_calls"]
    raw: str | None


ProviderEvent = (
    TextDelta | ReasoningDelta | ToolCallDelta | UsageReport | PromptProgress | ProviderState | ModelNamed | Finish
)
