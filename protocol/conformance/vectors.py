"""The conversations: read from JSON files and checked before any is played.

Law: a file that is not understood is refused with its name and place; no misspelt matcher is taken for a value.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from conformance.faults import UsageError, shown
from conformance.matcher import SEQUENCE_OPERATORS, TYPES, operator_of

_FIELDS: Final = {"name", "send", "expect", "texts"}


class Conversation(NamedTuple):
    """`name` is `topic: sentence`; the rest is as `protocol/README.md` says."""

    name: str
    send: list[Any]
    expect: list[Any]
    texts: dict[str, str]


def read_conversations(path: Path) -> list[Conversation]:
    """Those of a file, or of every `*.json` of a folder, by name. Raises `UsageError`."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    found = [conversation for file in files for conversation in _read_file(file)]
    if not found:
        raise UsageError(f"there are no conversations in {path}")
    names = [conversation.name for conversation in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two conversations are called “{name}”")
    return found


def bytes_of(step: Any) -> bytes:
    """The line that a step of `send` is, with its ending."""
    if isinstance(step, dict) and "$hex" in step:
        return bytes.fromhex(step["$hex"]) + b"\n"
    text = step if isinstance(step, str) else json.dumps(step, ensure_ascii=False)
    return text.encode() + b"\n"


def _read_file(file: Path) -> list[Conversation]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{file}:{error.lineno}:{error.colno} is not JSON: {error.msg}") from None
    if not isinstance(content, list):
        raise UsageError(f"{file} is not a list of conversations")
    found: list[Conversation] = []
    for number, item in enumerate(content, 1):
        try:
            found.append(_conversation(file.stem, item))
        except ValueError as error:
            named = f" (“{item['name']}”)" if isinstance(item, dict) and isinstance(item.get("name"), str) else ""
            raise UsageError(f"{file}, conversation {number}{named}: {error}") from None
    return found


def _conversation(topic: str, item: Any) -> Conversation:
    if not isinstance(item, dict):
        raise ValueError("is not an object")  # noqa: TRY004 - all that is wrong with a vector is one kind of error
    unknown = sorted(item.keys() - _FIELDS)
    if unknown:
        raise ValueError(f"has an unknown field `{unknown[0]}`")
    texts = item.get("texts", {})
    is_whole = isinstance(item.get("name"), str) and isinstance(item.get("send"), list)
    if not (is_whole and isinstance(item.get("expect"), list) and isinstance(texts, dict)):
        raise ValueError("needs `name` (a string), `send` and `expect` (lists); `texts` is an object")
    for step in item["send"]:
        _check_step(step)
    _check_sequence(item["expect"])
    return Conversation(f"{topic}: {item['name']}", item["send"], item["expect"], texts)


def _check_step(step: Any) -> None:
    if not isinstance(step, dict | list | str):
        raise ValueError(f"a step is an object, an array or a string, not {shown(step)}")  # noqa: TRY004
    if not isinstance(step, dict) or not any(name in ("$hex", "$await") for name in step):
        return
    if len(step) > 1:
        raise ValueError(f"not a step: {shown(step)}")
    if "$await" in step:
        _check_matcher(step["$await"])
    else:
        try:
            bytes.fromhex(step["$hex"])
        except (TypeError, ValueError):
            raise ValueError(f"not hexadecimal: {shown(step)}") from None


def _check_sequence(sequence: Any) -> None:
    if not isinstance(sequence, list):
        raise ValueError(f"not a list of lines: {shown(sequence)}")  # noqa: TRY004
    for item in sequence:
        operator = operator_of(item) if isinstance(item, dict) else None
        if operator == "$many":
            _check_matcher(item["$many"])
        elif operator == "$interleaved":
            if not isinstance(item["$interleaved"], list):
                raise ValueError(f"not a list of sequences: {shown(item)}")
            for branch in item["$interleaved"]:
                _check_sequence(branch)
        else:
            _check_matcher(item)


def _check_matcher(matcher: Any) -> None:
    """Raise `ValueError` where an operator does not exist or is not given what it takes, at any depth."""
    if isinstance(matcher, list):
        for item in matcher:
            _check_matcher(item)
    if not isinstance(matcher, dict):
        return
    operator = operator_of(matcher)
    if operator is None:
        for item in matcher.values():
            _check_matcher(item)
        return
    operand = matcher[operator]
    is_right = {
        "$type": isinstance(operand, str) and operand in TYPES,
        "$regex": isinstance(operand, str) and _is_regex(operand),
        "$atLeast": isinstance(operand, int | float),
        "$inAnyOrder": isinstance(operand, list),
    }.get(operator, operator not in SEQUENCE_OPERATORS)
    if not is_right:
        raise ValueError(f"not a matcher of one value: {shown(matcher)}")
    if operator in ("$optional", "$inAnyOrder", "$includes"):
        _check_matcher(operand)


def _is_regex(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
