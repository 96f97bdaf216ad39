"""What can be wrong: with the sidecar (`Breach`), or with what the runner was given (`UsageError`)."""

from __future__ import annotations

import json
from typing import Any, Final

LONGEST: Final = 300
"""Characters of a value in a sentence; the dialogue (`--verbose`) has it whole."""


class Breach(Exception):
    """The sidecar does not do what the contract says; the text says where and what."""


class UsageError(Exception):
    """The runner cannot begin: the command, an option or a file of vectors is not usable."""


def demand(is_kept: bool, text: str) -> None:
    """Raise `Breach` unless a promise is kept."""
    if not is_kept:
        raise Breach(text)


def shown(value: Any) -> str:
    """A value as JSON, for a sentence; the middle of a long one is left out."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 60]} … {text[-50:]}"
