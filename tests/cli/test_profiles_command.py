"""`llm-sidecar profiles`: connections for people, their keys from stdin or the keyboard only."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import Terminal, run_to_end

KEY = "sk-canary-0123456789abcdef"


def profiles(home: Path) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(run_to_end(home, "profiles", "list", "--json").stdout)["profiles"]
    return listed


def test_a_key_from_stdin_is_stored_and_shown_nowhere(tmp_path: Path) -> None:
    said = run_to_end(tmp_path, "profiles", "add", "Work", "--provider", "openai", "--model", "m", stdin=f"{KEY}\n")
    assert said.returncode == 0, said.stderr
    assert "key stored" in said.stdout
    assert "without encryption" in said.stderr
    assert "canary" not in said.stdout + said.stderr
    assert [profile["name"] for profile in profiles(tmp_path)] == ["Work"]


def test_with_a_passphrase_it_is_encrypted(tmp_path: Path) -> None:
    add = ("profiles", "--passphrase", "add", "Work", "--provider", "openai")
    said = run_to_end(tmp_path, *add, stdin=f"{KEY}\ncorrect horse battery\n")
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    data = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in data
    wrong = run_to_end(tmp_path, "profiles", "--passphrase", "list", stdin="wrong\n")
    assert wrong.returncode == 1
    assert "VAULT_WRONG_KEY" in wrong.stderr


def test_a_key_that_is_typed_is_not_echoed(tmp_path: Path) -> None:
    with Terminal(tmp_path, "profiles", "add", "Work", "--provider", "openai") as terminal:
        terminal.wait_for("API key of openai")
        terminal.type(f"{KEY}\n")
        assert terminal.wait_for_exit() == 0
        assert "canary" not in terminal.shown
    assert profiles(tmp_path)[0]["apiKey"] == "***REDACTED***"


def test_profiles_are_named_by_name_or_id(tmp_path: Path) -> None:
    for name in ("One", "Two"):
        run_to_end(tmp_path, "profiles", "add", name, "--provider", "ollama", "--url", "http://127.0.0.1:9")
    assert run_to_end(tmp_path, "profiles", "activate", "two").returncode == 0
    one, two = profiles(tmp_path)
    assert (one["isActive"], two["isActive"]) == (False, True)
    tested = run_to_end(tmp_path, "profiles", "test")
    assert tested.returncode == 1
    assert "is the server running? [ECONNREFUSED]" in tested.stdout
    assert run_to_end(tmp_path, "profiles", "remove", str(one["id"])).returncode == 0
    assert [profile["name"] for profile in profiles(tmp_path)] == ["Two"]
    missing = run_to_end(tmp_path, "profiles", "remove", "One")
    assert missing.returncode == 1
    assert "PROFILE_NOT_FOUND" in missing.stderr


def test_what_is_missing_is_said_in_words_that_help(tmp_path: Path) -> None:
    agree = run_to_end(
        tmp_path, "profiles", "add", "x", "--provider", "openai-compatible", "--url", "https://x.example"
    )
    assert agree.returncode == 1
    assert "--agree" in agree.stderr
    url = run_to_end(tmp_path, "profiles", "add", "x", "--provider", "azure", "--agree", "--no-key")
    assert "--url" in url.stderr
    key = run_to_end(tmp_path, "profiles", "add", "x", "--provider", "openai", stdin="")
    assert "pipe it to stdin" in key.stderr
    assert profiles(tmp_path) == []


def test_discover_asks_the_ports_of_this_machine(tmp_path: Path) -> None:
    said = run_to_end(tmp_path, "profiles", "discover", "--json")
    assert said.returncode == 0
    found = json.loads(said.stdout)
    assert found["probedPorts"] == [probed["port"] for probed in found["ports"]] == [8080, 8000, 11434, 1234, 9931]
