"""A key that must not turn up anywhere, and how to recognise it: whole, in pieces, masked, encoded."""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import quote

from llm_sidecar.errors import SidecarError

KEY: Final = "sk-proj-qVhb7RtZ2snWkdLmPx4YcGf9"
_TELLING: Final = 8
"""Characters in a row that no text of ours shares with a key by chance."""


def forms(key: str) -> dict[str, str]:
    """How a key may be written."""
    data = key.encode()
    return {
        "plain": key,
        "upper case": key.upper(),
        "lower case": key.lower(),
        "reversed": key[::-1],
        "base64": base64.b64encode(data).decode(),
        "base64url": base64.urlsafe_b64encode(data).decode().rstrip("="),
        "hex": data.hex(),
        "percent": "".join(f"%{byte:02X}" for byte in data),
        "percent, where needed": quote(f"?key={key}", safe=""),
        "JSON escapes": "".join(f"\\u{ord(character):04x}" for character in key),
    }


def pieces(key: str) -> list[str]:
    """How servers show one they were given."""
    return [
        key[:8],
        key[-4:],
        key[-8:],
        f"{key[:7]}***{key[-4:]}",
        f"{key[:3]}...{key[-4:]}",
        f"{key[:8]}-{key[-6:]}",
        f"invalid_key_{key[-6:]}",
        f"key.{key[4:12]}",
        key[:-1],
        key[1:],
    ]


def traces_of(key: str, said: str) -> list[str]:
    """The forms of `key` of which a telling piece is in `said`."""
    said = said.lower()
    return [
        name
        for name, written in forms(key).items()
        if any(written[at : at + _TELLING].lower() in said for at in range(len(written) - _TELLING + 1))
    ]


def said_by(error: SidecarError) -> str:
    """Everything an error says of itself. (Its cause says more, and is never logged.)"""
    return " ".join([error.code, error.message, str(error), repr(error), repr(error.details), repr(error.args)])
