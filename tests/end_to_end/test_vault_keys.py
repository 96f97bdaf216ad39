"""Where the vault's key comes from, what happens without one, and how it is changed: through the pipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.profiles_at_the_pipe import (
    KEY,
    OTHER_KEY,
    QUESTION,
    VAULT_KEY,
    actions,
    answering,
    ask,
    ask_again,
    create,
    everything_in,
    greet,
    spawn_with_descriptor,
    stop,
)
from tests.end_to_end.providers_at_the_pipe import listening
from tests.hosts import Host

Spawn = Callable[..., Host]


def test_the_handshake_tells_whether_keys_are_encrypted(spawn: Spawn) -> None:
    assert greet(spawn())["encryption"] == {"available": True, "source": "host"}
    assert greet(spawn(), None)["encryption"] == {"available": False, "source": None}


@pytest.mark.parametrize("key", ["", "short", "AAAA", VAULT_KEY[:-1], VAULT_KEY + "AAAA", "!" * 44])
def test_a_key_that_is_none_is_refused_by_name_without_its_value(spawn: Spawn, key: str) -> None:
    host = spawn()
    refusal = host.refusal("initialize", {"protocolVersion": 1, "vaultKey": key})
    assert [field["path"] for field in refusal["data"]["details"]["fields"]] == ["vaultKey"]
    assert not key or key not in str(refusal)
    assert greet(host)["encryption"]["available"] is True, "the handshake may be tried again"


def test_a_wrong_key_changes_nothing_and_the_right_one_opens_it(spawn: Spawn, tmp_path: Path) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host)
        create(host, server.url)
        stop(host)
        before = (tmp_path / "data" / "vault" / "keys.vault").read_bytes()
        wrong = spawn(data_dir=tmp_path / "data")
        greet(wrong, OTHER_KEY)
        assert wrong.call("llm:vault:status")["code"] == "VAULT_WRONG_KEY"
        listed = wrong.call("llm:profiles:list")
        assert (len(listed["profiles"]), listed["encryptionAvailable"]) == (1, False)
        for method, params in (
            ("llm:inference", {"messages": QUESTION}),
            ("llm:profiles:create", {"name": "n", "providerType": "openai", "apiKey": KEY}),
            ("llm:vault:unlock", {"vaultKey": OTHER_KEY}),
            ("llm:vault:rotate", {"phase": "reencrypt"}),
        ):
            assert wrong.refusal(method, params)["data"]["code"] == "VAULT_WRONG_KEY", method
        result = wrong.call("llm:profiles:test", {})
        assert (result["success"], result["errorCode"]) == (False, "VAULT_WRONG_KEY")
        assert "vault.unlock-failed" in actions(wrong)
        assert (tmp_path / "data" / "vault" / "keys.vault").read_bytes() == before
        assert wrong.call("llm:vault:unlock", {"vaultKey": VAULT_KEY})["state"] == "open"
        assert ask(wrong).text == "Hello!"


def test_without_a_key_it_is_stored_in_plaintext_and_every_answer_says_so(spawn: Spawn, tmp_path: Path) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host, None)
        params = {"name": "n", "providerType": "openai", "endpointUrl": server.url, "apiKey": KEY, "modelId": "m"}
        stored = host.call("llm:profiles:create", params)
        assert [warning["code"] for warning in stored["warnings"]] == ["PLAINTEXT_STORAGE_WARNING"]
        renamed = host.call("llm:profiles:update", {"id": stored["profile"]["id"], "name": "m"})
        listed = host.call("llm:profiles:list")
        assert stored["warning"] == renamed["warning"] == listed["warning"]
        assert listed["encryptionAvailable"] is False
        assert "storage.plaintext" in actions(host)
        assert host.call("llm:vault:status")["plaintextKeys"] == 1
        assert ask(host).text == "Hello!"
        stop(host)
        assert KEY.encode() in everything_in(tmp_path / "data")

        later = spawn(data_dir=tmp_path / "data")
        greet(later)
        assert ask(later).text == "Hello!"
        host_status = later.call("llm:vault:unlock", {"vaultKey": VAULT_KEY})
        assert (host_status["state"], host_status["records"]) == ("open", 1)
        assert "plaintextKeys" not in host_status
        assert "warning" not in later.call("llm:profiles:list")
        stop(later)
        assert KEY.encode() not in everything_in(tmp_path / "data")
        assert ask_again(spawn, tmp_path, VAULT_KEY) == "Hello!"


def test_a_key_that_comes_while_it_runs_takes_the_plaintext_in(spawn: Spawn, tmp_path: Path) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host, None)
        create(host, server.url)
        assert host.call("llm:vault:unlock", {"passphrase": "correct horse battery"})["state"] == "open"
        assert ask(host).text == "Hello!"
        assert "vault.created" in actions(host)
        assert "warning" not in host.call("llm:profiles:list")
        stop(host)
        assert KEY.encode() not in everything_in(tmp_path / "data")
        locked = spawn(data_dir=tmp_path / "data")
        greet(locked, None)
        assert locked.refusal("llm:inference", {"messages": QUESTION})["data"]["code"] == "VAULT_LOCKED"
        refusal = locked.refusal("llm:profiles:create", {"name": "n", "providerType": "openai", "apiKey": KEY})
        assert refusal["data"]["code"] == "VAULT_LOCKED", "a locked vault is no reason to write plaintext"
        assert "correct horse" not in locked.stderr() + host.stderr()


def test_a_job_that_waits_for_the_key_begins_when_it_comes(spawn: Spawn, tmp_path: Path) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host)
        profile = create(host, server.url)
        stop(host)
        host = spawn(data_dir=tmp_path / "data")
        greet(host, None)
        params = {"profileId": profile["id"], "messages": QUESTION}
        host.call("llm:job:submit", {"kind": "inference", "jobId": "j", "params": params})
        host.call("llm:inference", {"providerId": "demo", "messages": QUESTION, "inferenceId": "meanwhile"})
        host.answer("meanwhile")
        assert host.call("llm:job:get", {"jobId": "j"})["state"] == "queued"
        host.call("llm:vault:unlock", {"vaultKey": VAULT_KEY})
        host.read_until(lambda message: message.get("method") == "llm:job:done")
        assert host.call("llm:job:result", {"jobId": "j"})["result"]["text"] == "Hello!"


@pytest.mark.parametrize(
    ("phase", "opens", "fails"), [("commit", OTHER_KEY, VAULT_KEY), ("abort", VAULT_KEY, OTHER_KEY)]
)
def test_a_rotation_has_two_phases(spawn: Spawn, tmp_path: Path, phase: str, opens: str, fails: str) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host)
        create(host, server.url)
        refusal = host.refusal("llm:vault:rotate", {"phase": phase})
        assert refusal["data"]["code"] == "VALIDATION_ERROR", "none is pending"
        refusal = host.refusal("llm:vault:rotate", {"phase": "begin", "newVaultKey": VAULT_KEY})
        assert [field["path"] for field in refusal["data"]["details"]["fields"]] == ["newVaultKey"], "it is the old one"
        assert host.call("llm:vault:rotate", {"phase": "begin", "newVaultKey": OTHER_KEY})["rotationPending"] is True
        stop(host)
        assert ask_again(spawn, tmp_path, OTHER_KEY) == "Hello!", "both open it"
        again = spawn(data_dir=tmp_path / "data")
        greet(again, VAULT_KEY)
        if phase == "commit":
            assert again.refusal("llm:vault:rotate", {"phase": phase})["data"]["code"] == "VAULT_LOCKED"
            again.call("llm:vault:unlock", {"vaultKey": OTHER_KEY})
        assert "rotationPending" not in again.call("llm:vault:rotate", {"phase": phase})
        assert ask(again).text == "Hello!"
        assert "vault.rotated" in actions(again)
        stop(again)
        assert ask_again(spawn, tmp_path, opens) == "Hello!"
        refused = spawn(data_dir=tmp_path / "data")
        greet(refused, fails)
        assert refused.call("llm:vault:status")["state"] == "wrong-key"


@pytest.mark.parametrize(
    ("option", "text", "source"),
    [("--key-fd", VAULT_KEY + "\n", "key-fd"), ("--passphrase-fd", "correct horse battery\n", "passphrase")],
)
def test_a_key_may_come_on_a_descriptor(spawn: Spawn, tmp_path: Path, option: str, text: str, source: str) -> None:
    with listening(answering()) as server:
        host = spawn_with_descriptor(spawn, option, text)
        assert greet(host, None)["encryption"] == {"available": True, "source": source}
        create(host, server.url)
        stop(host)
        again = spawn_with_descriptor(spawn, option, text, data_dir=tmp_path / "data")
        status = again.call("llm:vault:status")
        assert (status["state"], status["source"]) == ("open", source), "also while the key is still being derived"
        assert ask(again).text == "Hello!"
        assert text.strip() not in again.stderr() + host.stderr()


def test_what_the_host_gives_comes_first(spawn: Spawn) -> None:
    host = spawn_with_descriptor(spawn, "--key-fd", OTHER_KEY)
    assert greet(host)["encryption"]["source"] == "host"


def test_a_descriptor_without_a_key_is_wrong_usage(spawn: Spawn) -> None:
    for text in ("", "not a key at all", VAULT_KEY * 9):
        host = spawn_with_descriptor(spawn, "--key-fd", text)
        assert host.wait() == 2
        assert "--key-fd" in host.stderr()
        assert not text or text not in host.stderr()
    for number in ("0", "x", "-3", "99999"):
        for option in ("--key-fd", "--passphrase-fd"):
            assert spawn(option, number).wait() == 2


def test_the_variable_counts_only_where_that_is_allowed_and_leaves_the_environment(spawn: Spawn) -> None:
    variable = {"LLM_SIDECAR_VAULT_KEY": VAULT_KEY}
    assert greet(spawn("--allow-env-key", environment=variable), None)["encryption"]["source"] == "environment"
    ignored = spawn(environment=variable)
    assert greet(ignored, None)["encryption"]["source"] is None
    assert VAULT_KEY not in ignored.stderr()
    assert ignored.logs("the variable is not used: see --allow-env-key")


def test_a_keyring_that_is_not_there_locks_the_vault_and_writes_no_plaintext(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn("--keyring", environment={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})
    greet(host, None)
    params = {"name": "n", "providerType": "openai", "apiKey": KEY}
    assert host.refusal("llm:profiles:create", params)["data"]["code"] == "VAULT_LOCKED"
    assert host.call("llm:vault:status")["state"] == "locked"
    assert host.call("llm:profiles:create", {"name": "n", "providerType": "ollama"})["profile"]["isActive"] is True
    stop(host)
    assert KEY.encode() not in everything_in(tmp_path / "data")
