"""The house, checked: imports only go down, wings do not know each other, and the way to `serve` stays light."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import llm_sidecar

ROOT = Path(llm_sidecar.__file__).parent
FLOORS = (
    {"__init__", "digest", "errors", "packaged", "redaction"},
    {"limits", "log", "messages"},
    {"wire"},
    {"rpc", "providers", "vault", "storage"},
    {"services", "settings", "protocol"},
    {"methods"},
    {"sidecar", "client"},
    {"cli"},
    {"__main__"},
)
"""From the ground up. A unit imports itself and what is below its floor, never its neighbours."""
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base_service", "shared", "lib", "tools"}
HEAVY = {
    "aiohttp", "openai", "anthropic", "rich", "argparse", "httpx", "httpx2", "pydantic", "anyio", "sqlite3",
    "cryptography", "keyring", "xllamacpp", "http.client", "email.message", "dataclasses", "pathlib", "tomllib",
    "unittest",
}  # fmt: skip


class Import(NamedTuple):
    importer: str
    imported: str
    is_at_start: bool
    """Whether it happens when the importer is loaded: not in a function, not for type checkers only."""


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))


def unit_of(module: str) -> str:
    """`llm_sidecar.rpc.outbox` → `rpc`; `llm_sidecar` itself → `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


def floor_of(module: str) -> int:
    found = [number for number, units in enumerate(FLOORS) if unit_of(module) in units]
    assert found, f"{module} stands on no floor: add its unit to FLOORS"
    return found[0]


def imports_of(module: str) -> list[Import]:
    found: list[Import] = []

    def visit(node: ast.AST, is_at_start: bool) -> None:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module or "" for name in inside]
            found.extend(Import(module, name, is_at_start) for name in dict.fromkeys(names))
        elif isinstance(node, ast.Import):
            found.extend(Import(module, alias.name, is_at_start) for alias in node.names)
        loads = is_at_start and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            loads = False
        for child in ast.iter_child_nodes(node):
            visit(child, loads)

    visit(tree_of(module), True)
    return found


IMPORTS = [found for module in MODULES for found in imports_of(module)]
OWN_IMPORTS = [found for found in IMPORTS if found.imported.split(".")[0] == "llm_sidecar"]


def test_the_test_sees_the_project() -> None:
    assert len(MODULES) > 40
    assert len(OWN_IMPORTS) > 100
    assert ("llm_sidecar.wire.envelope", "llm_sidecar.errors", True) in OWN_IMPORTS


def test_imports_only_go_down() -> None:
    upward = [
        f"{found.importer} imports {found.imported}"
        for found in OWN_IMPORTS
        if unit_of(found.importer) != unit_of(found.imported) and floor_of(found.importer) <= floor_of(found.imported)
    ]
    assert upward == []


def test_no_import_is_circular() -> None:
    edges: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in OWN_IMPORTS:
        if found.is_at_start:
            assert found.imported in MODULES, found
            edges[found.importer].add(found.imported)
    settled: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join([*path[path.index(module) :], module])
        if module not in settled:
            for imported in sorted(edges[module]):
                walk(imported, (*path, module))
            settled.add(module)

    for module in MODULES:
        walk(module, ())


def test_a_wing_knows_no_other() -> None:
    wings = {"rpc", "providers", "vault", "storage"}
    crossings = [
        found
        for found in OWN_IMPORTS
        if {unit_of(found.importer), unit_of(found.imported)} <= wings
        and unit_of(found.importer) != unit_of(found.imported)
    ]
    assert crossings == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_begins_with_its_law(module: str) -> None:
    text = ast.get_docstring(tree_of(module))
    assert text
    assert text.strip()


def test_no_module_lacks_a_noun() -> None:
    assert [module for module in MODULES if NAMELESS & set(module.split("."))] == []


def calls(module: str) -> Iterator[str]:
    """What is called in a module, as written: `print`, `time.time`, `sys.stdout.write`."""
    return (ast.unparse(node.func) for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call))


def test_nothing_prints_but_commands_for_people() -> None:
    printing = [
        f"{module}: {call}"
        for module in MODULES
        if unit_of(module) not in {"cli", "__main__"}
        for call in calls(module)
        if call == "print" or "stdout.write" in call or call.endswith(("__stdout__.write", "stdout.buffer.write"))
    ]
    assert printing == []


def test_the_wall_clock_only_stamps() -> None:
    """Deadlines and durations come from the loop's clock or `time.monotonic`: a jump of the clock moves none. (A
    `Retry-After` may be a date: only the wall clock can say how far away that is.)"""
    wall = {
        module for module in MODULES for call in calls(module) if call in {"time.time", "time.time_ns", "datetime.now"}
    }
    stamping = {
        "llm_sidecar.log",
        "llm_sidecar.wire.error_codes",
        "llm_sidecar.services.completions.service",
        "llm_sidecar.storage.clock",
    }
    assert wall <= {*stamping, "llm_sidecar.providers.refusals.reading"}


@pytest.mark.parametrize("unit", ["messages", "wire"])
def test_values_and_bytes_never_wait_and_touch_no_file(unit: str) -> None:
    for module in MODULES:
        if unit_of(module) == unit:
            nodes = list(ast.walk(tree_of(module)))
            assert not any(isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor) for node in nodes), module
            assert "open" not in set(calls(module)), module
    outside = {found.imported for found in IMPORTS if unit_of(found.importer) == unit and found not in OWN_IMPORTS}
    assert outside <= {"__future__", "typing", "msgspec", "time", "collections.abc", "math"}


CONFORMANCE = sorted((ROOT.parent / "protocol" / "conformance").glob("*.py"))


def test_the_conformance_runner_stands_by_itself() -> None:
    """Whoever writes a sidecar in another language takes `protocol/`, and has Python."""
    assert len(CONFORMANCE) > 8
    for path in CONFORMANCE:
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree), f"{path.name} does not begin with its law"
        assert path.stem not in NAMELESS
        named = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        modules = {node.module or "" for node in named if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in named if isinstance(node, ast.Import) for alias in node.names}
        outside = {name.split(".")[0] for name in modules} - {"conformance", "__future__"}
        assert outside <= sys.stdlib_module_names, f"{path.name} imports {outside - sys.stdlib_module_names}"


def test_taking_over_the_descriptors_imports_next_to_nothing() -> None:
    """What runs before it could write to stdout."""
    for module in ("llm_sidecar", "llm_sidecar.__main__", "llm_sidecar.cli", "llm_sidecar.cli.main", "llm_sidecar.rpc",
                   "llm_sidecar.rpc.descriptors"):  # fmt: skip
        at_start = {found.imported for found in IMPORTS if found.importer == module and found.is_at_start}
        assert at_start <= {"__future__", "os", "sys", "typing", "msgspec", "llm_sidecar.cli.main"}, module


def loaded_after(statement: str) -> set[str]:
    """The modules in memory after a statement, in a fresh interpreter."""
    program = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    return set(json.loads(done.stdout))


def test_the_way_to_serve_loads_nothing_heavy() -> None:
    loaded = loaded_after("import llm_sidecar.cli.serve")
    assert "llm_sidecar.sidecar" in loaded
    assert sorted(HEAVY & loaded) == []


def test_the_way_to_serve_loads_no_service_and_no_adapter() -> None:
    loaded = loaded_after("import llm_sidecar.cli.serve")
    units = {unit_of(name) for name in loaded if name.startswith("llm_sidecar.")}
    assert not units & {"services", "methods", "client", "protocol"}
    assert {name for name in loaded if name.startswith("llm_sidecar.providers.")} <= {"llm_sidecar.providers.brands"}


def test_using_one_provider_loads_no_other() -> None:
    loaded = loaded_after(
        "import llm_sidecar.providers.scripted.adapter, llm_sidecar.providers.registry, llm_sidecar.methods.composition"
    )
    assert not {"aiohttp", "hashlib", "email"} & loaded, "an idle sidecar pays for what it may never need"
    assert not [name for name in loaded if name.startswith("llm_sidecar.providers.openai")]
