"""The OpenRPC document: the rules of its specification, and that it says what the catalogue says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from llm_sidecar import __version__
from llm_sidecar.errors import ERROR_KINDS
from llm_sidecar.messages import chat, chat_request
from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.handshake import PROTOCOL_VERSION
from llm_sidecar.messages.method_errors import COMMON_ERRORS
from llm_sidecar.protocol.openrpc import document
from llm_sidecar.protocol.schemas import combined_schema, standalone_schemas

_DOCUMENT = document()
_METHODS = {method["name"]: method for method in _DOCUMENT["methods"]}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        mapping = value.get("discriminator", {}).get("mapping", {}) if "anyOf" in value else {}
        yield from mapping.values()
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _resolve(root: dict[str, Any], reference: str) -> Any:
    value: Any = root
    assert reference.startswith("#/")
    for step in reference.split("/")[1:]:
        value = value[step]
    return value


def _errors(method: dict[str, Any]) -> list[dict[str, Any]]:
    return [_resolve(_DOCUMENT, error["$ref"]) if "$ref" in error else error for error in method["errors"]]


def test_it_names_the_specification_the_package_and_the_protocol() -> None:
    assert re.fullmatch(r"1\.3\.\d+", _DOCUMENT["openrpc"])
    assert _DOCUMENT["info"]["version"] == __version__
    assert _DOCUMENT["x-protocolVersion"] == PROTOCOL_VERSION


def test_it_has_every_method_and_notification_once() -> None:
    assert [method["name"] for method in _DOCUMENT["methods"]] == list(METHODS)
    assert [item["name"] for item in _DOCUMENT["x-notifications"]] == list(NOTIFICATIONS)


def test_it_is_made_once_and_is_plain_json() -> None:
    assert document() is _DOCUMENT
    assert msgspec.json.decode(msgspec.json.encode(_DOCUMENT)) == _DOCUMENT


@pytest.mark.parametrize("root", [_DOCUMENT, combined_schema(), *standalone_schemas().values()])
def test_every_reference_resolves_in_its_document(root: dict[str, Any]) -> None:
    references = set(_references(root))
    assert references or "openrpc" not in root
    for reference in references:
        assert isinstance(_resolve(root, reference), dict)


@pytest.mark.parametrize("name", METHODS)
def test_params_have_unique_names_and_required_ones_come_first(name: str) -> None:
    params = _METHODS[name]["params"]
    names = [param["name"] for param in params]
    assert sorted(names) == sorted(field.encode_name for field in msgspec.structs.fields(METHODS[name].params))
    required = [param["required"] for param in params]
    assert required == sorted(required, reverse=True)
    fields = {field.encode_name: field.required for field in msgspec.structs.fields(METHODS[name].params)}
    assert {param["name"]: param["required"] for param in params} == fields


@pytest.mark.parametrize("name", METHODS)
def test_only_a_notification_has_no_result_and_no_errors(name: str) -> None:
    has_answer = not METHODS[name].is_notification
    assert ("result" in _METHODS[name]) is has_answer
    assert ("errors" in _METHODS[name]) is has_answer


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.is_notification])
def test_errors_have_unique_numbers_and_tell_every_code_of_the_method(name: str) -> None:
    errors = _errors(_METHODS[name])
    numbers = [error["code"] for error in errors]
    assert len(set(numbers)) == len(numbers)
    told = {item["code"]: error["code"] for error in errors for item in error["data"]}
    assert told.keys() == {*COMMON_ERRORS, *METHODS[name].errors}
    assert all(_DOCUMENT["x-errors"][code]["number"] == number for code, number in told.items())
    assert all(error["message"] for error in errors)


def test_every_error_kind_is_told_with_its_number() -> None:
    table = _DOCUMENT["x-errors"]
    assert table.keys() == ERROR_KINDS.keys()
    assert table["PARSE_ERROR"]["number"] == -32700
    assert table["VALIDATION_ERROR"]["number"] == -32602
    assert table["RATE_LIMIT"] == {
        "number": -32000,
        "group": "provider",
        "retryable": True,
        "summary": ERROR_KINDS["RATE_LIMIT"].summary,
    }


def test_names_are_camel_case_but_in_the_shapes_of_openai() -> None:
    shapes = _DOCUMENT["components"]["schemas"]
    of_openai = {name for name in shapes if issubclass(getattr(chat, name, object), chat.OpenAIShape)}
    of_openai |= {name for name in shapes if issubclass(getattr(chat_request, name, object), chat_request.OpenAIParams)}
    assert {"ChatCompletion", "ChatCompletionRequest"} <= of_openai
    names = {name for shape, schema in shapes.items() if shape not in of_openai for name in schema["properties"]}
    assert {"inferenceId", "requestId"} <= names
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []


def test_schemas_are_valid_in_their_dialects() -> None:
    for schema in standalone_schemas().values():
        Draft202012Validator.check_schema(schema)
    for schema in _DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_component_names_are_those_openrpc_allows() -> None:
    components = _DOCUMENT["components"]
    names = [*components["schemas"], *components["errors"]]
    assert [name for name in names if not re.fullmatch(r"[a-zA-Z0-9._-]+", name)] == []


def test_a_docstring_is_the_description_without_the_indentation_of_its_source() -> None:
    descriptions = {name: s.get("description", "") for name, s in _DOCUMENT["components"]["schemas"].items()}
    assert descriptions["Message"].startswith("One turn.")
    assert not [name for name, text in descriptions.items() if "\n " in text]
