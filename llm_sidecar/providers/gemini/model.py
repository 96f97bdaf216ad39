"""What the name of a Gemini model says: where it is in the API, and which generation's habits it has.

Law: a pure mapping; asks nobody. A name is refused rather than quoted where it could lead elsewhere in the API.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from llm_sidecar.errors import ProviderError

_RESOURCE: Final = re.compile(r"(?:(models|tunedModels)/)?([A-Za-z0-9][A-Za-z0-9._-]*)")
_GENERATION: Final = re.compile(r"gemini-([0-9]+)")


class GeminiModel(NamedTuple):
    name: str
    """Without `models/`."""
    path: str
    """`models/…` or `tunedModels/…`: safe in a URL as it is."""
    thinks_in_levels: bool
    """Takes `thinkingLevel`, as Gemini does since its third generation; the first two take `thinkingBudget` and refuse
    the other (Google, "Thinking"). A name without a number (`gemini-flash-latest`) is of the newest generation."""
    needs_signatures: bool
    """Refuses a call of the current turn that bears no signature: Gemini since its third generation (Google, "Thought
    signatures")."""


def gemini_model(model_id: str) -> GeminiModel:
    """The model of this id, given with or without `models/`. Raises `INVALID_MODEL` for what can be no name of one."""
    match = _RESOURCE.fullmatch(model_id)
    if match is None:
        said = "is not the name of a Gemini model" if model_id else "must be named"
        raise ProviderError("INVALID_MODEL", f"The model {said}.")
    folder, name = match[1] or "models", match[2]
    generation = _GENERATION.match(name)
    is_early = generation is not None and int(generation[1]) < 3
    return GeminiModel(
        name=name if folder == "models" else f"{folder}/{name}",
        path=f"{folder}/{name}",
        thinks_in_levels=not is_early,
        needs_signatures=name.startswith("gemini-") and not is_early,
    )
