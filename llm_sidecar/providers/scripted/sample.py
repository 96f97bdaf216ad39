"""A small value that fits a JSON Schema: what the demo provider answers where JSON or a tool call is asked for.

Law: pure and deterministic. Simple schemas are fitted: types, `required`, `enum`, `const`, `default`, local `$ref`,
`anyOf`, `oneOf`, `allOf`, bounds of numbers, strings and arrays, common formats. `pattern`, `not`, conditions and the
like are passed over. Any schema gives a value or `ProviderError` INVALID_REQUEST, within bounded work.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from llm_sidecar.errors import ProviderError

_MAX_DEPTH: Final = 32
_MAX_SIZE: Final = 10_000
"""Values and characters of a sample; a schema can ask for billions with one `minItems`."""
_EXACT: Final = 2**53
"""Bounds beyond it are passed over: a float would not keep them."""

_FORMATS: Final = {
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample_json(schema: dict[str, Any]) -> str:
    """JSON text of the smallest value we find for `schema`."""
    return _encode(_Sampler(schema).value(schema, 0))


def sample_arguments(parameters: dict[str, Any] | None) -> str:
    """JSON text of an object that fits a tool's `parameters`; `{}` where they describe no object."""
    value = _Sampler(parameters).value(parameters, 0) if parameters else {}
    return _encode(value if isinstance(value, dict) else {})


def _encode(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        raise _refusal("is nested too deeply") from None


def _refusal(reason: str) -> ProviderError:
    return ProviderError("INVALID_REQUEST", f"The demo provider cannot fit this JSON Schema: it {reason}.")


def _bound(schema: dict[str, Any], key: str) -> float | None:
    value = schema.get(key)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _EXACT
    return value if usable else None


def _size(schema: dict[str, Any], key: str) -> int:
    return math.ceil(max(0, _bound(schema, key) or 0))


class _Sampler:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = _MAX_SIZE

    def value(self, schema: Any, depth: int) -> Any:
        self._spend(1)
        if depth > _MAX_DEPTH:
            raise _refusal("is nested too deeply")
        if not isinstance(schema, dict):
            return None
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return schema["enum"][0]
        simpler = self._simpler(schema)
        if simpler is not None:
            return self.value(simpler, depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: dict[str, Any], depth: int) -> Any:
        kind = _type_of(schema)
        value: Any = None
        if kind == "object":
            value = self._object(schema, depth)
        elif kind == "array":
            count = _size(schema, "minItems")
            self._spend(count)
            value = [self.value(schema.get("items"), depth + 1) for _ in range(count)]
        elif kind == "string":
            value = self._string(schema)
        elif kind in {"integer", "number"}:
            value = _number(schema, whole=kind == "integer")
        elif kind == "boolean":
            value = False
        return value

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _refusal("asks for too large a value")

    def _simpler(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        """The schema with one reference, choice or `allOf` resolved; None where it has none of them."""
        if isinstance(schema.get("$ref"), str):
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return _merged(rest, self._target(schema["$ref"]))
        for key in ("allOf", "anyOf", "oneOf"):
            branches = schema.get(key)
            if isinstance(branches, list) and branches:
                simpler = {name: value for name, value in schema.items() if name != key}
                for branch in branches if key == "allOf" else branches[:1]:
                    self._spend(1)
                    simpler = _merged(simpler, branch)
                return simpler
        return None

    def _target(self, reference: str) -> Any:
        """What a local reference such as `#/$defs/Name` points at."""
        target = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, dict) else None
        if not reference.startswith("#") or not isinstance(target, dict | bool):
            raise _refusal("has a $ref that leads nowhere")
        return target

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        required = schema.get("required")
        known = properties if isinstance(properties, dict) else {}
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        return {name: self.value(known.get(name), depth + 1) for name in names}

    def _string(self, schema: dict[str, Any]) -> str:
        form = schema.get("format")
        text = _FORMATS.get(form, "demo") if isinstance(form, str) else "demo"
        shortest = _size(schema, "minLength")
        self._spend(shortest)
        longest = _bound(schema, "maxLength")
        text = text.ljust(shortest, ".")
        return text if longest is None else text[: math.floor(max(0, longest))]


def _type_of(schema: dict[str, Any]) -> str | None:
    declared = schema.get("type")
    if isinstance(declared, list) and declared:
        declared = declared[0]
    if declared is None and ("properties" in schema or "required" in schema):
        return "object"
    if declared is None and "items" in schema:
        return "array"
    return declared if isinstance(declared, str) else None


def _merged(schema: dict[str, Any], other: Any) -> dict[str, Any]:
    """Both schemas in one: properties and required names are united, else `schema` wins."""
    if not isinstance(other, dict):
        return schema
    merged = {**other, **schema}
    if isinstance(schema.get("properties"), dict) and isinstance(other.get("properties"), dict):
        merged["properties"] = {**other["properties"], **schema["properties"]}
    if isinstance(schema.get("required"), list) and isinstance(other.get("required"), list):
        merged["required"] = [*schema["required"], *other["required"]]
    return merged


def _number(schema: dict[str, Any], *, whole: bool) -> float:
    """The number within the bounds that is nearest to 0, or the middle of a range of fractions without it."""
    lows = [low for key in ("minimum", "exclusiveMinimum") if (low := _bound(schema, key)) is not None]
    highs = [high for key in ("maximum", "exclusiveMaximum") if (high := _bound(schema, key)) is not None]
    low = max(lows, default=-math.inf)
    high = min(highs, default=math.inf)
    open_low = low == _bound(schema, "exclusiveMinimum")
    open_high = high == _bound(schema, "exclusiveMaximum")
    value: float = 0
    if low > 0 or (low == 0 and open_low):
        value = math.floor(low) + 1 if open_low else math.ceil(low)
    elif high < 0 or (high == 0 and open_high):
        value = math.ceil(high) - 1 if open_high else math.floor(high)
    outside = not low <= value <= high or (open_low and value == low) or (open_high and value == high)
    if outside and not whole and math.isfinite(low + high):
        value = (low + high) / 2
    step = _bound(schema, "multipleOf")
    if step is not None and step > 0 and abs(value) / step <= _EXACT:
        value = (math.ceil(value / step) if value >= 0 else math.floor(value / step)) * step
    return value
