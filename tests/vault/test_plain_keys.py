"""Keys without encryption: private, honest about what they are, and gone once there is a vault."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.vault.plain_keys import PlainKeys
from tests.vault.samples import ANN, BEN, KEY, LOCAL, OPENAI, ROWS, contents, filled, opened

EVERYTHING = {f"{row.profile_id}/{row.field}": row.secret for row in ROWS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture
def plain(folder: Path) -> PlainKeys:
    keys = PlainKeys(str(folder))
    for row in ROWS:
        keys.put(*row)
    return keys


def test_the_file_says_first_what_it_is(plain: PlainKeys, folder: Path) -> None:
    text = (folder / "keys.plain.json").read_text("utf-8")
    name, value = next(iter(json.loads(text).items()))
    assert name == "notice"
    assert value.startswith("NOT ENCRYPTED")
    assert ROWS[0].secret in text


def test_what_was_put_comes_out_for_its_profile_field_and_origin_only(plain: PlainKeys, folder: Path) -> None:
    for keys in (plain, PlainKeys(str(folder))):
        assert [keys.get(*row[:3]) for row in ROWS] == [row.secret for row in ROWS]
        with pytest.raises(SidecarError) as raised:
            keys.get(ANN, "apiKey", LOCAL)
        assert raised.value.code == "VAULT_TAMPERED"
        with pytest.raises(SidecarError) as raised:
            keys.get(ANN, "token", OPENAI)
        assert raised.value.code == "API_KEY_MISSING"


def test_the_last_key_takes_the_file_with_it(plain: PlainKeys, folder: Path) -> None:
    assert plain.delete(ANN, "token") is False
    assert plain.delete(ANN, "apiKey") is True
    assert not plain.has(ANN, "apiKey")
    assert plain.has(BEN, "apiKey")
    for row in ROWS[1:]:
        assert plain.delete(row.profile_id) is True
    assert plain.delete(ANN) is False
    assert list(folder.iterdir()) == []
    assert not plain.exists


def test_in_memory_nothing_touches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain = PlainKeys("")
    plain.put(*ROWS[0])
    assert plain.get(*ROWS[0][:3]) == ROWS[0].secret
    assert plain.exists
    plain.delete(ANN)
    assert not plain.exists
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"notice": "", "version": 2, "records": {}}', b"[" * 100_000])
def test_a_damaged_file_is_told_and_left_alone(folder: Path, data: bytes) -> None:
    folder.mkdir()
    (folder / "keys.plain.json").write_bytes(data)
    plain = PlainKeys(str(folder))
    vault = opened(folder)
    for use in (lambda: plain.get(*ROWS[0][:3]), lambda: plain.put(*ROWS[0]), lambda: vault.absorb(plain)):
        with pytest.raises(SidecarError) as raised:
            use()
        assert raised.value.code == "VAULT_CORRUPT"
    assert (folder / "keys.plain.json").read_bytes() == data
    assert vault.state == "absent"


def test_a_vault_takes_everything_over_and_the_file_is_overwritten(
    plain: PlainKeys, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.link(folder / "keys.plain.json", folder.parent / "witness")  # sees what becomes of the bytes
    vault = opened(folder)
    assert vault.absorb(plain) == 3
    assert contents(opened(folder)) == EVERYTHING
    assert vault.status().generation == 1
    assert not plain.exists
    assert [path.name for path in folder.iterdir()] == ["keys.vault"]
    assert set((folder.parent / "witness").read_bytes()) == {0}


def test_what_the_vault_holds_already_stays(folder: Path) -> None:
    vault = filled(folder)
    plain = PlainKeys(str(folder))
    plain.put(ANN, "apiKey", LOCAL, "planted")
    plain.put(ANN, "token", OPENAI, "second")
    assert vault.absorb(plain) == 1
    assert contents(vault) == EVERYTHING
    assert vault.get(ANN, "token", OPENAI) == "second"


def test_a_vault_that_cannot_be_written_leaves_the_plain_keys(plain: PlainKeys, folder: Path) -> None:
    vault = opened(folder)
    (folder / "keys.vault.new").mkdir()
    with pytest.raises(SidecarError) as raised:
        vault.absorb(plain)
    assert raised.value.code == "VAULT_WRITE_ERROR"
    assert [plain.get(*row[:3]) for row in ROWS] == [row.secret for row in ROWS]


def test_without_a_key_nothing_is_taken_over(plain: PlainKeys, folder: Path) -> None:
    with pytest.raises(SidecarError) as raised:
        opened(folder, None).absorb(plain)
    assert raised.value.code == "VAULT_LOCKED"
    assert plain.get(*ROWS[0][:3]) == ROWS[0].secret


@pytest.mark.parametrize("left", ["keys.plain.json.new", "keys.plain.json.leaving"])
def test_what_a_crash_left_is_erased_with_the_next_start(folder: Path, left: str) -> None:
    folder.mkdir()
    (folder / left).write_text("half of a key")
    plain = PlainKeys(str(folder))
    assert plain.exists
    assert opened(folder, KEY).absorb(plain) == 0
    assert list(folder.iterdir()) == []


def test_a_planted_record_with_a_name_of_no_profile_is_refused(folder: Path) -> None:
    plain = PlainKeys(str(folder))
    plain.put(*ROWS[0])
    path = folder / "keys.plain.json"
    path.write_text(path.read_text().replace(f"{ANN}/apiKey", "../../etc/passwd"))
    before = path.read_bytes()
    with pytest.raises(SidecarError) as raised:
        opened(folder).absorb(plain)
    assert raised.value.code == "VALIDATION_ERROR"
    assert path.read_bytes() == before
