"""What a record may be called and hold: the same for the vault and for plaintext.

Law: checked before anything is written; a message names the argument, never its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from llm_sidecar.errors import FieldProblem, InvalidParams

MOST_SECRET_BYTES: Final = 16 * 1024
"""Contracts ask for 500 characters; a service account's JSON is a few KiB."""

_is_profile_id: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_is_field: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,39}").fullmatch
_is_origin: Final = re.compile(r"[!-~]{1,2048}").fullmatch


def of_profile(names: Iterable[str], profile_id: str, field: str | None) -> list[str]:
    """Which of `names` (`<profile>/<field>`) are that field of the profile; None: any field."""
    if field is not None:
        return [name for name in names if name == f"{profile_id}/{field}"]
    return [name for name in names if name.startswith(f"{profile_id}/")]


def check(profile_id: str, field: str, origin: str, secret: str) -> bytes:
    """The secret's bytes. Raises `InvalidParams`."""
    problems: list[FieldProblem] = []
    if not _is_profile_id(profile_id):
        problems.append(FieldProblem("profileId", "must be a UUID in lower case"))
    if not _is_field(field):
        problems.append(FieldProblem("field", "must be a name of letters and digits"))
    if not _is_origin(origin):
        problems.append(FieldProblem("origin", "must be the ASCII form of an origin"))
    try:
        plaintext = secret.encode()
    except UnicodeEncodeError:
        plaintext = b""
        problems.append(FieldProblem(field, "must be valid Unicode"))
    else:
        if not 1 <= len(plaintext) <= MOST_SECRET_BYTES:
            problems.append(FieldProblem(field, f"must be from 1 to {MOST_SECRET_BYTES} bytes"))
    if problems:
        raise InvalidParams(problems)
    return plaintext
