"""The whole protocol as one OpenRPC 1.3 document: what `rpc.discover` answers and `protocol/openrpc.json` holds.

Law: the catalogue, the structs and the tables of errors say everything; here it only gets its form. OpenRPC knows
neither the notifications a server sends nor error codes that are strings: they are under `x-notifications` (and there,
by name, in each method that leads to some) and `x-errors`. It wants the numbers of a method's errors unique, and ours
share -32600 and -32000: codes of one number are one entry, whose `data` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from llm_sidecar import __version__
from llm_sidecar.errors import ERROR_KINDS
from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.handshake import PROTOCOL_VERSION
from llm_sidecar.messages.method import Method, Notification
from llm_sidecar.messages.method_errors import COMMON_ERRORS
from llm_sidecar.protocol.schemas import Schemas, referred_name, schemas
from llm_sidecar.wire.error_codes import APPLICATION_ERROR, NUMBER_OF_CODE

_OPENRPC_VERSION: Final = "1.3.2"
_DESCRIPTION: Final = (
    "JSON-RPC 2.0, one message a line, on stdin and stdout of a child process. "
    "Hosts branch on `error.data.code` (see `x-errors`), not on the number."
)


@cache
def document() -> dict[str, Any]:
    """The document. It is made once: read it, do not change it."""
    known = schemas("#/components/schemas/{name}")
    shared = {codes[0]: _error(number, codes) for number, codes in _by_number(COMMON_ERRORS).items()}
    return {
        "openrpc": _OPENRPC_VERSION,
        "info": {
            "title": "llm-sidecar",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "methods": [_method(method, known, shared) for method in METHODS.values()],
        "components": {"schemas": known.components, "errors": shared},
        "x-protocolVersion": PROTOCOL_VERSION,
        "x-notifications": [_notification(item, known) for item in NOTIFICATIONS.values()],
        "x-errors": error_table(),
    }


def error_table() -> dict[str, dict[str, Any]]:
    """Every `error.data.code`: its JSON-RPC number, its group, whether trying again can help, and what it means."""
    return {
        code: {"number": _number(code), "group": kind.group, "retryable": kind.retryable, "summary": kind.summary}
        for code, kind in ERROR_KINDS.items()
    }


def topic(item: Method | Notification) -> str:
    """What a channel is about: the module its shapes come from, else what its name says."""
    for shape in (item.params, item.result) if isinstance(item, Method) else (item.params,):
        package, _, module = shape.__module__.rpartition(".")
        if package == "llm_sidecar.messages" and module != "shape":
            return module
    scope, _, rest = item.name.partition(":")
    return rest.partition(":")[0] if scope == "llm" else "handshake"


def _method(method: Method, known: Schemas, shared: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": method.name,
        "summary": method.summary,
        "tags": [{"name": topic(method)}],
        "paramStructure": "by-name",
        "params": _params(method.params, known),
    }
    if not method.is_notification:
        described["result"] = {"name": "result", "schema": known.of[method.result]}
        described["errors"] = _errors((*COMMON_ERRORS, *method.errors), shared)
    if method.leads_to:
        described["x-notifications"] = list(method.leads_to)
    return described


def _notification(notification: Notification, known: Schemas) -> dict[str, Any]:
    return {
        "name": notification.name,
        "summary": notification.summary,
        "params": known.of[notification.params],
    }


def _params(shape: type[Any], known: Schemas) -> list[dict[str, Any]]:
    """A content descriptor for each field; the required ones come first, as OpenRPC wants it."""
    component = known.components[referred_name(known.of[shape]) or ""]
    required = component["required"]
    descriptors: list[dict[str, Any]] = []
    for name, schema in component["properties"].items():
        descriptor: dict[str, Any] = {"name": name}
        described = known.components.get(referred_name(schema) or "", {})
        if "description" in described:
            descriptor["summary"] = described["description"].partition("\n")[0]
        descriptors.append({**descriptor, "required": name in required, "schema": schema})
    return sorted(descriptors, key=lambda descriptor: not descriptor["required"])


def _errors(codes: Iterable[str], shared: dict[str, Any]) -> list[dict[str, Any]]:
    errors: list[dict[str, Any]] = []
    for number, group in _by_number(codes).items():
        error = _error(number, group)
        is_shared = error == shared.get(group[0])
        errors.append({"$ref": f"#/components/errors/{group[0]}"} if is_shared else error)
    return errors


def _error(number: int, codes: list[str]) -> dict[str, Any]:
    message = ERROR_KINDS[codes[0]].summary if len(codes) == 1 else f"`data.code` is one of {', '.join(codes)}."
    return {
        "code": number,
        "message": message,
        "data": [
            {"code": code, "retryable": ERROR_KINDS[code].retryable, "message": ERROR_KINDS[code].summary}
            for code in codes
        ],
    }


def _by_number(codes: Iterable[str]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for code in codes:
        groups.setdefault(_number(code), []).append(code)
    return groups


def _number(code: str) -> int:
    return NUMBER_OF_CODE.get(code, APPLICATION_ERROR)
