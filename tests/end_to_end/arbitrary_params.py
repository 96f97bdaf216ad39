"""Params that nobody thought of: made from a method's JSON Schema, then spoilt.

Law: a made value fits its schema; what `spoilt` gives back may fit it or not. Ids come from small pools, so that
requests meet each other's sessions, jobs, inferences and profiles.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any, Final

SECRET: Final = "sk-canary-9c1d7a30b2f4"
"""Among the values that are put where they do not belong."""
_POOLS: Final[dict[str, list[Any]]] = {
    "sessionId": ["s1", "s2", "s3"],
    "newSessionId": ["s4", "s5"],
    "jobId": ["j1", "j2", "j3"],
    "inferenceId": ["i1", "i2", "i3"],
    "windowId": ["w1", "w2"],
    "providerId": ["demo", "demo", "demo", "openai", "ollama", "nobody"],
    "service": ["demo", "nobody"],
    "modelId": ["demo-fast"],
    "model": ["demo-fast"],
    "timeoutMs": [1_000, 2_000],
    "endpointUrl": ["http://127.0.0.1:9", "https://203.0.113.7/v1", "http://203.0.113.7", "nowhere", None],
    "prompt": ["[[demo: text=Yes]]", "[[demo: error=SERVER_ERROR]]", "x"],
}
_UNIQUE_ID: Final = "00000000-0000-4000-8000-00000000000{}"
_STRANGE: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 1.5, -0.0, 2**31, 2**53, 2**63, -(2**63) - 1, 10**30, 1e308),
    *("", "x", "\0", "é😀", "x" * 101, "x" * 301, "null", "1", "../../x", "'; DROP TABLE sessions;--", SECRET),
    *([], [None], [[]], {}, {"a": 1}, {"type": "text"}),
)
_MOST_DEPTH: Final = 12


class Maker:
    """Everything follows from the numbers of `chance`. `known` are ids and cursors that answers told, by field."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.known: dict[str, list[Any]] = {}

    def made(self, schema: dict[str, Any]) -> Any:
        """A value that fits a schema with its `$defs`."""
        return self._made(schema, schema, "", 0)

    def spoilt(self, value: Any) -> Any:
        """The value with some of it replaced, left out or added to."""
        value = copy.deepcopy(value)
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            places = list(_places(value))
            if not places or self._chance.random() < 0.15:
                if isinstance(value, dict):
                    value[self._chance.choice(("x", "__proto__", "", SECRET))] = self._strange()
                continue
            container, key = self._chance.choice(places)
            if self._chance.random() < 0.2:
                del container[key]
            else:
                container[key] = self._strange()
        return self._chance.choice(([], ["x", None], [{}])) if self._chance.random() < 0.05 else value

    def _strange(self) -> Any:
        return copy.deepcopy(self._chance.choice(_STRANGE))

    def _made(self, schema: dict[str, Any], root: dict[str, Any], name: str, depth: int) -> Any:
        chance = self._chance
        pool = self.known.get(name) or _POOLS.get(name)
        if pool and chance.random() < 0.8:
            return chance.choice(pool)
        if "$ref" in schema:
            return self._made(root["$defs"][schema["$ref"].rpartition("/")[2]], root, name, depth)
        if "anyOf" in schema:
            return self._made(chance.choice(schema["anyOf"]), root, name, depth)
        if "enum" in schema:
            return chance.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema, root, depth)
            case "array":
                size = chance.randint(schema.get("minItems", 0), min(schema.get("maxItems", 2), 2))
                return [self._made(schema.get("items", {}), root, name[:-1], depth + 1) for _ in range(size)]
            case "string":
                return self._string(schema)
            case "integer" | "number":
                low, high = schema.get("minimum", 0), schema.get("maximum", 1_000)
                value = chance.choice((low, high, chance.randint(low, high)))
                return value - value % schema.get("multipleOf", 1)
            case "boolean":
                return chance.random() < 0.5
            case _:
                return None

    def _object(self, schema: dict[str, Any], root: dict[str, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, inner in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or self._chance.random() < 0.35 / (depth + 1):
                made[name] = self._made(inner, root, name, depth + 1)
        return made

    def _string(self, schema: dict[str, Any]) -> str:
        pattern = schema.get("pattern", "")
        if "{8}" in pattern:
            return _UNIQUE_ID.format(self._chance.randint(0, 2))
        if pattern:
            return "image/png" if "image" in pattern else self._chance.choice(("abc", "A-1_"))
        return self._chance.choice(("x", "hello world", "é😀", "y" * min(schema.get("maxLength", 50), 200)))


def _places(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Every container in `value` with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys if depth < _MOST_DEPTH else ():
        yield value, key
        yield from _places(value[key], depth + 1)
