"""The pages of `protocol/channels/`: one for each method and notification, the shapes they share, and the errors.

Law: pure text from the catalogue, the schemas, the examples, and the vectors that are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.method import Method, Notification
from llm_sidecar.messages.method_errors import COMMON_ERRORS
from llm_sidecar.protocol import examples
from llm_sidecar.protocol.markdown import anchor, code, example, link, table
from llm_sidecar.protocol.openrpc import error_table, topic
from llm_sidecar.protocol.schemas import Schema, bounds_in_words, host_shapes, referred_name, referred_names, schemas
from llm_sidecar.protocol.shown import Shown
from llm_sidecar.protocol.typescript import field_type, type_of

_INDEX: Final = "README.md"
_SHAPES: Final = "shapes.md"
_ERRORS: Final = "errors.md"
_MARK: Final = (
    "Generated from `llm_sidecar/messages/catalogue.py` by `llm-sidecar schema --write protocol`; do not edit.\n"
)
_TITLES: Final = {
    "handshake": "The process",
    "status": "The process",
    "inference": "Answers, streamed",
    "events": "Answers, streamed",
    "generation": "Answers, whole",
    "chat": "Answers, whole",
    "models": "Providers and models",
    "session": "Sessions",
    "profile": "Profiles and their keys",
    "job": "Jobs",
    "usage": "Usage, budgets, audit",
}
"""What the groups of the index are called, by topic; they come in this order."""
_MOST_NAMES: Final = 4
"""Of the conversations in one file that show a channel."""


def pages(shown: Shown) -> dict[str, str]:
    """The text of each page by its name, the index first."""
    return {
        _INDEX: _index(),
        **{file_of(method.name): _method(method, shown) for method in METHODS.values()},
        **{file_of(item.name): _notification(item, shown) for item in NOTIFICATIONS.values()},
        _SHAPES: _shapes(),
        _ERRORS: _errors(),
    }


def file_of(channel: str) -> str:
    """`llm:session:create` → `llm-session-create.md`."""
    return re.sub(r"[^A-Za-z0-9]+", "-", channel).strip("-") + ".md"


def title_of(item: Method | Notification) -> str:
    """The group of the index that a channel belongs to."""
    return _TITLES[topic(item)]


def _index() -> str:
    parts = [
        "# Channels\n",
        _MARK,
        "Every message is one line of JSON-RPC 2.0; the examples are laid out for reading. Types are written as in "
        f"{link(code('types.ts'), '../types.ts')}; a field with `?` may be left out. What several channels share is in "
        f"{link('shapes', _SHAPES)}, what can go wrong in {link('errors', _ERRORS)}.\n",
    ]
    for title in dict.fromkeys(_TITLES.values()):
        channels: list[Method | Notification] = [*METHODS.values(), *NOTIFICATIONS.values()]
        rows = [[_channel(item.name), _sender(item), item.summary] for item in channels if title_of(item) == title]
        parts += [f"## {title}\n", table(["channel", "", ""], rows)]
    return "\n".join(parts)


def _sender(item: Method | Notification) -> str:
    if isinstance(item, Method):
        return "notification of the host" if item.is_notification else "request"
    return "notification"


def _method(method: Method, shown: Shown) -> str:
    said = examples.HOST[method.name]
    request = {"method": method.name, "params": said.params}
    parts = [*_top(method), *_struct("Params", method.params)]
    if method.is_notification:
        parts += ["## Example\n", "It is never answered.\n", example(request)]
    else:
        parts += [*_struct("Result", method.result), "## Errors\n", _own_errors(method), "## Example\n"]
        parts += ["The host sends\n", example({"id": 7, **request})]
        parts += ["and is answered\n", example({"id": 7, "result": said.result})]
    parts += _list("What may follow", (NOTIFICATIONS[name] for name in method.leads_to))
    return "\n".join([*parts, *_shown_by(method.name, shown)])


def _notification(item: Notification, shown: Shown) -> str:
    parts = [*_top(item), *_struct("Params", item.params), "## Example\n"]
    parts.append(example({"method": item.name, "params": examples.SIDECAR[item.name]}))
    parts += _list("What leads to it", (method for method in METHODS.values() if item.name in method.leads_to))
    return "\n".join([*parts, *_shown_by(item.name, shown)])


def _top(item: Method | Notification) -> list[str]:
    sender = _sender(item)
    return [
        f"# `{item.name}`\n",
        f"{link('Channels', _INDEX)} · {link(title_of(item), f'{_INDEX}#{anchor(title_of(item))}')} · {sender}\n",
        f"{item.summary}\n",
    ]


def _struct(title: str, shape: type[Any]) -> list[str]:
    known = schemas("#/{name}")
    name = referred_name(known.of[shape])
    if name is None:
        return [f"## {title}\n", f"`{type_of(known.of[shape])}`\n"]
    component = known.components[name]
    described = f": {component['description']}" if "description" in component else ""
    return [f"## {title}\n", f"`{name}`{described}\n", *_fields(name, component)]


def _fields(shape: str, schema: Schema) -> list[str]:
    """The table of a shape's fields; nothing for a shape without any."""
    inner = _inner_shapes()
    rows: list[list[str]] = []
    for name, field in schema["properties"].items():
        mark = "" if name in schema["required"] else "?"
        told = code(field_type(name, field, is_sent_by_host=shape in host_shapes()))
        targets = sorted(referred_names(field) & inner.keys())
        words = bounds_in_words(field)
        if len(targets) == 1:
            told = link(told, f"{_SHAPES}#{anchor(targets[0])}")
        elif targets:
            words.insert(0, "see " + ", ".join(link(code(item), f"{_SHAPES}#{anchor(item)}") for item in targets))
        note = field.get("description", "")
        rows.append([code(name + mark), told, ". ".join(filter(None, ["; ".join(words), note]))])
    return [table(["field", "type", ""], rows)] if rows else []


def _own_errors(method: Method) -> str:
    common = f"{link('any request', f'{_ERRORS}#any-request')} can be answered with"
    if not method.errors:
        return f"None but those {common}.\n"
    return f"{_error_table(dict.fromkeys(method.errors))}\nAnd those {common}.\n"


def _shown_by(channel: str, shown: Shown) -> list[str]:
    if channel not in shown:
        return []
    lines: list[str] = []
    for file, group in groupby(shown[channel], key=lambda entry: entry[0]):
        names = [name for _, name in group]
        rest = len(names) - _MOST_NAMES
        told = "; ".join(f"“{name}”" for name in names[:_MOST_NAMES]) + (f"; and {rest} more" if rest > 0 else "")
        lines.append(f"- {link(code(file), f'../vectors/{file}')}: {told}")
    return ["## Conversations that show it\n", "\n".join(lines) + "\n"]


def _list(title: str, items: Iterable[Method | Notification]) -> list[str]:
    lines = [f"- {_channel(item.name)}: {item.summary}" for item in items]
    return [f"## {title}\n", "\n".join(lines) + "\n"] if lines else []


def _shapes() -> str:
    parts = ["# Shapes\n", _MARK, f"What the messages of several {link('channels', _INDEX)} are made of.\n"]
    for name, schema in _inner_shapes().items():
        described = [f"{schema['description']}\n"] if "description" in schema else []
        parts += [f"## {name}\n", *described, *_fields(name, schema)]
    return "\n".join(parts)


def _inner_shapes() -> dict[str, Schema]:
    """The shapes that are parts of others."""
    known = schemas("#/{name}")
    inner = set().union(*(referred_names(schema) for schema in known.components.values()))
    return {name: schema for name, schema in known.components.items() if name in inner or name == "ErrorObject"}


def _errors() -> str:
    known = error_table()
    parts = [
        "# Errors\n",
        _MARK,
        f"An error is `{{code, message, data}}` ({link('ErrorObject', f'{_SHAPES}#errorobject')}). Hosts branch on "
        f"`error.data.code`; {_channel('llm:error')} has it as `code`. Retryable: trying again can help.\n",
        "## Any request\n",
        "Any request can be answered with\n",
        _error_table(COMMON_ERRORS),
    ]
    for group in dict.fromkeys(kind["group"] for kind in known.values()):
        rows = [
            [code(name), str(kind["number"]), _retryable(kind), kind["summary"]]
            for name, kind in known.items()
            if kind["group"] == group
        ]
        parts += [f"## Group: {group}\n", table(["code", "number", "", ""], rows)]
    return "\n".join(parts)


def _error_table(names: Iterable[str]) -> str:
    rows: list[list[str]] = []
    for name in names:
        kind = error_table()[name]
        target = f"{_ERRORS}#{anchor('Group: ' + kind['group'])}"
        rows.append([link(code(name), target), kind["summary"], _retryable(kind)])
    return table(["code", "meaning", ""], rows)


def _retryable(kind: dict[str, Any]) -> str:
    return "retryable" if kind["retryable"] else ""


def _channel(name: str) -> str:
    return link(code(name), file_of(name))
