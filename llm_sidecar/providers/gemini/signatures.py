"""Thought signatures: what Gemini signs in an answer, kept so that the next turn can show it on the same parts.

Law: a signature belongs to one part (a call, a piece of text, an empty piece of text at the end, a thought) and goes
back on that part or not at all (Google, "Thought signatures"). What is kept is compact: where the parts of the answer
lie in the message's own text and calls, not the text again (a signed thought is the exception: no message holds it).
Nothing is kept of an answer without a signature.

What comes back has been in the host's hands. It is used only if it reads well and is of the model that is asked now: a
signature of another model is refused with a 400.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from llm_sidecar.providers.events import ProviderState

_KEY: Final = "gemini"
_ENTRY_CHARS: Final = 32
"""What an entry weighs besides its texts, so that very many small ones are too many as well."""


class SignedPart(Struct, omit_defaults=True):
    """One part of an answer: so many characters of `text`, the `call` of this number, or a `thought` in its own words.

    Only one of the three is set. `signature` is base64, as it came.
    """

    text: int | None = None
    call: int | None = None
    thought: str | None = None
    signature: str | None = None


class SignedParts(Struct):
    """`providerState.gemini`: the parts of an answer in order, and the model that signed them."""

    model: str
    parts: list[SignedPart]


class SignatureRecorder:
    """The parts of one answer as they come. Gives up above `max_chars` of signatures."""

    def __init__(self, model_id: str, max_chars: int) -> None:
        self._model_id = model_id
        self._room = max_chars
        self._parts: list[SignedPart] = []
        self._is_signed = False
        self._unsigned_chars = 0
        self._calls = 0

    def add_text(self, chars: int, signature: str | None) -> None:
        if signature:
            self._add(SignedPart(text=chars, signature=signature))
        else:
            self._unsigned_chars += chars

    def add_thought(self, text: str, signature: str | None) -> None:
        if signature:
            self._add(SignedPart(thought=text, signature=signature))

    def add_call(self, signature: str | None) -> None:
        self._add(SignedPart(call=self._calls, signature=signature or None))
        self._calls += 1

    def state(self) -> ProviderState | None:
        """What to send back with this answer; None where nothing is signed (or more than can be kept)."""
        self._close_unsigned()
        if not self._is_signed or self._room < 0:
            return None
        return ProviderState({_KEY: msgspec.to_builtins(SignedParts(self._model_id, self._parts))})

    def _add(self, part: SignedPart) -> None:
        self._close_unsigned()
        self._room -= _ENTRY_CHARS + len(part.thought or "") + len(part.signature or "")
        if self._room >= 0:
            self._parts.append(part)
            self._is_signed = self._is_signed or part.signature is not None

    def _close_unsigned(self) -> None:
        if self._unsigned_chars:
            self._parts.append(SignedPart(text=self._unsigned_chars))
            self._unsigned_chars = 0


def signed_parts(provider_state: dict[str, Any] | None, model_id: str) -> list[SignedPart]:
    """The parts of an answer that `model_id` gave, as they were recorded; empty where the state is not of that kind."""
    if not provider_state or _KEY not in provider_state:
        return []
    try:
        state = msgspec.convert(provider_state[_KEY], SignedParts)
    except (msgspec.ValidationError, RecursionError):
        return []
    return state.parts if state.model == model_id and all(_is_sound(part) for part in state.parts) else []


def _is_sound(part: SignedPart) -> bool:
    kinds = [kind for kind in (part.text, part.call, part.thought) if kind is not None]
    is_number_sound = (part.text or 0) >= 0 and (part.call or 0) >= 0
    return len(kinds) == 1 and is_number_sound and (part.signature is None or part.signature.isascii())
