"""What each field means: the texts that stand after the fields of a struct, which Python does not keep.

Law: read from the source that lies beside the module; where there is none, fields go without. Nothing is made up.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

_MODULES: Final = ("llm_sidecar.messages.", "llm_sidecar.wire.error_codes")
"""Where the shapes of the protocol are."""


def field_notes(shape: str) -> dict[str, str]:
    """The note of each field that has one, by its name on the wire; inherited ones included."""
    struct = _shapes().get(shape)
    if struct is None:
        return {}
    noted: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        noted |= _notes_of(base.__module__).get(base.__name__, {})
    return {field.encode_name: noted[field.name] for field in msgspec.structs.fields(struct) if field.name in noted}


@cache
def _shapes() -> dict[str, type[Any]]:
    """Every struct that a module of the protocol defines, by name."""
    return {
        name: item
        for module_name, module in sorted(sys.modules.items())
        if module_name.startswith(_MODULES)
        for name, item in vars(module).items()
        if isinstance(item, type) and issubclass(item, msgspec.Struct) and item.__module__ == module_name
    }


@cache
def _notes_of(module_name: str) -> dict[str, dict[str, str]]:
    """The notes in a module: by class, by field."""
    if not module_name.startswith(_MODULES):
        return {}
    path = Path(str(sys.modules[module_name].__file__)).with_suffix(".py")
    if not path.is_file():
        return {}
    classes = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)]
    return {node.name: dict(_notes(node)) for node in classes}


def _notes(node: ast.ClassDef) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for field, after in zip(node.body, node.body[1:], strict=False):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found.append((name, " ".join(text.split())))
    return found
