"""The page of channels: a section for each method and notification, for people.

Law: pure text from the catalogue, the schemas and the examples. GitHub's Markdown, no HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.method import Method, Notification
from llm_sidecar.messages.method_errors import COMMON_ERRORS
from llm_sidecar.protocol import examples
from llm_sidecar.protocol.openrpc import error_table
from llm_sidecar.protocol.schemas import Schema, bounds_in_words, referred_name, schemas
from llm_sidecar.protocol.typescript import field_type, type_of

_OPENING = """\
# Channels

Generated from `llm_sidecar/messages/catalogue.py` by `llm-sidecar schema`; do not edit.

Every message is one line of JSON-RPC 2.0. Types are written as in `types.ts`; a field with `?` may be left out.
"""


def page() -> str:
    """The text of `channels.md`."""
    parts = [_OPENING, _contents(), "## Methods\n"]
    parts += [_method(method) for method in METHODS.values()]
    parts.append("## Notifications of the sidecar\n")
    parts += [_notification(notification) for notification in NOTIFICATIONS.values()]
    parts.append("## Shapes\n")
    parts += [_shape(name, schema) for name, schema in _inner_shapes().items()]
    parts += ["## Errors\n", _errors()]
    return "\n".join(parts)


def _contents() -> str:
    lines = ["| channel | |", "|---|---|"]
    lines += [f"| [`{item.name}`](#{_anchor(item.name)}) | {item.summary} |" for item in METHODS.values()]
    lines += [f"| [`{item.name}`](#{_anchor(item.name)}) | {item.summary} |" for item in NOTIFICATIONS.values()]
    lines.append("| [Shapes](#shapes), [Errors](#errors) | What they are made of, and what can go wrong. |")
    return "\n".join(lines) + "\n"


def _method(method: Method) -> str:
    example = examples.HOST[method.name]
    parts = [f"### `{method.name}`\n", f"{method.summary}\n"]
    parts += _struct("Params", method.params)
    request = {"method": method.name, "params": example.params}
    if method.is_notification:
        parts += ["A notification: it is never answered.\n", _lines([_message(request)])]
        return "\n".join(parts)
    parts += _struct("Result", method.result)
    own = "".join(f"`{code}` " for code in method.errors)
    parts.append(f"**Errors:** {own}{'and ' if own else ''}[those of any request](#errors).\n")
    parts.append(_lines([_message({"id": 7, **request}), _message({"id": 7, "result": example.result})]))
    return "\n".join(parts)


def _notification(notification: Notification) -> str:
    parts = [f"### `{notification.name}`\n", f"{notification.summary}\n", *_struct("Params", notification.params)]
    message = {"method": notification.name, "params": examples.SIDECAR[notification.name]}
    return "\n".join([*parts, _lines([_message(message)])])


def _struct(title: str, shape: type[Any]) -> list[str]:
    known = schemas("#/{name}")
    name = referred_name(known.of[shape])
    if name is None:
        return [f"**{title}:** `{type_of(known.of[shape])}`\n"]
    component = known.components[name]
    lines = [f"**{title}:** `{name}`{_sentence(component)}\n"]
    return [*lines, _fields(component)] if component["properties"] else lines


def _shape(name: str, schema: Schema) -> str:
    described = f"{schema['description']}\n" if "description" in schema else ""
    return "\n".join(part for part in (f"### {name}\n", described, _fields(schema)) if part)


def _inner_shapes() -> dict[str, Schema]:
    """The shapes that are only parts of others."""
    known = schemas("#/{name}")
    outer = {referred_name(schema) for schema in known.of.values()} - {"ErrorObject"}
    return {name: schema for name, schema in known.components.items() if name not in outer}


def _sentence(schema: Schema) -> str:
    return f" — {schema['description']}" if "description" in schema else ""


def _fields(schema: Schema) -> str:
    lines = ["| field | type | |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        mark = "" if name in schema["required"] else "?"
        cells = [
            f"`{name}{mark}`",
            f"`{field_type(name, field, is_sent_by_host=False)}`",
            "; ".join(bounds_in_words(field)),
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _errors() -> str:
    common = ", ".join(f"`{code}`" for code in COMMON_ERRORS)
    lines = [
        "Hosts branch on `error.data.code`; `llm:error` has it as `code`. Retryable: trying again can help.\n",
        f"Any request can be answered with {common}.\n",
        "| code | number | group | retryable | |",
        "|---|---|---|---|---|",
    ]
    for code, kind in error_table().items():
        retryable = "yes" if kind["retryable"] else ""
        lines.append(f"| `{code}` | {kind['number']} | {kind['group']} | {retryable} | {kind['summary']} |")
    return "\n".join(lines) + "\n"


def _message(content: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", **content}, ensure_ascii=False, separators=(",", ":"))


def _lines(messages: Iterable[str]) -> str:
    return "\n".join(["```json", *messages, "```", ""])


def _anchor(name: str) -> str:
    """The anchor GitHub makes of a heading that is `name` in code."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower())
