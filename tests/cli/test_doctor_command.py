"""`llm-sidecar doctor`: what it finds, and its verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Terminal, run_to_end
from tests.hosts import into_python


def examine(home: Path, **extra: str) -> tuple[int, dict[str, dict[str, Any]], dict[str, Any]]:
    """The exit code, the checks by name, and the whole report."""
    ended = run_to_end(home, "doctor", "--json", **extra)
    assert ended.stderr == ""
    report = json.loads(ended.stdout)
    return ended.returncode, {check["name"]: check for check in report["checks"]}, report


def test_a_healthy_installation_passes_every_essential_check(tmp_path: Path) -> None:
    exit_code, checks, report = examine(tmp_path)
    assert exit_code == 0
    assert report["ok"] is True
    essential = [
        "Python",
        "packages",
        "data folder",
        "config.toml",
        "limits",
        "sidecar",
        "demo answer",
        "stdout",
        "exit",
    ]
    assert {name: checks[name]["status"] for name in essential} == dict.fromkeys(essential, "ok")
    assert checks["sidecar"]["facts"]["handshakeMs"] > 0
    assert checks["stdout"]["facts"]["unreadableLines"] == 0
    assert {"xllamacpp", "keyring", "providers", "local servers", "platform"} <= set(checks)


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    home = tmp_path / "not" / "there"
    exit_code, checks, _ = examine(home)
    assert exit_code == 0
    assert checks["data folder"]["facts"] == {"path": str(home), "source": "LLM_SIDECAR_HOME", "exists": False}
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_data_folder_fails(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    exit_code, checks, _ = examine(home)
    assert exit_code == 1
    assert checks["data folder"]["status"] == "failed"


def test_a_wrong_limit_in_config_toml_is_named_and_the_sidecars_refusal_shown(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[limits]\nmaxConcurentInferences = 3\n")
    exit_code, checks, report = examine(tmp_path)
    assert exit_code == 1
    assert report["ok"] is False
    assert checks["config.toml"]["status"] == "failed"
    assert "maxConcurentInferences: no such limit" in checks["config.toml"]["detail"]
    assert "exit code 2" in checks["sidecar"]["detail"]


def test_limits_that_were_changed_are_listed_wherever_that_was(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[limits]\nmaxConcurrentInferences = 3\n")
    exit_code, checks, _ = examine(tmp_path, LLM_SIDECAR_MAX_BATCH_ITEMS="7")
    assert exit_code == 0
    assert checks["limits"]["facts"] == {"changed": {"maxConcurrentInferences": 3, "maxBatchItems": 7}}
    assert "maxConcurrentInferences 3 (usually 5)" in checks["limits"]["detail"]


def test_a_wrong_limit_in_the_environment_fails(tmp_path: Path) -> None:
    exit_code, checks, _ = examine(tmp_path, LLM_SIDECAR_MAX_BATCH_ITEMS="many")
    assert exit_code == 1
    assert checks["limits"]["status"] == "failed"
    assert checks["config.toml"]["status"] == "ok"


@into_python
def test_something_that_prints_at_start_is_found_on_stdout(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nif 'serve' in sys.orig_argv: print('Welcome!', flush=True)")
    exit_code, checks, _ = examine(tmp_path, PYTHONPATH=str(tmp_path))
    assert exit_code == 1
    assert checks["stdout"]["status"] == "failed"
    assert checks["demo answer"]["status"] == "ok"


def test_keys_and_addresses_are_told_by_name_only(tmp_path: Path) -> None:
    key, host = "sk-canary-77aa01", "canary.example"
    extra = {"OPENAI_API_KEY": key, "OPENAI_COMPATIBLE_BASE_URL": f"https://{host}/v1"}
    _, checks, report = examine(tmp_path, **extra)
    assert checks["providers"]["facts"]["usable"]["openai"] == "OPENAI_API_KEY"
    assert checks["providers"]["facts"]["usable"]["openai-compatible"] == "OPENAI_COMPATIBLE_BASE_URL"
    assert "deepseek" not in checks["providers"]["facts"]["usable"]
    plain = run_to_end(tmp_path, "doctor", **extra)
    for canary in (key, host):
        assert canary not in json.dumps(report) + plain.stdout + plain.stderr


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_person_reads_a_table_and_a_verdict(is_broken: bool, tmp_path: Path) -> None:
    if is_broken:
        (tmp_path / "config.toml").write_text("[limits")
    with Terminal(tmp_path, "doctor") as terminal:
        assert terminal.wait_for_exit() == int(is_broken)
    assert ("checks failed" if is_broken else "everything it needs is there") in terminal.shown
    assert ("✗ config.toml" if is_broken else "✓ config.toml") in terminal.shown
