"""The protocol's TypeScript: an interface for each shape, and maps from names to what they carry.

Law: it compiles under `tsc --strict` and holds no `any`; what is not known is `unknown`. An optional field of what the
sidecar sends is `name?: T`: it is left out and never null. In what a host sends it is `name?: T | null`: the sidecar
takes null for left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from llm_sidecar.errors import ERROR_KINDS
from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.handshake import PROTOCOL_VERSION
from llm_sidecar.messages.method import Method
from llm_sidecar.protocol.schemas import Schema, bounds_in_words, host_shapes, schemas

_SCALARS: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_ERROR_CODE_FIELD: Final = "code"
"""A string field of this name holds a key of the table of errors, wherever it is."""


def source() -> str:
    """The text of `types.ts`."""
    known = schemas("#/{name}")
    requests = [method for method in METHODS.values() if not method.is_notification]
    host_notifications = [method for method in METHODS.values() if method.is_notification]
    blocks = [
        "// Generated from llm_sidecar/messages/catalogue.py by `llm-sidecar schema`; do not edit.",
        f"export const PROTOCOL_VERSION = {PROTOCOL_VERSION} as const;",
        _doc("`error.data.code` of a response, and `code` of `llm:error`.") + _union("ErrorCode", ERROR_KINDS),
        *(_declaration(name, schema) for name, schema in known.components.items()),
        _map("SidecarMethods", "The requests a host can make.", (_method_entry(item) for item in requests)),
        _map(
            "HostNotifications",
            "The notifications a host can send: their params.",
            (_entry(item.name, item.summary, type_of(known.of[item.params])) for item in host_notifications),
        ),
        _map(
            "SidecarNotifications",
            "The notifications the sidecar sends: their params.",
            (_entry(item.name, item.summary, type_of(known.of[item.params])) for item in NOTIFICATIONS.values()),
        ),
    ]
    return "\n\n".join(blocks) + "\n"


def type_of(schema: Schema) -> str:
    """The TypeScript type of what fits `schema`; its bounds are left out."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(branch) for branch in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(_literal(value) for value in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        item = type_of(schema.get("items", {}))
        return f"Array<{item}>" if " " in item else f"{item}[]"
    if kind == "object":
        return f"Record<string, {type_of(schema.get('additionalProperties', {}))}>"
    return _SCALARS[kind] if kind else "unknown"


def field_type(name: str, schema: Schema, *, is_sent_by_host: bool) -> str:
    """The type of the field `name`. In what the sidecar sends, null as a default only means that it may be absent."""
    if "default" in schema and schema["default"] is None and not is_sent_by_host:
        branches = [branch for branch in schema["anyOf"] if branch != {"type": "null"}]
        schema = {"anyOf": branches}
    text = type_of(schema)
    return "ErrorCode" if name == _ERROR_CODE_FIELD and text == "string" else text


def _declaration(name: str, schema: Schema) -> str:
    doc = _doc(schema.get("description", ""))
    if not schema["properties"]:
        return f"{doc}export type {name} = Record<string, never>;"
    lines: list[str] = []
    for field, field_schema in schema["properties"].items():
        mark = "" if field in schema["required"] else "?"
        notes = [field_schema.get("description", ""), "; ".join(bounds_in_words(field_schema))]
        lines.append(_indented(_doc("\n".join(filter(None, notes)))))
        text = field_type(field, field_schema, is_sent_by_host=name in host_shapes())
        lines.append(f"  {field}{mark}: {text};\n")
    return f"{doc}export interface {name} {{\n{''.join(lines)}}}"


def _method_entry(method: Method) -> str:
    known = schemas("#/{name}").of
    types = f"{{ params: {type_of(known[method.params])}; result: {type_of(known[method.result])} }}"
    return _entry(method.name, method.summary, types)


def _entry(name: str, summary: str, types: str) -> str:
    return f"{_indented(_doc(summary))}  {_literal(name)}: {types};\n"


def _map(name: str, description: str, entries: Iterator[str]) -> str:
    return f"{_doc(description)}export interface {name} {{\n{''.join(entries)}}}"


def _union(name: str, values: Iterable[str]) -> str:
    return f"export type {name} =\n" + "\n".join(f"  | {_literal(value)}" for value in values) + ";"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _doc(text: str) -> str:
    """`text` as a documentation comment that ends with a line end; nothing for nothing."""
    if not text:
        return ""
    lines = text.replace("*/", "*\\/").split("\n")
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
