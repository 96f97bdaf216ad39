"""The JSON Schemas of all that travels, as msgspec derives them from the structs, and how they read in words.

Law: a schema accepts what the sidecar accepts and describes what it sends; nothing is added to what the structs and the
texts after their fields say.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.json import schema_components

from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.protocol.field_notes import field_notes
from llm_sidecar.wire.error_codes import ErrorObject

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class Schemas(NamedTuple):
    """The schema that stands for each type the catalogue names (mostly a `$ref`), and what those refer to, by name."""

    of: dict[type[Any], Schema]
    components: dict[str, Schema]


def wire_types() -> list[type[Any]]:
    """Every type the catalogue names, and the `error` of a response; once each, in its order."""
    named: list[type[Any]] = [ErrorObject]
    for method in METHODS.values():
        named += [method.params, method.result]
    named += [notification.params for notification in NOTIFICATIONS.values()]
    return list(dict.fromkeys(named))


@cache
def schemas(ref_template: str) -> Schemas:
    """All schemas, with references such as `#/components/schemas/{name}`."""
    types = wire_types()
    references, components = schema_components(types, ref_template=ref_template)
    return Schemas(dict(zip(types, references, strict=True)), _noted(_tidy(components)))


@cache
def standalone_schemas() -> dict[str, Schema]:
    """For each struct the catalogue names, its name and a schema that needs nothing beside it."""
    structs = [shape for shape in wire_types() if issubclass(shape, msgspec.Struct)]
    found: dict[str, Schema] = {}
    for shape in structs:
        schema = _tidy(msgspec.json.schema(shape))
        found[shape.__name__] = {"$schema": DIALECT, **schema, "$defs": _noted(schema["$defs"])}
    return found


def combined_schema() -> Schema:
    """Every shape in the `$defs` of one schema."""
    return {"$schema": DIALECT, "$defs": schemas("#/$defs/{name}").components}


@cache
def host_shapes() -> frozenset[str]:
    """The names of the shapes a host sends: the params of methods, and what they are made of."""
    known = schemas("#/{name}")
    found: set[str] = set()
    to_do = [known.of[method.params] for method in METHODS.values()]
    while to_do:
        new = referred_names(to_do.pop()) - found
        found |= new
        to_do += [known.components[name] for name in new]
    return frozenset(found)


def referred_names(value: Any) -> set[str]:
    """The names of the shapes that a schema refers to, at any depth."""
    if isinstance(value, dict):
        own = {str(value["$ref"]).rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(referred_names(item) for item in value.values()))
    return set().union(*(referred_names(item) for item in value)) if isinstance(value, list) else set()


def referred_name(schema: Schema) -> str | None:
    """The name of the one shape that `schema` refers to, null beside it or not."""
    branches = [branch for branch in schema.get("anyOf", [schema]) if branch != {"type": "null"}]
    reference = branches[0].get("$ref") if len(branches) == 1 else None
    return None if reference is None else str(reference).rpartition("/")[2]


def bounds_in_words(schema: Schema) -> list[str]:
    """What `schema` demands besides its type, and its default: `["1 to 100 characters", "default `true`"]`."""
    words: list[str] = []
    for branch in schema.get("anyOf", []):
        words += bounds_in_words(branch)
    words += _range(schema.get("minLength"), schema.get("maxLength"), " characters")
    words += _range(schema.get("minItems"), schema.get("maxItems"), " items")
    words += _range(schema.get("minimum"), schema.get("maximum"), "")
    if "multipleOf" in schema:
        words.append(f"a multiple of {schema['multipleOf']}")
    if "items" in schema:
        words += [f"each {word}" for word in bounds_in_words(schema["items"])]
    if "pattern" in schema:
        words.append(f"matches `{schema['pattern']}`")
    if schema.get("default") is not None:
        words.append(f"default `{msgspec.json.encode(schema['default']).decode()}`")
    return words


def _range(low: float | None, high: float | None, unit: str) -> list[str]:
    if high is None:
        return [] if low is None else [f"at least {low:,}{unit}"]
    return [f"at most {high:,}{unit}"] if low is None else [f"{low:,} to {high:,}{unit}"]


def _noted(components: dict[str, Schema]) -> dict[str, Schema]:
    """With a description of each field that has one."""
    return {name: _with_notes(schema, field_notes(name)) for name, schema in components.items()}


def _with_notes(schema: Schema, notes: dict[str, str]) -> Schema:
    if not notes:
        return schema
    described = {
        name: {**field, "description": notes[name]} if name in notes else field
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": described}


def _tidy(value: Any) -> Any:
    """Docstrings without the indentation of the source they come from."""
    if isinstance(value, dict):
        return {
            key: inspect.cleandoc(item) if key == "description" and isinstance(item, str) else _tidy(item)
            for key, item in value.items()
        }
    return [_tidy(item) for item in value] if isinstance(value, list) else value
