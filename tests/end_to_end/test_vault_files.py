"""The vault's files, as a person and a stranger find them: through the pipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.profiles_at_the_pipe import (
    KEY,
    QUESTION,
    URL,
    VAULT_KEY,
    actions,
    answering,
    ask,
    ask_again,
    create,
    everything_in,
    greet,
    stop,
)
from tests.end_to_end.providers_at_the_pipe import listening
from tests.hosts import Host

Spawn = Callable[..., Host]


def test_only_ciphertext_is_on_the_disk(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn()
    greet(host)
    create(host, URL)
    status = host.call("llm:vault:status")
    assert (status["state"], status["available"], status["source"], status["records"]) == ("open", True, "host", 1)
    assert "vault.created" in actions(host)
    stop(host)
    assert KEY.encode() not in everything_in(tmp_path / "data")
    assert (tmp_path / "data" / "vault" / "keys.vault").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", ["delete", "update"])
def test_a_key_that_is_gone_is_in_no_file_not_even_encrypted(spawn: Spawn, tmp_path: Path, change: str) -> None:
    host = spawn()
    greet(host)
    profile, _ = create(host, URL), create(host, URL, name="other")
    boxes = boxes_of(tmp_path / "data" / "vault" / "keys.vault", profile["id"])
    assert len(boxes) == 1
    new = {"apiKey": "sk-new-0123456789ab"} if change == "update" else {}
    host.call(f"llm:profiles:{change}", {"id": profile["id"], **new})
    status = host.call("llm:vault:status")
    assert (status["records"], status["backups"]) == (1 + len(new), 1)
    assert not any(box in everything_in(tmp_path / "data") for box in boxes)


def boxes_of(file: Path, profile_id: str) -> list[bytes]:
    """What a vault holds of a profile."""
    body = json.loads(file.read_bytes().split(b"\n")[1])
    return [record["box"].encode() for name, record in body["records"].items() if name.startswith(profile_id)]


def test_a_backup_that_was_put_back_is_taken_only_when_a_person_says_so(spawn: Spawn, tmp_path: Path) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host)
        create(host, server.url)
        created = create(host, URL, name="lost")
        stop(host)
        vault = tmp_path / "data" / "vault" / "keys.vault"
        vault.write_bytes((tmp_path / "data" / "vault" / "keys.vault.1").read_bytes())

        later = spawn(data_dir=tmp_path / "data")
        greet(later)
        assert later.call("llm:vault:status")["code"] == "VAULT_TAMPERED"
        refusal = later.refusal("llm:vault:unlock", {"vaultKey": VAULT_KEY})
        assert refusal["data"]["code"] == "VAULT_TAMPERED"
        assert "acceptOlder" in refusal["message"]
        assert later.call("llm:vault:unlock", {"acceptOlder": True})["state"] == "open"
        assert ask(later).text == "Hello!"
        lost = later.call("llm:profiles:test", {"profileId": created["id"]})
        assert lost["errorCode"] == "API_KEY_MISSING"
        stop(later)
        assert ask_again(spawn, tmp_path, VAULT_KEY) == "Hello!"


def test_a_vault_that_was_set_back_is_noticed(spawn: Spawn, tmp_path: Path) -> None:
    file = tmp_path / "data" / "vault" / "keys.vault"
    host = spawn()
    greet(host)
    profile = create(host, URL)
    old = file.read_bytes()
    host.call("llm:profiles:update", {"id": profile["id"], "apiKey": "sk-new-0123456789ab"})
    stop(host)
    file.write_bytes(old)
    again = spawn(data_dir=tmp_path / "data")
    greet(again)
    assert again.call("llm:vault:status")["state"] == "tampered"
    assert file.read_bytes() == old


def test_in_memory_nothing_touches_the_disk(spawn: Spawn, tmp_path: Path) -> None:
    with listening(answering()) as server:
        host = spawn("--in-memory")
        greet(host)
        create(host, server.url)
        assert ask(host).text == "Hello!"
        assert host.call("llm:profiles:list")["encryptionAvailable"] is True
        bare = spawn("--in-memory")
        greet(bare, None)
        create(bare, server.url)
        assert ask(bare).text == "Hello!"
        assert "warning" not in bare.call("llm:profiles:list"), "nothing is stored"
    assert not (tmp_path / "data").exists()


def test_a_damaged_file_of_plaintext_keys_is_told_and_left_as_it_is(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn()
    greet(host, None)
    create(host, URL)
    stop(host)
    file = tmp_path / "data" / "vault" / "keys.plain.json"
    file.write_bytes(b"{")
    again = spawn(data_dir=tmp_path / "data")
    greet(again, None)
    assert again.call("llm:vault:status")["code"] == "VAULT_CORRUPT"
    assert again.refusal("llm:inference", {"messages": QUESTION})["data"]["code"] == "VAULT_CORRUPT"
    assert len(again.call("llm:profiles:list")["profiles"]) == 1
    assert again.call("llm:vault:unlock", {"vaultKey": VAULT_KEY})["available"] is True
    assert file.read_bytes() == b"{"
