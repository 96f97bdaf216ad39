"""Where keys come from: each source, its refusals, and that no source holds anything up."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import InvalidParams
from llm_sidecar.vault import key_sources
from llm_sidecar.vault.key_sources import (
    Passphrase,
    RawKey,
    first_of,
    host_key,
    key_from_descriptor,
    key_from_environment,
    passphrase_from_descriptor,
)
from tests.vault.samples import KEY, OTHER_KEY, ROWS, bytes_of, filled, opened

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


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\nmore\n"])
def test_a_descriptor_gives_a_passphrase_that_is_its_first_line(tmp_path: Path, end: bytes, closed: bool) -> None:
    text = " pässphrase \t"
    opened(tmp_path / "vault", Passphrase(text)).put(*ROWS[0])
    reader, _ = pipe_with(text.encode() + end, closed=closed)
    assert opens(tmp_path / "vault", passphrase_from_descriptor(reader))
    assert is_closed(reader)


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n", b"\xff\n", b"x" * 4_097, b"x" * 60_000])
def test_a_descriptor_that_gives_no_passphrase_is_refused_and_closed(data: bytes) -> None:
    reader, _ = pipe_with(data)
    with pytest.raises(InvalidParams, match="--passphrase-fd: must give a passphrase of 1 to 4096 bytes"):
        passphrase_from_descriptor(reader)
    assert is_closed(reader)


def test_a_passphrase_whose_line_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "_DESCRIPTOR_PATIENCE_MS", 20)
    reader, writer = pipe_with(b"half a line", closed=False)
    with pytest.raises(InvalidParams, match=r"--passphrase-fd: descriptor \d+ gives no line within 2 s"):
        passphrase_from_descriptor(reader)
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
