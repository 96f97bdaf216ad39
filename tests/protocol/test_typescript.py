"""`types.ts`: it says what the catalogue says, and a compiler takes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from llm_sidecar.errors import ERROR_KINDS
from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.messages.handshake import PROTOCOL_VERSION
from llm_sidecar.protocol.schemas import bounds_in_words, host_shapes, schemas
from llm_sidecar.protocol.typescript import field_type, source, type_of

_SOURCE = source()

_USE = """\
import { PROTOCOL_VERSION } from './types';
import type { ErrorCode, HostNotifications, SidecarMethods, SidecarNotifications } from './types';

const untouched: SidecarMethods['llm:inference']['params'] = { messages: [], modelId: null, temperature: null };
const request: SidecarMethods['llm:inference']['params'] = {
  providerId: 'demo',
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'hi' }, { type: 'image', url: 'https://example.com/a.png' }] },
  ],
  toolChoice: { name: 'weather' },
  responseFormat: { type: 'jsonSchema', name: 'answer', schema: {} },
};
const version: 1 = PROTOCOL_VERSION;
const code: ErrorCode = 'RATE_LIMIT';
const cancel: HostNotifications['$/cancelRequest'] = { id: 7 };
declare const done: SidecarNotifications['llm:done'];
const cost: number | null = done.cost;
const text: string | undefined = done.text;
export const used = [untouched, request, version, code, cancel, cost, text];
"""

_MISUSES = [
    "export const a: import('./types').ErrorCode = 'RATE_LIMT';",
    "export const a: import('./types').SidecarMethods['llm:cancel']['params'] = {};",
    "export const a: import('./types').Message = { role: 'robot', content: '' };",
    "export const a: import('./types').Message = { role: 'user', content: [{ type: 'video' }] };",
    "export const a: import('./types').DoneEvent['cost'] = '1';",
    "export const a: import('./types').DoneEvent['text'] = null;",
]

_EXAMPLE = Path(__file__).parents[2] / "examples" / "electron-host"
"""Its compiler is there after `make electron`."""


def _compile(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    compiler = shutil.which("tsc") or shutil.which("tsc", path=_EXAMPLE / "node_modules" / ".bin")
    if compiler is None:
        pytest.skip("there is no tsc here: types.ts is not compiled by this run")
    (folder / "types.ts").write_text(_SOURCE, "utf-8")
    (folder / "use.ts").write_text(text, "utf-8")
    options = ("--strict", "--noEmit", "--exactOptionalPropertyTypes", "--noUnusedLocals", "--pretty", "false")
    return subprocess.run([compiler, *options, "use.ts"], cwd=folder, capture_output=True, text=True, check=False)


def test_it_compiles_under_strict_and_can_be_used(tmp_path: Path) -> None:
    finished = _compile(tmp_path, _USE)
    assert (finished.returncode, finished.stdout) == (0, "")


@pytest.mark.parametrize("misuse", _MISUSES)
def test_a_misuse_does_not_compile(misuse: str, tmp_path: Path) -> None:
    finished = _compile(tmp_path, misuse)
    assert finished.returncode != 0
    assert "use.ts(1," in finished.stdout


def test_it_holds_no_any() -> None:
    code = re.sub(r"/\*\*.*?\*/", "", _SOURCE, flags=re.DOTALL)
    assert "unknown" in code
    assert not re.search(r"\bany\b", code)


def test_every_shape_is_declared_once() -> None:
    declared = re.findall(r"^export (?:interface|type) (\w+)", _SOURCE, re.MULTILINE)
    assert len(set(declared)) == len(declared)
    extra = {"ErrorCode", "SidecarMethods", "HostNotifications", "SidecarNotifications"}
    assert set(declared) == extra | schemas("#/{name}").components.keys()


def test_the_maps_and_the_union_hold_every_name() -> None:
    for name in [*METHODS, *NOTIFICATIONS]:
        assert f'  "{name}": ' in _SOURCE
    for code in ERROR_KINDS:
        assert f'  | "{code}"' in _SOURCE
    assert f"PROTOCOL_VERSION = {PROTOCOL_VERSION} as const" in _SOURCE


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "unknown"),
        ({"$ref": "#/x/Usage"}, "Usage"),
        ({"type": "integer"}, "number"),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}, "number | null"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        ({"type": "array", "items": {"type": "string"}}, "string[]"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "Array<string | null>"),
        ({"type": "array"}, "unknown[]"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "Record<string, number>"),
    ],
)
def test_a_schema_becomes_a_type(schema: dict[str, object], expected: str) -> None:
    assert type_of(schema) == expected


def test_null_as_a_default_only_makes_a_field_of_the_sidecar_optional() -> None:
    branches = [{"type": "string"}, {"type": "null"}]
    assert field_type("text", {"anyOf": branches, "default": None}, is_sent_by_host=False) == "string"
    assert field_type("text", {"anyOf": branches, "default": None}, is_sent_by_host=True) == "string | null"
    assert field_type("text", {"anyOf": branches}, is_sent_by_host=False) == "string | null"


def test_null_may_be_sent_for_what_may_be_left_out_and_is_never_got() -> None:
    """What the schema of a host's shape takes, its type takes."""
    known = schemas("#/{name}").components
    assert {"InferenceParams", "Message", "ImagePart", "ChatCompletionRequest"} <= host_shapes()
    assert not {"DoneEvent", "Usage", "SessionInfo"} & host_shapes()
    for name, declared in re.findall(r"^export interface (\w+) \{\n(.*?)^\}", _SOURCE, re.MULTILINE | re.DOTALL):
        if name not in known:
            continue
        for field, schema in known[name]["properties"].items():
            takes_null = {"type": "null"} in schema.get("anyOf", [])
            optional = re.search(rf"^  {field}\?: (.*);$", declared, re.MULTILINE)
            if optional and (name in host_shapes() or schema.get("default", "") is None):
                told = optional[1].endswith("| null")
                assert told is (takes_null and name in host_shapes()), f"{name}.{field}"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 100}, ["1 to 100 characters"]),
        ({"type": "string", "maxLength": 100000}, ["at most 100,000 characters"]),
        ({"type": "integer", "minimum": 0}, ["at least 0"]),
        ({"type": "boolean", "default": True}, ["default `true`"]),
        ({"anyOf": [{"type": "number", "minimum": 0, "maximum": 2}, {"type": "null"}], "default": None}, ["0 to 2"]),
        ({"type": "array", "maxItems": 2, "items": {"pattern": "^a$"}}, ["at most 2 items", "each matches `^a$`"]),
    ],
)
def test_bounds_are_told_in_words(schema: dict[str, object], expected: list[str]) -> None:
    assert bounds_in_words(schema) == expected
