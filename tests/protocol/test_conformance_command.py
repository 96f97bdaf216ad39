"""`python protocol/conformance`: what it prints, how it ends, and what it says of input it cannot use."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import is_running, wait_until
from tests.protocol.conformance_runs import CONVERSATIONS, PROTOCOL, SIDECAR, run_as_people_do

_NOTHING = (sys.executable, "-S", "-c", "")
"""A sidecar that says nothing and exits with 0."""


def test_a_real_sidecar_passes() -> None:
    finished = run_as_people_do("-k", "ping", "--jobs", "2", "--", *SIDECAR)
    expected = sum("ping" in name for name in CONVERSATIONS)
    assert finished.stdout == f"{expected} conversations: {expected} passed\n"
    assert (finished.returncode, finished.stderr) == (0, "")


def test_a_line_for_each_that_failed_then_the_counts() -> None:
    finished = run_as_people_do("-k", "ping takes no params", "--", *_NOTHING)
    failed, closing = finished.stdout.splitlines()
    assert failed.startswith(
        "FAILED ping: ping takes no params, an empty object or an empty list: it ends after 0 lines"
    )
    assert closing == "1 conversation: 0 passed, 1 failed"
    assert finished.returncode == 1


def test_list_prints_the_names() -> None:
    finished = run_as_people_do("--list")
    assert finished.stdout.splitlines() == list(CONVERSATIONS)
    assert finished.returncode == 0


def test_a_report_for_programs() -> None:
    finished = run_as_people_do("--json", "-k", "PING: a", "--", *SIDECAR)
    report = json.loads(finished.stdout)
    told = report["conversations"]
    assert (report["command"], report["passed"], report["failed"]) == (list(SIDECAR), len(told), 0)
    assert [item["name"] for item in told] == [name for name in CONVERSATIONS if "ping: a" in name]
    assert report["schemaChecks"]["made"] > 0
    assert report["schemaChecks"]["leftOut"] == 0
    failed = json.loads(run_as_people_do("--json", "-k", "ping", "--", *_NOTHING).stdout)
    assert failed["passed"] == 0
    assert all(item["faults"] and item["exitCode"] == 0 for item in failed["conversations"])


def test_verbose_prints_what_was_said() -> None:
    finished = run_as_people_do("--verbose", "-k", "ping takes no params", "--", *SIDECAR)
    said = [line.strip() for line in finished.stdout.splitlines()]
    assert said[0].startswith("passed ping: ping takes no params")
    assert '→ {"jsonrpc": "2.0", "id": 1, "method": "ping"}' in said
    assert '← {"jsonrpc": "2.0", "id": 1, "result": {}}' in said
    assert "(it ended with exit code 0)" in said


def test_where_jsonschema_is_missing_the_summary_says_what_was_not_checked(tmp_path: Path) -> None:
    (tmp_path / "jsonschema.py").write_text("raise ImportError")
    finished = run_as_people_do("-k", "ping takes no params", "--", *SIDECAR, PYTHONPATH=str(tmp_path))
    assert finished.stdout.splitlines() == [
        "not checked: whether 3 results, errors and notifications fit their JSON Schemas (install `jsonschema`)",
        "1 conversation: 1 passed",
    ]


def test_it_runs_from_a_copy_of_the_folder_with_the_standard_library_alone(tmp_path: Path) -> None:
    shutil.copytree(PROTOCOL, tmp_path / "spec")
    command = [sys.executable, "-I", "-S", str(tmp_path / "spec" / "conformance"), "-k", "ping takes no", "--"]
    finished = subprocess.run([*command, *SIDECAR], capture_output=True, text=True, timeout=60, check=False)
    assert finished.stdout.endswith("1 conversation: 1 passed\n"), finished.stderr


_STEP = [{"jsonrpc": "2.0", "id": 1, "method": "ping"}]
_BAD_VECTORS: list[tuple[str, Any]] = [
    ("is not JSON: Expecting", "[{]"),
    ("is not a list of conversations", {}),
    ("there are no conversations", []),
    ("conversation 1: is not an object", ["hello"]),
    ("conversation 1 (“a”): needs `name`", [{"name": "a", "send": []}]),
    ("conversation 1 (“a”): has an unknown field `sned`", [{"name": "a", "sned": []}]),
    ("not a step: ", [{"name": "a", "send": [{"$await": 1, "more": 2}], "expect": []}]),
    ("not hexadecimal: ", [{"name": "a", "send": [{"$hex": "xy"}], "expect": []}]),
    ('not a matcher: {"$anny": true}', [{"name": "a", "send": _STEP, "expect": [{"id": {"$anny": True}}]}]),
    ('not a matcher of one value: {"$type": "text"}', [{"name": "a", "send": [], "expect": [{"$type": "text"}]}]),
    ("not a matcher of one value: ", [{"name": "a", "send": [], "expect": [{"id": {"$many": 1}}]}]),
    ("not a matcher of one value: ", [{"name": "a", "send": [], "expect": [{"$regex": "("}]}]),
    ("not a list of lines: ", [{"name": "a", "send": [], "expect": [{"$interleaved": [1]}]}]),
    ("two conversations are called “bad: a”", [{"name": "a", "send": [], "expect": []}] * 2),
]


@pytest.mark.parametrize(("reason", "content"), _BAD_VECTORS)
def test_vectors_that_are_not_understood_are_refused(reason: str, content: Any, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    _is_refused(reason, "--vectors", str(file), "--", *_NOTHING)


def test_a_command_that_is_not_there_is_refused(tmp_path: Path) -> None:
    _is_refused("the command no-such-sidecar is not found", "--", "no-such-sidecar", "serve")
    (tmp_path / "text").write_text("hello")
    _is_refused("is not executable", "--", str(tmp_path / "text"))
    (tmp_path / "text").chmod(0o755)
    _is_refused("cannot start", "--", str(tmp_path / "text"))
    _is_refused("which sidecar?")
    _is_refused("which sidecar?", "--")


def test_options_that_are_not_understood_are_refused(tmp_path: Path) -> None:
    _is_refused("no conversation has “no such name”", "-k", "no such name", "--", *_NOTHING)
    _is_refused("cannot read", "--vectors", str(tmp_path / "missing.json"), "--", *_NOTHING)
    _is_refused("there are no conversations", "--vectors", str(tmp_path), "--", *_NOTHING)
    _is_refused("'0' is not a number of at least 1", "--jobs", "0", "--", *_NOTHING)
    _is_refused("'soon' is not a number of seconds", "--deadline", "soon", "--", *_NOTHING)
    _is_refused("unrecognized arguments: llm-sidecar", "llm-sidecar")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_sidecar_behind(number: signal.Signals, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(3600)"
    command = [
        sys.executable,
        str(PROTOCOL / "conformance"),
        "-k",
        "ping takes no",
        "--",
        sys.executable,
        "-c",
        program,
    ]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    wait_until(lambda: told.exists() and bool(told.read_text()), "the sidecar did not start")
    running.send_signal(number)
    _, said = running.communicate(timeout=30)
    assert (running.returncode, said) == (130, "conformance: interrupted\n")
    wait_until(lambda: not is_running(int(told.read_text())), "the sidecar is still there")


def _is_refused(reason: str, *arguments: str) -> None:
    finished = run_as_people_do(*arguments)
    assert finished.returncode == 2
    assert reason in finished.stderr
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""
