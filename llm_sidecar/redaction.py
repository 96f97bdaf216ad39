"""The secrets that are live in the process, masked in whatever leaves it.

Law: what was given to `hide` is `***` from then on: in every line of the log (`log`), in every message to the host
(`rpc.outbox`) and in every row of the database (`storage.masking`), whoever put it there. Other modules see to it that
a key is not handed on in the first place; this one trusts neither them nor the servers. It knows the exact text only: a
key spelt backwards, or piece by piece in the tokens of a model, is not found. Looking costs one search in memory for
each secret. Used from any thread.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

_MASK: Final = "***"
_SHORTEST: Final = 4
_SHORTEST_IN_JSON: Final = 8
_is_word: Final = re.compile(r"[A-Za-z]{1,15}").fullmatch
"""Local servers take any key, so that people write `ollama`, `EMPTY` or `anything`: masking these would spoil answers
and protect nothing. No provider gives out a key that is so short, or a plain word."""
_is_bare: Final = re.compile(r"[-+0-9.,:eE\[\]{}]*").fullmatch
"""What can stand in JSON outside a string: masked there, it would be JSON no more."""
_HALF_AN_ESCAPE: Final = rb"(?:\\+(?:u[0-9a-f]{0,3})?)?"
r"""Goes with the secret that follows: `\nvapi` is a line break and `vapi`, and `\***` would be no JSON."""


class _Hidden:
    """Longer secrets come first: one may begin with another."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.unmistakable: list[str] = []
        self.in_json: list[bytes] = []
        self.anywhere_in_json = re.compile(rb"(?!)")


_hidden: Final = _Hidden()


def hide(secret: str | None) -> None:
    """Mask `secret` from now on. In log lines if it has 4 characters or more; in messages if it has 8 or more, and is
    neither a plain word nor a number."""
    if not secret or len(secret) < _SHORTEST or secret in _hidden.texts:
        return
    _hidden.texts = sorted([*_hidden.texts, secret], key=len, reverse=True)
    if len(secret) >= _SHORTEST_IN_JSON and not _is_word(secret) and not _is_bare(secret):
        _hidden.unmistakable = sorted([*_hidden.unmistakable, secret], key=len, reverse=True)
        written = msgspec.json.encode(secret)[1:-1]
        in_json = sorted([*_hidden.in_json, written], key=len, reverse=True)
        either = b"|".join(map(re.escape, in_json))
        _hidden.anywhere_in_json = re.compile(_HALF_AN_ESCAPE + b"(?:" + either + b")")
        _hidden.in_json = in_json


def redact(text: str) -> str:
    """`text` with every secret masked."""
    for secret in _hidden.texts:
        if secret in text:
            text = text.replace(secret, _MASK)
    return text


def redact_text(text: str) -> str:
    """`text` with every secret masked that would be in messages."""
    for secret in _hidden.unmistakable:
        if secret in text:
            text = text.replace(secret, _MASK)
    return text


def redact_json(messages: bytes) -> bytes:
    """JSON with every secret masked in its strings; it stays JSON, and does not get longer."""
    for secret in _hidden.in_json:
        if messages.find(secret) >= 0:  # twice as fast as `in`, and this runs for every chunk
            return _hidden.anywhere_in_json.sub(_MASK.encode(), messages)
    return messages
