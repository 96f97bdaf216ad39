"""`llm-sidecar vault`: its state, a backup that was put back, another key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Terminal, run_to_end

KEY = "sk-canary-0123456789abcdef"
OLD, NEW = "correct horse battery", " another, with spaces "


def vault(home: Path, *arguments: str, stdin: str = "") -> Any:
    """What it answers."""
    said = run_to_end(home, "vault", "--json", *arguments, stdin=stdin)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def refusal(home: Path, *arguments: str, stdin: str = "") -> str:
    said = run_to_end(home, "vault", *arguments, stdin=stdin)
    assert said.returncode == 1, said.stdout
    assert OLD not in said.stderr
    return said.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder with two keys, under a passphrase."""
    for name in ("One", "Two"):
        add = ("profiles", "--passphrase", "add", name, "--provider", "openai")
        said = run_to_end(tmp_path, *add, stdin=f"{KEY}\n{OLD}\n")
        assert said.returncode == 0, said.stderr
    return tmp_path


def test_its_state_is_told_with_its_key_and_without(home: Path) -> None:
    assert vault(home, "status")["state"] == "locked"
    told = vault(home, "--passphrase", "status", stdin=f"{OLD}\n")
    assert (told["state"], told["source"], told["records"], told["backups"]) == ("open", "passphrase", 2, 1)
    assert "VAULT_WRONG_KEY" in refusal(home, "--passphrase", "status", stdin="wrong\n")
    shown = run_to_end(home, "vault", "--passphrase", "status", stdin=f"{OLD}\n")
    assert "keys in it" in shown.stdout
    assert OLD not in shown.stdout + shown.stderr


def test_a_backup_that_a_person_put_back_is_taken_when_they_say_so(home: Path) -> None:
    file = home / "vault" / "keys.vault"
    file.write_bytes((home / "vault" / "keys.vault.1").read_bytes())
    assert "llm-sidecar vault accept-older" in refusal(home, "--passphrase", "status", stdin=f"{OLD}\n")
    assert "--passphrase" in refusal(home, "accept-older")
    assert "VAULT_WRONG_KEY" in refusal(home, "--passphrase", "accept-older", stdin="wrong\n")
    assert vault(home, "--passphrase", "accept-older", stdin=f"{OLD}\n")["records"] == 1
    assert vault(home, "--passphrase", "status", stdin=f"{OLD}\n")["state"] == "open"


def test_a_damaged_vault_is_a_failure_and_says_what_to_do(home: Path) -> None:
    (home / "vault" / "keys.vault").write_bytes(b"{}")
    shown = run_to_end(home, "vault", "status")
    assert (shown.returncode, "damaged" in shown.stdout) == (1, True)
    assert "keys.vault.1" in refusal(home, "--passphrase", "status", stdin=f"{OLD}\n")
    assert "the active profile, One, cannot be had [VAULT_CORRUPT]" in run_to_end(home, "chat").stderr
    assert (home / "vault" / "keys.vault").read_bytes() == b"{}"


def test_a_chat_says_that_a_key_went_with_its_vault(home: Path) -> None:
    shutil.rmtree(home / "vault")
    for arguments, stdin in (((), ""), (("--passphrase",), f"{OLD}\n")):
        assert "the key of the active profile, One, is gone" in run_to_end(home, "chat", *arguments, stdin=stdin).stderr


def test_another_passphrase_takes_the_place_of_the_old_one(home: Path) -> None:
    told = vault(home, "--passphrase", "rotate", stdin=f"{OLD}\n{NEW}\n")
    assert (told["state"], told["records"], told["backups"]) == ("open", 2, 1)
    assert "rotationPending" not in told
    assert "VAULT_WRONG_KEY" in refusal(home, "--passphrase", "status", stdin=f"{OLD}\n")
    assert vault(home, "--passphrase", "status", stdin=f"{NEW}\n")["records"] == 2
    assert "VAULT_WRONG_KEY" in refusal(home, "--passphrase", "status", stdin=f"{NEW.strip()}\n")


def test_a_new_passphrase_is_typed_twice_and_never_shown(home: Path) -> None:
    for second, code in (("other", 1), (NEW, 0)):
        with Terminal(home, "vault", "--passphrase", "rotate") as terminal:
            terminal.wait_for("Passphrase of the vault")
            terminal.type(f"{OLD}\n")
            terminal.wait_for("New passphrase of the vault")
            terminal.type(f"{NEW}\n")
            terminal.wait_for("once more")
            terminal.type(f"{second}\n")
            assert terminal.wait_for_exit() == code
            assert OLD not in terminal.shown
            assert NEW not in terminal.shown
    assert vault(home, "--passphrase", "status", stdin=f"{NEW}\n")["records"] == 2


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    said = run_to_end(tmp_path, "vault", "--data-dir", str(tmp_path / "misspelt"), "status")
    assert said.returncode == 2
    assert not (tmp_path / "misspelt").exists()
