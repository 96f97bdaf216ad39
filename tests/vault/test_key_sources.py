"""Where keys come from: each source, its refusals, and that no source holds anything up."""

from __future__ import annotations

import base64
import os
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import InvalidParams, SidecarError
from llm_sidecar.vault import key_sources
from llm_sidecar.vault.key_sources import (
    Keyring,
    Passphrase,
    RawKey,
    first_of,
    host_key,
    key_from_descriptor,
    key_from_environment,
)
from tests.vault.samples import ANN, KEY, OPENAI, OTHER_KEY, ROWS, bytes_of, contents, filled, opened

RAW = bytes(range(32))
TEXT = base64.b64encode(RAW).decode()


def opens(folder: Path, source: Any) -> bool:
    return opened(folder, source).state == "open"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    filled(tmp_path / "vault")
    return tmp_path / "vault"


def test_the_hosts_key_is_base64_of_32_bytes(folder: Path) -> None:
    assert opens(folder, host_key(TEXT))


@pytest.mark.parametrize(
    "text", ["", "AAAA", TEXT[:-1], TEXT + "A", TEXT + "\n", " " + TEXT, base64.b64encode(bytes(31)).decode(), "é" * 44]
)
def test_what_is_no_key_is_refused_by_name_and_never_by_value(text: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        host_key(text, "initialize.vaultKey")
    assert "initialize.vaultKey: must be 32 bytes in base64" in raised.value.message
    if text.strip():
        assert text.strip() not in raised.value.message


def pipe_with(data: bytes, *, closed: bool = True) -> tuple[int, int]:
    reader, writer = os.pipe()
    os.write(writer, data)
    if closed:
        os.close(writer)
    return reader, writer


def is_closed(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


@pytest.mark.parametrize("data", [RAW, TEXT.encode(), TEXT.encode() + b"\n", TEXT.encode() + b"\r\n"])
def test_a_descriptor_gives_the_key_raw_or_in_base64_and_is_closed(folder: Path, data: bytes) -> None:
    reader, _ = pipe_with(data)
    source = key_from_descriptor(reader)
    assert source.name == "key-fd"
    assert opens(folder, source)
    assert is_closed(reader)


def test_a_descriptor_of_a_file_gives_the_key(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(RAW)
    assert opens(folder, key_from_descriptor(os.open(tmp_path / "key", os.O_RDONLY)))


@pytest.mark.parametrize("data", [b"", b"short", RAW + b"x", bytes(1_000_000)[:60_000]])
def test_a_descriptor_that_gives_no_key_is_refused_and_closed(data: bytes) -> None:
    reader, _ = pipe_with(data)
    with pytest.raises(InvalidParams, match="--key-fd: must give 32 bytes"):
        key_from_descriptor(reader)
    assert is_closed(reader)


def test_a_descriptor_that_is_never_closed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_sources._DESCRIPTOR_PATIENCE_MS == 2_000
    monkeypatch.setattr(key_sources, "_DESCRIPTOR_PATIENCE_MS", 20)
    reader, writer = pipe_with(RAW, closed=False)
    with pytest.raises(InvalidParams, match="cannot be read to its end"):
        key_from_descriptor(reader)
    assert is_closed(reader)
    os.close(writer)


@pytest.mark.parametrize("descriptor", [-1, 0, 1, 2, 999])
def test_the_standard_descriptors_and_closed_ones_give_no_key(descriptor: int) -> None:
    with pytest.raises(InvalidParams, match="--key-fd"):
        key_from_descriptor(descriptor)
    assert descriptor == 999 or descriptor < 0 or not is_closed(descriptor)


def test_the_environment_gives_a_key_only_where_that_is_allowed_and_keeps_none(folder: Path) -> None:
    for allowed in (False, True):
        environment = {"LLM_SIDECAR_VAULT_KEY": TEXT + "\n", "HOME": "/"}
        source = key_from_environment(environment, allowed=allowed)
        assert environment == {"HOME": "/"}
        assert (source is not None) is allowed
    assert source is not None
    assert source.name == "environment"
    assert opens(folder, source)
    assert key_from_environment({}, allowed=True) is None
    with pytest.raises(InvalidParams, match="LLM_SIDECAR_VAULT_KEY: must be 32 bytes"):
        key_from_environment({"LLM_SIDECAR_VAULT_KEY": "secret but wrong"}, allowed=True)


def test_the_first_source_that_is_given_decides(folder: Path) -> None:
    assert first_of(None, None) is None
    assert first_of(None, OTHER_KEY, KEY) is OTHER_KEY
    assert opened(folder, first_of(OTHER_KEY, KEY)).state == "wrong-key"


def test_a_source_that_the_vault_has_no_slot_for_leaves_it_locked(folder: Path) -> None:
    vault = opened(folder, Passphrase("x"))
    assert vault.state == "locked"
    assert vault.error is not None
    assert vault.error.message.endswith("passphrase has no key for it, its keys are of: host.")


def test_a_raw_key_of_another_length_is_none() -> None:
    with pytest.raises(InvalidParams):
        RawKey("host", bytes(31))


def test_a_passphrase_opens_what_it_made(tmp_path: Path) -> None:
    """Unicode, spaces and length included; nothing is trimmed."""
    text = " pässphrase ✓ \U0001f511 " * 20
    vault = opened(tmp_path / "vault", Passphrase(text))
    vault.put(*ROWS[0])
    assert opened(tmp_path / "vault", Passphrase(text)).get(*ROWS[0][:3]) == ROWS[0].secret
    assert opened(tmp_path / "vault", Passphrase(text.strip())).state == "wrong-key"
    (line, *_) = bytes_of(tmp_path / "vault")["keys.vault"].split(b"\n")
    assert b'"kdf":{"name":"argon2id","memory_kib":65536,"iterations":3,"lanes":4,"salt":"' in line


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
    assert key_sources.Keyring()._patience == 2.0
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
