"""How much a Claude model is asked to think: our `reasoning` as the API's `thinking` and `output_config.effort`.

Law: a pure function of the model's name and the request; it asks for nothing that was not asked for. The models take
it in different ways ("Thinking" and "Effort", Anthropic's documentation, and the official SDK's types):

| models                              | thinking                                        | effort           |
|-------------------------------------|-------------------------------------------------|------------------|
| Claude up to 4.5, others' models    | `enabled`, with a budget                        | becomes a budget |
| Claude 4.6                          | `enabled` where a budget is asked for (it is on | as it is         |
|                                     | its way out), else `adaptive`                   |                  |
| Claude 4.7 and later                | `adaptive`: `enabled` is refused, so a budget   | as it is         |
|                                     | only says that there shall be thinking          |                  |

From 4.7 on the text of the thoughts is left out unless `display` asks for it: it does, since a host that asked for
reasoning waits for it, and a silent minute would look like a stall. A name without a number is the newest.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.content import ReasoningOptions

_OTHERS: Final = (0,)
_ADAPTIVE: Final = (4, 6)
"""The first that can decide by itself how much to think."""
_ADAPTIVE_ONLY: Final = (4, 7)
_NUMBER: Final = re.compile(r"(?<![0-9])[0-9]{1,2}(?![0-9])")
"""Of a version: `claude-3-7-sonnet-20250219` is 3.7, and its date is none."""

_LEAST_BUDGET: Final = 1_024
"""What the API takes at least (`ThinkingConfigEnabledParam`)."""
_BUDGETS: Final = {"low": _LEAST_BUDGET, "medium": 4 * _LEAST_BUDGET, "high": 16 * _LEAST_BUDGET}
"""Tokens. From the API's least to the 16 thousand that Anthropic advises to begin with for complex tasks."""

DEFAULT_MAX_TOKENS: Final = 32_000
"""Anthropic must be told a limit. This is the smallest output limit of any Claude 4 model (Opus 4 and 4.1, "Models
overview"): as long an answer as every model can give, thoughts included."""
_EARLY_LIMITS: Final = {(3, 5): 4_096, (3, 7): 8_192}
"""The output limits of the Claude models before these versions: more is refused."""
_ROOM_FOR_ANSWER: Final = 4_096
"""What is left beside a budget near or above that."""


class Thinking(NamedTuple):
    """The fields of the request; None is not sent."""

    max_tokens: int
    thinking: dict[str, object] | None = None
    effort: str | None = None


def thinking_for(model_id: str, reasoning: ReasoningOptions | None, max_tokens: int | None) -> Thinking:
    """Raises `INVALID_REQUEST` where `max_tokens` leaves no room beside the thoughts: the API counts both."""
    version = _version(model_id)
    if reasoning is None or (reasoning.effort is None and reasoning.budget_tokens is None):
        return Thinking(max_tokens or _default_max_tokens(version))
    if version < _ADAPTIVE or (version < _ADAPTIVE_ONLY and reasoning.budget_tokens is not None):
        budget = reasoning.budget_tokens or _budget(reasoning.effort, max_tokens)
        limit = max_tokens or max(DEFAULT_MAX_TOKENS, budget + _ROOM_FOR_ANSWER)
        if limit <= budget:
            raise ProviderError(
                "INVALID_REQUEST", f"maxTokens must be above the {budget} tokens of thinking that this model is given."
            )
        effort = reasoning.effort if version >= _ADAPTIVE else None
        return Thinking(limit, {"type": "enabled", "budget_tokens": budget}, effort)
    thinking: dict[str, object] = {"type": "adaptive"}
    if version >= _ADAPTIVE_ONLY:
        thinking["display"] = "summarized"
    return Thinking(max_tokens or DEFAULT_MAX_TOKENS, thinking, reasoning.effort)


def _default_max_tokens(version: tuple[int, ...]) -> int:
    if version == _OTHERS:
        return DEFAULT_MAX_TOKENS
    return next((limit for later, limit in _EARLY_LIMITS.items() if version < later), DEFAULT_MAX_TOKENS)


def _version(model_id: str) -> tuple[int, ...]:
    """(4, 6) for `claude-opus-4-6`; `_OTHERS` for another vendor's model, which knows the oldest form if any."""
    _, claude, rest = model_id.lower().partition("claude")
    if not claude:
        return _OTHERS
    return tuple(map(int, _NUMBER.findall(rest)[:2])) or _ADAPTIVE_ONLY


def _budget(effort: str | None, max_tokens: int | None) -> int:
    """Our own choice leaves at least half of the room for the answer."""
    budget = _BUDGETS[effort or "medium"]
    return budget if max_tokens is None else max(min(budget, max_tokens // 2), _LEAST_BUDGET)
