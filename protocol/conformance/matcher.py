"""The matcher language of `vectors/`, as `protocol/README.md` defines it, for one value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from conformance.faults import shown

TYPES: Final[dict[str, type[Any] | tuple[type[Any], ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}
SEQUENCE_OPERATORS: Final = ("$many", "$interleaved")
"""Those that stand for several lines: see `sequence`."""


def matches(matcher: Any, value: Any) -> bool:
    """Whether `value` is what `matcher` describes. Raises `ValueError` for an operator that does not exist."""
    if isinstance(matcher, dict):
        operator = operator_of(matcher)
        if operator is None:
            return isinstance(value, dict) and _object_matches(matcher, value)
        if operator in SEQUENCE_OPERATORS:
            raise ValueError(f"not a matcher of one value: {shown(matcher)}")
        return OPERATORS[operator](matcher[operator], value)
    if isinstance(matcher, list):
        return (
            isinstance(value, list)
            and len(matcher) == len(value)
            and all(matches(m, v) for m, v in zip(matcher, value, strict=True))
        )
    return type(matcher) is type(value) and bool(matcher == value)


def difference(matcher: Any, value: Any, place: str = "") -> tuple[str, str] | None:
    """The first place (`params.seq`, empty for the whole) where `value` is not what `matcher` describes, and why."""
    if matches(matcher, value):
        return None
    if isinstance(matcher, dict) and isinstance(value, dict) and operator_of(matcher) is None:
        for name, item in matcher.items():
            if name == "$more":
                continue
            where = f"{place}.{name}" if place else name
            if name in value:
                inside = difference(item, value[name], where)
                if inside:
                    return inside
            elif not _is_optional(item):
                return where, f"is missing, expected {shown(item)}"
        unknown = sorted(value.keys() - matcher.keys())
        where = f"{place}.{unknown[0]}" if place else unknown[0]
        return where, f"is {shown(value[unknown[0]])}, expected no such field"
    if isinstance(matcher, list) and isinstance(value, list) and len(matcher) == len(value):
        for index, (item, part) in enumerate(zip(matcher, value, strict=True)):
            inside = difference(item, part, f"{place}[{index}]")
            if inside:
                return inside
    return place, f"is {shown(value)}, expected {shown(matcher)}"


def operator_of(matcher: dict[str, Any]) -> str | None:
    """The operator that `matcher` is made of. Raises `ValueError` for one that does not exist."""
    names = [name for name in matcher if name.startswith("$") and name != "$more"]
    if not names:
        return None
    if len(matcher) > 1 or (names[0] not in OPERATORS and names[0] not in SEQUENCE_OPERATORS):
        raise ValueError(f"not a matcher: {shown(matcher)}")
    return names[0]


def _object_matches(matcher: dict[str, Any], value: dict[str, Any]) -> bool:
    expected = {name: item for name, item in matcher.items() if name != "$more"}
    for name, item in expected.items():
        if name in value:
            if not matches(item, value[name]):
                return False
        elif not _is_optional(item):
            return False
    return matcher.get("$more") is True or not value.keys() - expected.keys()


def _is_optional(matcher: Any) -> bool:
    return isinstance(matcher, dict) and operator_of(matcher) == "$optional"


def is_of_type(name: str, value: Any) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _in_any_order(matchers: list[Any], values: Any) -> bool:
    if not isinstance(values, list) or len(matchers) != len(values):
        return False
    if not matchers:
        return True
    return any(
        matches(matchers[0], value) and _in_any_order(matchers[1:], [*values[:index], *values[index + 1 :]])
        for index, value in enumerate(values)
    )


OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$any": lambda _, __: True,
    "$type": is_of_type,
    "$regex": lambda pattern, value: isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None,
    "$atLeast": lambda low, value: is_of_type("number", value) and bool(value >= low),
    "$optional": matches,
    "$inAnyOrder": _in_any_order,
    "$includes": lambda matcher, value: isinstance(value, list) and any(matches(matcher, item) for item in value),
}
