"""Params: plain JSON values → a method's typed struct, or the list of every field at fault.

Law: the fast path is one conversion; only a failure walks the type to find all problems. A reason names the rule, never
the value (it may be a key).
"""

from __future__ import annotations

import re
import types
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from llm_sidecar.errors import FieldProblem, InvalidParams

_PLACE: Final = re.compile(r" - at `.*`$")
_QUOTED_VALUE: Final = re.compile(r"'[^']*'")
_MOST_PROBLEMS: Final = 50
_is_field_name: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,29}").fullmatch
"""What a misspelt field looks like; anything else in its place may be a key, and is not told."""


def decode_params(params: dict[str, Any] | list[Any] | None, shape: type[Any]) -> Any:
    """Convert the params of a request to `shape`, a struct. A list fills its fields in order.

    Raises `InvalidParams` with every field at fault.
    """
    if isinstance(params, list):
        names = [field.encode_name for field in msgspec.structs.fields(shape)]
        if len(params) > len(names):
            raise InvalidParams([FieldProblem("", f"takes at most {len(names)} positional values")])
        params = dict(zip(names, params, strict=False))
    try:
        return msgspec.convert(params or {}, shape)
    except msgspec.ValidationError as error:
        problems = _problems(params or {}, shape, "") or [FieldProblem("", _reason(error, shape))]
        raise InvalidParams(problems[:_MOST_PROBLEMS]) from None


def _problems(value: Any, shape: Any, path: str) -> list[FieldProblem]:
    """Every problem of `value` against `shape`, outermost first; empty if it fits."""
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        tags = _tag_problem(value, shape, path)
        if tags is not None:
            return [tags]
        inner = _inner_problems(value, _unwrapped(shape, value), path)
        own = [FieldProblem(path, _reason(error, shape))]
        is_its_own = isinstance(value, list) and not _PLACE.search(str(error))
        return own + inner if is_its_own else inner or own
    return []


def _inner_problems(value: Any, shape: Any, path: str) -> list[FieldProblem]:
    if isinstance(value, dict) and isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return _struct_problems(value, shape, path)
    if isinstance(value, list) and get_origin(shape) is list:
        (item_shape,) = get_args(shape)
        found: list[FieldProblem] = []
        for index, item in enumerate(value):
            found += _problems(item, item_shape, f"{path}[{index}]")
            if len(found) >= _MOST_PROBLEMS:
                break
        return found
    return []


def _struct_problems(value: dict[str, Any], shape: type[msgspec.Struct], path: str) -> list[FieldProblem]:
    config = shape.__struct_config__
    hints = get_type_hints(shape, include_extras=True)
    known = {config.tag_field} if config.tag_field else set[str | None]()
    found: list[FieldProblem] = []
    for field in msgspec.structs.fields(shape):
        known.add(field.encode_name)
        place = f"{path}.{field.encode_name}" if path else field.encode_name
        if field.encode_name in value:
            found += _problems(value[field.encode_name], hints[field.name], place)
        elif field.required:
            found.append(FieldProblem(place, "is required"))
    if config.forbid_unknown_fields:
        unknown = [name for name in value if name not in known]
        shown = [name if _is_field_name(name) else "…" for name in unknown]
        found += [FieldProblem(f"{path}.{name}" if path else name, "unknown field") for name in shown]
    return found


def _unwrapped(shape: Any, value: Any) -> Any:
    """The part of `shape` that `value` was probably meant for: annotations off, one branch of a union chosen."""
    if get_origin(shape) is Annotated:
        return _unwrapped(get_args(shape)[0], value)
    if get_origin(shape) not in (types.UnionType, Union):
        return shape
    branches = [_unwrapped(branch, value) for branch in get_args(shape)]
    if isinstance(value, list):
        return next((branch for branch in branches if get_origin(branch) is list), shape)
    if isinstance(value, dict):
        structs = [b for b in branches if isinstance(b, type) and issubclass(b, msgspec.Struct)]
        tagged = [b for b in structs if value.get(b.__struct_config__.tag_field or "") == b.__struct_config__.tag]
        return tagged[0] if len(tagged) == 1 else structs[0] if len(structs) == 1 else shape
    return shape


def _tag_problem(value: Any, shape: Any, path: str) -> FieldProblem | None:
    """The tag that chooses between several structs is missing or unknown."""
    branches = [_unwrapped(branch, value) for branch in get_args(shape)]
    structs = [b for b in branches if isinstance(b, type) and issubclass(b, msgspec.Struct)]
    tags = {b.__struct_config__.tag: b.__struct_config__.tag_field for b in structs if b.__struct_config__.tag_field}
    if not isinstance(value, dict) or not tags:
        return None
    field = next(iter(tags.values()))
    if isinstance(value.get(field), str) and value.get(field) in tags:
        return None
    return FieldProblem(f"{path}.{field}", f"must be one of {', '.join(str(tag) for tag in tags)}")


def _reason(error: msgspec.ValidationError, shape: Any) -> str:
    text = _PLACE.sub("", str(error))
    if text.startswith("Invalid enum value"):
        return f"must be one of {', '.join(_literals(shape))}"
    if "matching regex" in text:
        return f"must be {' or '.join(_forms(shape)) or 'of another form'}"
    if text.startswith(("Expected", "Object")):
        return text[0].lower() + text[1:]
    return _QUOTED_VALUE.sub("…", text)


def _forms(shape: Any) -> list[str]:
    """What the patterns in `shape` ask for, in words."""
    metas = [meta for meta in getattr(shape, "__metadata__", ()) if isinstance(meta, msgspec.Meta) and meta.pattern]
    own = [meta.description for meta in metas if meta.description]
    return own + [text for branch in get_args(shape) for text in _forms(branch)]


def _literals(shape: Any) -> list[str]:
    """The strings allowed by the `Literal`s of `shape`."""
    if get_origin(shape) is Literal:
        return [str(value) for value in get_args(shape)]
    return [text for branch in get_args(shape) for text in _literals(branch)]
