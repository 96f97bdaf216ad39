"""The matcher language of `protocol/vectors`, as `protocol/README.md` defines it: values, and sequences of lines."""

from __future__ import annotations

import re
from typing import Any

_TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


def matches(matcher: Any, value: Any) -> bool:
    """Whether `value` is what `matcher` describes."""
    if isinstance(matcher, dict):
        operator = _operator(matcher)
        if operator is None:
            return isinstance(value, dict) and _object_matches(matcher, value)
        return _OPERATORS[operator](matcher[operator], value)
    if isinstance(matcher, list):
        return (
            isinstance(value, list)
            and len(matcher) == len(value)
            and all(matches(m, v) for m, v in zip(matcher, value, strict=True))
        )
    return type(matcher) is type(value) and matcher == value


def mismatch(sequence: list[Any], lines: list[Any]) -> str | None:
    """Why `lines` are not what `sequence` describes; None if they are."""
    states = [sequence]
    for number, line in enumerate(lines, 1):
        following: list[list[Any]] = []
        for state in states:
            following += [rest for rest in _after(state, line) if rest not in following]
        if not following:
            expected = " or ".join(repr(state[0]) if state else "the end" for state in states)
            return f"line {number} is {line!r}; expected {expected}"
        states = following
    if not any(_may_end(state) for state in states):
        return f"it ends after {len(lines)} lines; expected {states[0][0]!r}"
    return None


def _after(sequence: list[Any], line: Any) -> list[list[Any]]:
    """What may still come once `line` has come."""
    if not sequence:
        return []
    head, *rest = sequence
    operator = _operator(head) if isinstance(head, dict) else None
    if operator == "$many":
        here = [sequence] if matches(head["$many"], line) else []
        return here + _after(rest, line)
    if operator == "$interleaved":
        branches = head["$interleaved"]
        found = [
            [{"$interleaved": [*branches[:index], left, *branches[index + 1 :]]}, *rest]
            for index, branch in enumerate(branches)
            for left in _after(branch, line)
        ]
        return found + (_after(rest, line) if _may_end([head]) else [])
    return [rest] if matches(head, line) else []


def _may_end(sequence: list[Any]) -> bool:
    for item in sequence:
        operator = _operator(item) if isinstance(item, dict) else None
        if operator == "$interleaved" and all(_may_end(branch) for branch in item["$interleaved"]):
            continue
        if operator != "$many":
            return False
    return True


def _operator(matcher: dict[str, Any]) -> str | None:
    """The operator that `matcher` is made of. Raises `ValueError` for one that does not exist."""
    names = [name for name in matcher if name.startswith("$") and name != "$more"]
    if not names:
        return None
    if len(matcher) > 1 or names[0] not in {*_OPERATORS, "$many", "$interleaved"}:
        raise ValueError(f"not a matcher: {matcher!r}")
    return names[0]


def _object_matches(matcher: dict[str, Any], value: dict[str, Any]) -> bool:
    expected = {name: item for name, item in matcher.items() if name != "$more"}
    for name, item in expected.items():
        is_optional = isinstance(item, dict) and _operator(item) == "$optional"
        if name in value:
            if not matches(item, value[name]):
                return False
        elif not is_optional:
            return False
    return matcher.get("$more") is True or not value.keys() - expected.keys()


def _is_of_type(name: str, value: Any) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _in_any_order(matchers: list[Any], values: Any) -> bool:
    if not isinstance(values, list) or len(matchers) != len(values):
        return False
    if not matchers:
        return True
    return any(
        matches(matchers[0], value) and _in_any_order(matchers[1:], [*values[:index], *values[index + 1 :]])
        for index, value in enumerate(values)
    )


_OPERATORS = {
    "$any": lambda _, __: True,
    "$type": _is_of_type,
    "$regex": lambda pattern, value: isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None,
    "$atLeast": lambda low, value: _is_of_type("number", value) and value >= low,
    "$optional": matches,
    "$inAnyOrder": _in_any_order,
    "$includes": lambda matcher, value: isinstance(value, list) and any(matches(matcher, item) for item in value),
}
