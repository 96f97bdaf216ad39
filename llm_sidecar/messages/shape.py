"""The two shapes every wire value is made of, and the scalar types they share.

Law: names are snake_case here and camelCase on the wire; a field with a default is left out when it has it; a field
without one is always sent. Params refuse unknown fields (a misspelt option must not be ignored); the handshake and
everything the sidecar sends may grow, so those who read them ignore what they do not know.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Shape(Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A JSON object the sidecar sends, or reads tolerantly."""


class Params(Struct, rename="camel", omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object a host sends: unknown fields are an error."""


class Empty(Shape, kw_only=True):
    """`{}`."""


class NoParams(Params, kw_only=True):
    """A method without params: `{}`, `[]` or no `params` at all."""


InferenceId = Annotated[str, Meta(min_length=1, max_length=100)]
SessionId = Annotated[str, Meta(min_length=1, max_length=100)]
WindowId = Annotated[str, Meta(min_length=1, max_length=100)]
ShortText = Annotated[str, Meta(max_length=1_000)]
LongText = Annotated[str, Meta(max_length=100_000)]
Milliseconds = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
