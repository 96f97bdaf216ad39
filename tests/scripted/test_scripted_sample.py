"""Small values that fit a JSON Schema, judged by the jsonschema package."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.scripted.sample import sample_arguments, sample_json


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}, {"a": "demo"}),
        ({"properties": {"a": {"type": "boolean"}}, "required": ["a"]}, {"a": False}),
        ({"type": "array", "items": {"type": "integer"}}, []),
        ({"items": {"type": "integer", "minimum": 3}, "minItems": 2}, [3, 3]),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": {"x": [1]}}, {"x": [1]}),
        ({"type": "integer", "default": 7}, 7),
        ({"type": ["string", "null"]}, "demo"),
        ({"type": "null"}, None),
        ({}, None),
        ({"type": "string", "minLength": 6}, "demo.."),
        ({"type": "string", "maxLength": 2}, "de"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "format": "unheard-of"}, "demo"),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "number", "minimum": 2, "maximum": 9}, 2),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "minimum": 3, "multipleOf": 5}, 5),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 0),
        ({"oneOf": [{"$ref": "#/$defs/n"}], "$defs": {"n": {"type": "boolean"}}}, False),
        (
            {
                "allOf": [
                    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                    {"properties": {"b": {"type": "string"}}, "required": ["b"]},
                ]
            },
            {"a": 0, "b": "demo"},
        ),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"const": 1}}}, 1),
    ],
)
def test_a_simple_schema_is_fitted(schema: dict[str, Any], value: Any) -> None:
    sample = json.loads(sample_json(schema))
    assert sample == value
    assert type(sample) is type(value)
    jsonschema.validate(sample, schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "https://example.com/schema"},
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {
            "$defs": {"a": {"minItems": 90, "items": {"minItems": 90, "items": {"minItems": 90, "items": {}}}}},
            "$ref": "#/$defs/a",
        },
    ],
)
def test_a_schema_without_end_or_measure_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match="cannot fit this JSON Schema") as caught:
        sample_json(schema)
    assert caught.value.code == "INVALID_REQUEST"


def test_arguments_are_always_an_object() -> None:
    assert sample_arguments(None) == "{}"
    assert sample_arguments({}) == "{}"
    assert sample_arguments({"type": "string"}) == "{}"
    assert sample_arguments({"properties": {"n": {"type": "integer"}}, "required": ["n"]}) == '{"n":0}'


_bounded = st.builds(
    lambda kind, low, size, closed: {
        "type": kind,
        "minimum" if closed else "exclusiveMinimum": low,
        "maximum": low + size,
    },
    st.sampled_from(["integer", "number"]),
    st.integers(-50, 50),
    st.integers(1, 20),
    st.booleans(),
)
_strings = st.builds(
    lambda low, size: {"type": "string", "minLength": low, "maxLength": low + size},
    st.integers(0, 9),
    st.integers(0, 9),
)
_leaves = st.one_of(
    _bounded,
    _strings,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": [3, "x"]}, {"const": [1]}]),
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.text(max_size=4), inner, max_size=3).map(
        lambda fields: {
            "type": "object",
            "properties": fields,
            "required": list(fields)[:2],
            "additionalProperties": False,
        }
    )


_simple_schemas = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        _objects(inner),
        st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3)),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
    ),
    max_leaves=8,
)


@given(_simple_schemas)
def test_simple_schemas_are_fitted(schema: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(sample_json(schema)), schema)


_KEYS = (
    "type", "properties", "required", "items", "minItems", "minLength", "maxLength", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "const", "default", "anyOf", "oneOf", "allOf",
    "$ref", "$defs", "format",
)  # fmt: skip
_keys = st.sampled_from(_KEYS)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["object", "array", "string", "integer", "number", "#", "#/$defs/a", "#/", "a"]),
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys | st.just("a"), inner, max_size=5),
    max_leaves=20,
)


def outcome(make: Callable[[dict[str, Any]], str], schema: dict[str, Any]) -> str:
    try:
        json.loads(make(schema))
    except ProviderError as error:
        return error.code
    return "JSON"


@given(st.dictionaries(_keys, _anything, max_size=6))
def test_any_schema_gives_json_or_an_invalid_request(schema: dict[str, Any]) -> None:
    assert {outcome(sample_json, schema), outcome(sample_arguments, schema)} <= {"JSON", "INVALID_REQUEST"}
