"""The OS keyring as the place of the key: it may hang, fail, forget or be absent, and nothing is lost."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.vault.os_keyring import Keyring
from tests.vault.samples import ANN, KEY, OPENAI, ROWS, bytes_of, contents, opened


class FakeKeyring(types.ModuleType):
    """Stands in for the package `keyring`."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.entries: dict[tuple[str, str], str] = {}
        self.priority = 5.0
        self.before: Callable[[], None] = lambda: None

    def get_keyring(self) -> FakeKeyring:
        return self

    def get_password(self, service: str, name: str) -> str | None:
        self.before()
        return self.entries.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self.before()
        self.entries[service, name] = password


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    fake = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    return fake


def test_the_os_keyring_keeps_a_key_for_each_vault(tmp_path: Path, keyring: FakeKeyring) -> None:
    for name in ("one", "other"):
        vault = opened(tmp_path / name, Keyring())
        assert vault.status().available
        assert not (tmp_path / name).exists()
        vault.put(*ROWS[0])
    assert len(keyring.entries) == 2
    for name in ("one", "other"):
        vault = opened(tmp_path / name, Keyring())
        assert vault.get(*ROWS[0][:3]) == ROWS[0].secret
        assert vault.status().source == "keyring"
    for password in keyring.entries.values():
        assert password.encode() not in b"".join(bytes_of(tmp_path / "one").values())


def test_a_rotation_never_overwrites_the_key_in_use(tmp_path: Path, keyring: FakeKeyring) -> None:
    vault = opened(tmp_path / "vault", Keyring())
    vault.put(*ROWS[0])
    first = dict(keyring.entries)
    kek_id = vault.rotate_begin(Keyring())
    assert first.items() < keyring.entries.items()
    vault.rotate_commit(kek_id)
    assert opened(tmp_path / "vault", Keyring()).get(*ROWS[0][:3]) == ROWS[0].secret


def test_a_keyring_that_lost_the_key_leaves_the_vault_locked_and_makes_no_other(
    tmp_path: Path, keyring: FakeKeyring
) -> None:
    opened(tmp_path / "vault", Keyring()).put(*ROWS[0])
    before = bytes_of(tmp_path / "vault")
    kept = dict(keyring.entries)
    keyring.entries.clear()
    vault = opened(tmp_path / "vault", Keyring())
    assert (vault.state, vault.status().code) == ("locked", "VAULT_LOCKED")
    with pytest.raises(SidecarError):
        vault.put(*ROWS[1])
    assert keyring.entries == {}
    assert bytes_of(tmp_path / "vault") == before
    keyring.entries.update(kept)
    assert vault.unlock(Keyring()) == "open"


@pytest.mark.parametrize("junk", ["", "no base64!", "AAAA", "é"])
def test_junk_in_the_keyring_is_no_key(tmp_path: Path, keyring: FakeKeyring, junk: str) -> None:
    opened(tmp_path / "vault", Keyring()).put(*ROWS[0])
    keyring.entries = dict.fromkeys(keyring.entries, junk)
    assert opened(tmp_path / "vault", Keyring()).state == "locked"


def test_a_keyring_that_forgets_what_it_was_given_makes_no_vault(tmp_path: Path, keyring: FakeKeyring) -> None:
    vault = opened(tmp_path / "vault", Keyring())
    keyring.set_password = lambda *arguments: None  # type: ignore[method-assign]
    with pytest.raises(SidecarError, match="did not give back"):
        vault.put(*ROWS[0])
    assert not (tmp_path / "vault").exists()


def test_a_keyring_that_hangs_is_left_behind(tmp_path: Path, keyring: FakeKeyring) -> None:
    assert Keyring()._patience == 2.0
    opened(tmp_path / "vault", Keyring()).put(*ROWS[0])
    release = threading.Event()
    keyring.before = lambda: (release.wait(30), None)[1]
    for folder in (tmp_path / "vault", tmp_path / "none"):
        vault = opened(folder, Keyring(patience_seconds=0.02))
        assert (vault.state, vault.status().code) == ("locked", "VAULT_LOCKED")
        assert vault.error is not None
        assert "does not answer" in vault.error.message
    release.set()
    for thread in threading.enumerate():
        if thread.name == "keyring":
            assert thread.daemon
            thread.join(10)
    assert vault.unlock(Keyring()) == "absent"


def test_a_keyring_that_fails_is_told_without_its_words(tmp_path: Path, keyring: FakeKeyring) -> None:
    def fail() -> None:
        raise RuntimeError("dbus said sk-CANARY")

    keyring.before = fail
    vault = opened(tmp_path / "vault", Keyring())
    assert vault.error is not None
    assert "the OS keyring failed (RuntimeError)" in vault.error.message
    assert "CANARY" not in vault.error.message


def test_a_keyring_that_writes_plain_files_is_none(tmp_path: Path, keyring: FakeKeyring) -> None:
    keyring.priority = 0.5
    vault = opened(tmp_path / "vault", Keyring())
    assert vault.error is not None
    assert "no keyring that is a safe place" in vault.error.message
    assert keyring.entries == {}


def test_without_the_package_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    vault = opened(tmp_path / "vault", Keyring())
    assert vault.error is not None
    assert "llm-sidecar[keyring]" in vault.error.message


def test_from_the_keyring_to_the_hosts_key(tmp_path: Path, keyring: FakeKeyring) -> None:
    vault = opened(tmp_path / "vault", Keyring())
    vault.put(*ROWS[0])
    vault.rotate_commit(vault.rotate_begin(KEY))
    assert contents(opened(tmp_path / "vault", KEY)) == {f"{ANN}/apiKey": ROWS[0].secret}
    assert opened(tmp_path / "vault", Keyring()).state == "locked"
    assert vault.get(ANN, "apiKey", OPENAI)
