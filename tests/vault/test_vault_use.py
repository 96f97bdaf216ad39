"""The vault in use: what goes in comes out, only as what it went in, and its states."""

from __future__ import annotations

import base64
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import InvalidParams, SidecarError
from llm_sidecar.vault import open_vault
from llm_sidecar.vault.key_sources import Passphrase
from llm_sidecar.vault.plain_keys import PlainKeys
from llm_sidecar.vault.vault import Vault
from tests.vault.samples import (
    ANN,
    BEN,
    CLEO,
    KEY,
    LOCAL,
    OPENAI,
    OTHER_KEY,
    ROWS,
    Row,
    bytes_of,
    contents,
    filled,
    opened,
    vault_path,
)

EVERYTHING = {f"{row.profile_id}/{row.field}": row.secret for row in ROWS}


@pytest.fixture(params=["disk", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The folder of a vault; empty: it is kept in memory."""
    return str(tmp_path / "vault") if request.param == "disk" else ""


def test_what_was_put_comes_out(place: str) -> None:
    vault = Vault(place)
    vault.open(KEY)
    for row in ROWS:
        vault.put(*row)
    assert contents(vault) == EVERYTHING
    vault.put(ANN, "apiKey", LOCAL, "moved")
    assert vault.get(ANN, "apiKey", LOCAL) == "moved"
    with pytest.raises(SidecarError) as raised:
        vault.get(ANN, "apiKey", OPENAI)
    assert raised.value.code == "VAULT_TAMPERED"


def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path / "vault")
    vault = opened(tmp_path / "vault")
    assert contents(vault) == EVERYTHING
    status = vault.status()
    assert (status.state, status.available, status.source, status.records) == ("open", True, "host", 3)
    assert (status.generation, status.backups, status.code) == (3, 2, None)


def test_a_key_that_nobody_put_is_missing(place: str) -> None:
    vault = Vault(place)
    vault.open(KEY)
    for state in ("absent", "open"):
        assert vault.state == state
        with pytest.raises(SidecarError) as raised:
            vault.get(BEN, "apiKey", OPENAI)
        assert raised.value.code == "API_KEY_MISSING"
        vault.put(*ROWS[0])


def test_deleting_takes_one_field_or_all_of_one_profile_and_nothing_else(place: str) -> None:
    vault = Vault(place)
    vault.open(KEY)
    assert vault.delete(ANN) is False
    assert vault.state == "absent"
    for row in (*ROWS, Row(ANN, "token", OPENAI, "second")):
        vault.put(*row)
    generation = vault.status().generation
    assert vault.delete(ANN, "no such field") is False
    assert vault.status().generation == generation
    assert vault.delete(ANN, "token") is True
    assert contents(vault) == EVERYTHING
    vault.put(ANN, "token", OPENAI, "second")
    assert vault.delete(ANN) is True
    assert not vault.has(ANN, "apiKey")
    assert not vault.has(ANN, "token")
    assert set(contents(vault)) == {f"{BEN}/apiKey", f"{CLEO}/apiKey"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("not a uuid", "apiKey", OPENAI, "s"), "profileId"),
        ((ANN.upper().replace("1", "A"), "apiKey", OPENAI, "s"), "profileId"),
        ((f"{ANN}\n", "apiKey", OPENAI, "s"), "profileId"),
        ((ANN, "api/key", OPENAI, "s"), "field"),
        ((ANN, "", OPENAI, "s"), "field"),
        ((ANN, "apiKey", "https://bücher.example:443", "s"), "origin"),
        ((ANN, "apiKey", "", "s"), "origin"),
        ((ANN, "apiKey", "https://a b", "s"), "origin"),
        ((ANN, "apiKey", OPENAI, ""), "apiKey"),
        ((ANN, "apiKey", OPENAI, "x" * 16_385), "apiKey"),
        ((ANN, "apiKey", OPENAI, "lone \ud800"), "apiKey"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name_and_never_by_value(
    place: str, arguments: tuple[str, str, str, str], named: str, tmp_path: Path
) -> None:
    vault, plain = Vault(place), PlainKeys(place)
    vault.open(KEY)
    for put in (vault.put, plain.put):
        with pytest.raises(InvalidParams) as raised:
            put(*arguments)
        assert raised.value.details is not None
        assert [field["path"] for field in raised.value.details["fields"]] == [named]
    assert not plain.exists
    assert vault.state == "absent"
    assert not (tmp_path / "vault").exists()


def test_without_a_key_nothing_is_made(place: str, tmp_path: Path) -> None:
    vault = Vault(place)
    assert vault.open(None) == "absent"
    assert (vault.status().available, vault.status().code) == (False, "VAULT_LOCKED")
    for use in (lambda: vault.put(*ROWS[0]), lambda: vault.get(*ROWS[0][:3]), lambda: vault.delete(ANN)):
        with pytest.raises(SidecarError) as raised:
            use()
        assert raised.value.code == "VAULT_LOCKED"
    assert not (tmp_path / "vault").exists()
    assert vault.unlock(KEY) == "absent"
    assert vault.status().available
    vault.put(*ROWS[0])
    assert vault.state == "open"


def test_a_vault_that_was_never_opened_is_locked(tmp_path: Path) -> None:
    vault = Vault(str(tmp_path))
    assert vault.status().code == "VAULT_LOCKED"
    with pytest.raises(SidecarError, match="not opened yet"):
        vault.get(*ROWS[0][:3])


def test_a_locked_vault_is_unlocked_later_and_a_wrong_key_does_not_hurt(tmp_path: Path) -> None:
    filled(tmp_path / "vault")
    vault = opened(tmp_path / "vault", None)
    assert vault.state == "locked"
    with pytest.raises(SidecarError) as raised:
        vault.unlock(OTHER_KEY)
    assert (raised.value.code, vault.state) == ("VAULT_WRONG_KEY", "wrong-key")
    assert vault.unlock(KEY) == "open"
    with pytest.raises(SidecarError):
        vault.unlock(OTHER_KEY)
    assert vault.state == "open"
    assert contents(vault) == EVERYTHING
    vault.lock()
    assert vault.state == "locked"
    with pytest.raises(SidecarError):
        vault.put(*ROWS[0])
    vault.unlock(KEY)
    assert contents(vault) == EVERYTHING


def test_a_vault_that_is_gone_while_a_backup_is_there_is_never_made_anew(tmp_path: Path) -> None:
    filled(tmp_path / "vault")
    vault_path(tmp_path / "vault").unlink()
    before = bytes_of(tmp_path / "vault")
    vault = opened(tmp_path / "vault")
    assert (vault.state, vault.status().code) == ("unreadable", "VAULT_READ_ERROR")
    with pytest.raises(SidecarError, match=r"copy `keys\.vault\.1`"):
        vault.put(*ROWS[0])
    assert bytes_of(tmp_path / "vault") == before
    (tmp_path / "vault" / "keys.vault").write_bytes(before["keys.vault.1"])
    assert vault.unlock(KEY) == "open"


def test_a_file_that_changed_under_the_vault_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder)
    other = opened(folder)
    other.put(ANN, "token", OPENAI, "of somebody else")
    for change in (lambda: None, vault_path(folder).unlink):
        change()
        before = bytes_of(folder)
        with pytest.raises(SidecarError) as raised:
            vault.put(ANN, "apiKey", OPENAI, "mine")
        assert raised.value.details is not None
        assert (raised.value.code, raised.value.details["reason"]) == ("VAULT_WRITE_ERROR", "CHANGED")
        assert bytes_of(folder) == before
        assert vault.get(ANN, "apiKey", OPENAI) == ROWS[0].secret


def test_two_that_make_a_vault_at_once_do_not_overwrite_each_other(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "vault"), opened(tmp_path / "vault")
    one.put(*ROWS[0])
    with pytest.raises(SidecarError) as raised:
        other.put(*ROWS[1])
    assert raised.value.code == "VAULT_WRITE_ERROR"
    assert contents(opened(tmp_path / "vault")) == {f"{ANN}/apiKey": ROWS[0].secret}


def test_three_backups_are_kept_and_each_is_a_former_state(tmp_path: Path) -> None:
    folder, states = tmp_path / "vault", []
    vault = opened(folder)
    for number in range(6):
        vault.put(ANN, "apiKey", OPENAI, f"state {number}")
        states.append(vault_path(folder).read_bytes())
    found = bytes_of(folder)
    assert set(found) == {"keys.vault", "keys.vault.1", "keys.vault.2", "keys.vault.3"}
    assert [found[f"keys.vault.{number}"] for number in (1, 2, 3)] == [states[4], states[3], states[2]]


def test_a_deleted_key_is_in_no_backup_either(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder)
    vault.put(*ROWS[0])
    assert vault.status().backups == 3
    boxes = {name: record.box for name, record in vault._opened.body.records.items()}  # type: ignore[union-attr]
    vault.delete(ANN)
    found = bytes_of(folder)
    assert set(found) == {"keys.vault", "keys.vault.1"}
    assert found["keys.vault.1"] == found["keys.vault"], "there is something to put back all the same"
    assert not (folder / "keys.vault.1").samefile(folder / "keys.vault")
    assert not [name for name, data in found.items() if ANN.encode() in data]
    assert base64.b64encode(boxes[f"{BEN}/apiKey"]) in found["keys.vault.1"]
    vault.put(*ROWS[0])
    assert vault.status().backups == 2, "the next ones are kept as ever"


def test_the_data_key_is_renewed_when_it_has_sealed_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_vault.MOST_ENCRYPTIONS == 2**20
    monkeypatch.setattr(open_vault, "MOST_ENCRYPTIONS", 5)
    vault, kids, counts = opened(tmp_path / "vault"), [], []
    for number in range(12):
        vault.put(ANN if number % 2 else BEN, "apiKey", OPENAI, f"secret {number}")
        held = vault._opened
        assert held is not None
        kids.append(held.body.kid)
        counts.append(held.body.encryptions)
        assert held.body.generation == number + 1
        assert {record.kid for record in held.body.records.values()} == {held.body.kid}
    assert counts == [1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3]
    assert len(set(kids)) == 4
    again = opened(tmp_path / "vault", expected_generation=12)
    assert (again.get(ANN, "apiKey", OPENAI), again.get(BEN, "apiKey", OPENAI)) == ("secret 11", "secret 10")


def test_the_key_of_a_profile_is_nowhere_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder)
    vault.rotate_commit(vault.rotate_begin(OTHER_KEY))
    vault.put(*ROWS[0])
    vault.put(*ROWS[1])
    found = bytes_of(folder)
    assert len(found) == 4
    for row in ROWS[:2]:
        for name, form in spellings(row.secret).items():
            assert [file for file, data in found.items() if form in data] == [], name
    assert all(name in found["keys.vault"] for name in (ANN.encode(), OPENAI.encode()))  # the grep can find


def spellings(secret: str) -> dict[str, bytes]:
    """A secret as it may hide in a file; base64 at each of the three places it can begin at."""
    raw = secret.encode()
    return {
        "plain": raw,
        "reversed": raw[::-1],
        "utf-16": secret.encode("utf-16-le"),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "base32": base64.b32encode(raw)[:40],
        "percent": urllib.parse.quote(secret, safe="").encode(),
        **{f"base64+{skip}": base64.b64encode(raw[skip:])[:32] for skip in range(3)},
        **{f"urlsafe+{skip}": base64.urlsafe_b64encode(raw[skip:])[:32] for skip in range(3)},
    }


def test_no_repr_shows_a_key_or_a_secret(tmp_path: Path) -> None:
    vault = filled(tmp_path / "vault")
    held: Any = vault._opened
    objects = [KEY, Passphrase("a long passphrase"), held, held._dek, *held.keys.values(), vault, vault.status()]
    objects.append(open_vault.Secret(ANN, "apiKey", OPENAI, b"sk-CANARY"))
    PlainKeys(str(tmp_path)).put(*ROWS[0])
    objects.append(PlainKeys(str(tmp_path)).records())
    shown = " ".join(map(repr, objects)).encode()
    key = bytes(range(32))
    for forbidden in (b"CANARY", b"a long passphrase", key, repr(key).encode()[2:-1], key.hex().encode()):
        assert forbidden not in shown


def test_reading_never_waits_for_a_writer_and_sees_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = filled(tmp_path / "vault")
    arrived, go_on = threading.Event(), threading.Event()
    save = vault._store.save

    def slow(data: bytes, **more: Any) -> None:
        arrived.set()
        assert go_on.wait(10)
        save(data, **more)

    monkeypatch.setattr(vault._store, "save", slow)
    writer = threading.Thread(target=vault.put, args=(ANN, "apiKey", OPENAI, "new"))
    writer.start()
    assert arrived.wait(10)
    assert vault.get(ANN, "apiKey", OPENAI) == ROWS[0].secret
    assert vault.status().generation == 3
    go_on.set()
    writer.join(10)
    assert vault.get(ANN, "apiKey", OPENAI) == "new"


def test_writers_in_many_threads_lose_nothing(tmp_path: Path) -> None:
    vault = opened(tmp_path / "vault")
    threads = [threading.Thread(target=vault.put, args=(ANN, f"f{n}", OPENAI, f"s{n}")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert vault.status().generation == 20
    again = opened(tmp_path / "vault")
    assert [again.get(ANN, f"f{n}", OPENAI) for n in range(20)] == [f"s{n}" for n in range(20)]
