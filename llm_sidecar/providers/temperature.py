"""Which models take a temperature: where the host names none, ours goes only to those.

Law: a pure function of names; asks nobody. Where a name does not tell, none is sent: one that is missing changes the
answer a little, one too many is refused. What a host asks for is another matter: that is sent to any model.

| models                                    | a temperature                                                        |
|-------------------------------------------|----------------------------------------------------------------------|
| OpenAI: GPT 3 and 4, but for their search | taken                                                                |
| OpenAI: o1 …, GPT 5 and later, codex, …   | refused: "Only the default (1) value is supported"                   |
| Claude up to 4.6                          | taken                                                                |
| Claude 4.7 and later                      | refused: "`temperature` is deprecated for this model"                |
| Gemini up to 2.5                          | taken                                                                |
| Gemini 3 and later                        | taken, but below 1 it may loop (Google, "Gemini 3 Developer Guide")  |
| Kimi, from K2.5 on                        | refused: "only 1 is allowed for this model"                          |
| others                                    | taken                                                                |

Azure calls a model by the name of its deployment, which may be any: only one with GPT 3 or 4 in it tells.
"""

from __future__ import annotations

import re
from typing import Final

_NEWEST: Final = (99,)
"""The version of a name without a number."""
_FIRST_WITHOUT: Final = {"claude": (4, 7), "gemini": (3,)}
"""By family: the version from which on none is sent."""

_find_early_gpt: Final = re.compile(r"gpt-?[34](?!.*search)").search
_is_fixed_elsewhere: Final = re.compile(r"o[1-9](?![0-9])|gpt-[5-9]|codex|kimi").match
"""Behind a gateway, and at servers of one's own."""
_number: Final = re.compile(r"(?<![0-9])[0-9]{1,2}(?![0-9])").findall
"""Of a version: `claude-3-7-sonnet-20250219` is 3.7, and its date is none."""


def takes_temperature(provider_id: str, model_id: str) -> bool:
    """Whether a temperature nobody asked for may be sent to a model; `model_id` is "" for a server's first one."""
    name = model_id.lower()
    if provider_id in ("openai", "azure"):
        return _find_early_gpt(name) is not None
    for family, first_without in _FIRST_WITHOUT.items():
        _, found, rest = name.partition(family)
        if found:
            return (tuple(map(int, _number(rest)[:2])) or _NEWEST) < first_without
    return _is_fixed_elsewhere(name.rpartition("/")[2]) is None
