"""A vault that was damaged, altered, set back or met with a wrong key: a typed error, and the bytes stay as they are.

Every check goes the whole way: the file on the disk, `Vault.open`, then each use of it.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.vault import vault_file
from llm_sidecar.vault.key_sources import Passphrase, RawKey
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
    Change,
    bytes_of,
    contents,
    data_key,
    filled,
    forged,
    opened,
    vault_path,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a vault of three records is."""
    filled(tmp_path / "vault")
    return tmp_path / "vault"


def codes_of_every_use(vault: Vault) -> set[str]:
    """What each use of the vault raises."""
    codes: set[str] = set()
    uses = (
        lambda: vault.get(ANN, "apiKey", OPENAI),
        lambda: vault.put(ANN, "apiKey", OPENAI, "new"),
        lambda: vault.delete(ANN),
        lambda: vault.rotate_begin(OTHER_KEY),
        lambda: vault.rotate_commit("0"),
        vault.rotate_dek,
        lambda: vault.unlock(KEY),
    )
    for use in uses:
        with pytest.raises(SidecarError) as raised:
            use()
        codes.add(raised.value.code)
    return codes


def overwrite(path: Path, data: bytes) -> None:
    """Like `write_bytes`, in place: a file that is emptied first is flushed at each close, ten thousand times."""
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, data)
    os.truncate(descriptor, len(data))
    os.close(descriptor)


def refusal(folder: Path, data: bytes, key: Any = KEY) -> str:
    """The code with which the vault refuses these bytes; they are checked to be there afterwards."""
    overwrite(vault_path(folder), data)
    names = os.listdir(folder)
    vault = opened(folder, key)
    assert vault.error is not None, "it was accepted"
    assert vault.status().available is False
    with pytest.raises(SidecarError) as raised:
        vault.get(ANN, "apiKey", OPENAI)
    with pytest.raises(SidecarError):
        vault.put(ANN, "apiKey", OPENAI, "new")
    assert raised.value.code == vault.error.code == vault.status().code
    assert vault_path(folder).read_bytes() == data
    assert os.listdir(folder) == names
    return vault.error.code


def test_every_single_bit_flip_is_refused(folder: Path) -> None:
    data = vault_path(folder).read_bytes()
    hmac_starts = len(data) - 65
    for place, bit in itertools.product(range(len(data)), range(8)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        code = refusal(folder, bytes(flipped))
        is_of_hmac = hmac_starts <= place < len(data) - 1
        assert code in ({"VAULT_CORRUPT", "VAULT_TAMPERED"} if is_of_hmac else {"VAULT_CORRUPT"}), (place, bit)


def test_every_truncation_is_damage(folder: Path) -> None:
    data = vault_path(folder).read_bytes()
    assert {refusal(folder, data[:length]) for length in range(len(data))} == {"VAULT_CORRUPT"}


@pytest.mark.parametrize("tail", [b"\n", b"\0", b" ", b"{}", b"\r\n"])
def test_anything_after_the_end_is_damage(folder: Path, tail: bytes) -> None:
    assert refusal(folder, vault_path(folder).read_bytes() + tail) == "VAULT_CORRUPT"


def test_a_thousand_wrong_keys_are_wrong_keys(folder: Path) -> None:
    data = vault_path(folder).read_bytes()
    codes = {refusal(folder, data, RawKey("host", os.urandom(32))) for _ in range(1_000)}
    assert codes == {"VAULT_WRONG_KEY"}
    assert contents(opened(folder)) == contents(filled(folder.parent / "same"))


def test_every_use_of_a_refused_vault_raises_its_error_and_changes_nothing(folder: Path) -> None:
    whole = vault_path(folder).read_bytes()
    cases: dict[str, bytes] = {
        "VAULT_CORRUPT": whole[:-1],
        "VAULT_TAMPERED": forged(whole, lambda header, body: body.update(generation=99)),
        "VAULT_NEWER": forged(whole, lambda header, body: header.update(version=2)),
    }
    for code, data in cases.items():
        vault_path(folder).write_bytes(data)
        before = bytes_of(folder)
        assert codes_of_every_use(opened(folder)) == {code}
        assert bytes_of(folder) == before


def swap(field: str, one: str, other: str) -> Change:
    def change(header: dict[str, Any], body: dict[str, Any]) -> None:
        records = body["records"]
        records[one][field], records[other][field] = records[other][field], records[one][field]

    return change


PAIRS = list(itertools.combinations([f"{row.profile_id}/{row.field}" for row in ROWS], 2))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_records_that_were_swapped_do_not_decrypt(folder: Path, one: str, other: str) -> None:
    whole = vault_path(folder).read_bytes()
    first, second, third = whole.splitlines(keepends=True)
    boxes = [value.split(b'"')[0] for value in second.split(b'"box":"')[1:]]
    names = [f"{row.profile_id}/{row.field}" for row in ROWS]
    a, b = boxes[names.index(one)], boxes[names.index(other)]
    raw = first + second.replace(a, b"\0").replace(b, a).replace(b"\0", b) + third
    assert refusal(folder, raw) == "VAULT_CORRUPT"
    assert refusal(folder, forged(whole, swap("box", one, other))) == "VAULT_TAMPERED"
    for change in (swap("box", one, other), swap_wholly(one, other)):
        vault_path(folder).write_bytes(forged(whole, change, dek=data_key(whole)))
        vault = opened(folder)
        assert vault.state == "open"
        for row in ROWS:
            if f"{row.profile_id}/{row.field}" in (one, other):
                with pytest.raises(SidecarError) as raised:
                    vault.get(*row[:3])
                assert raised.value.code == "VAULT_TAMPERED"
            else:
                assert vault.get(*row[:3]) == row.secret


def swap_wholly(one: str, other: str) -> Change:
    def change(header: dict[str, Any], body: dict[str, Any]) -> None:
        records = body["records"]
        records[one], records[other] = records[other], records[one]

    return change


def test_an_edited_endpoint_does_not_decrypt(folder: Path) -> None:
    """In the database (the vault is asked for another origin), in the file, and in both."""
    whole = vault_path(folder).read_bytes()
    evil = "https://evil.example:443"

    def edit(header: dict[str, Any], body: dict[str, Any]) -> None:
        body["records"][f"{ANN}/apiKey"]["origin"] = evil

    assert refusal(folder, forged(whole, edit)) == "VAULT_TAMPERED"
    for data in (whole, forged(whole, edit, dek=data_key(whole))):
        vault_path(folder).write_bytes(data)
        with pytest.raises(SidecarError) as raised:
            opened(folder).get(ANN, "apiKey", evil)
        assert raised.value.code == "VAULT_TAMPERED"
        assert "CANARY" not in raised.value.message


def test_a_record_under_another_name_of_field_or_data_key_does_not_decrypt(folder: Path) -> None:
    whole = vault_path(folder).read_bytes()

    def rename_field(header: dict[str, Any], body: dict[str, Any]) -> None:
        body["records"][f"{ANN}/token"] = body["records"].pop(f"{ANN}/apiKey")

    def rename_key(header: dict[str, Any], body: dict[str, Any]) -> None:
        body["records"][f"{ANN}/apiKey"]["kid"] = "another"

    for change, field in ((rename_field, "token"), (rename_key, "apiKey")):
        vault_path(folder).write_bytes(forged(whole, change, dek=data_key(whole)))
        with pytest.raises(SidecarError) as raised:
            opened(folder).get(ANN, field, OPENAI)
        assert raised.value.code == "VAULT_TAMPERED"


def test_records_of_another_vault_with_the_same_key_do_not_decrypt(folder: Path, tmp_path: Path) -> None:
    filled(tmp_path / "other")
    whole, other = vault_path(folder).read_bytes(), vault_path(tmp_path / "other").read_bytes()
    mixed = whole.splitlines(keepends=True)[0] + other.split(b"\n", 1)[1]
    assert refusal(folder, mixed) == "VAULT_CORRUPT"
    lent = forged(other, lambda header, body: None)
    assert refusal(folder, forged(whole, lambda header, body: body.update(_body(lent)))) == "VAULT_TAMPERED"


def _body(data: bytes) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    forged(data, lambda header, body: taken.update(body))
    return taken


def test_a_wrapped_key_of_another_slot_is_tampering(folder: Path, tmp_path: Path) -> None:
    filled(tmp_path / "other")
    taken: dict[str, Any] = {}
    other = vault_path(tmp_path / "other").read_bytes()
    forged(other, lambda header, body: taken.update(header["slots"][0]))

    def lend(header: dict[str, Any], body: dict[str, Any]) -> None:
        header["slots"][0]["wrapped_dek"] = taken["wrapped_dek"]

    assert refusal(folder, forged(vault_path(folder).read_bytes(), lend)) == "VAULT_TAMPERED"


@pytest.mark.parametrize(
    "change",
    [
        lambda header, body: header.update(magic="another"),
        lambda header, body: header.update(version=0),
        lambda header, body: header.update(version="1"),
        lambda header, body: header.update(slots=[]),
        lambda header, body: header.update(slots=header["slots"] * 2),
        lambda header, body: header.update(slots=[{**header["slots"][0], "kek_id": str(n)} for n in range(5)]),
        lambda header, body: header.update(vault_id="AAAA"),
        lambda header, body: header.update(vault_id="no base64!"),
        lambda header, body: header.update(extra=1),
        lambda header, body: header["slots"][0].update(kcv=""),
        lambda header, body: header["slots"][0].update(wrapped_dek="AAAA"),
        lambda header, body: header["slots"][0].update(kdf={"name": "md5"}),
        lambda header, body: header.pop("vault_id"),
        lambda header, body: header["slots"].__setitem__(0, None),
    ],
)
def test_a_header_that_no_vault_has_is_damage(folder: Path, change: Change) -> None:
    assert refusal(folder, forged(vault_path(folder).read_bytes(), change)) == "VAULT_CORRUPT"


def test_nesting_without_end_is_damage(folder: Path) -> None:
    def nest(header: dict[str, Any], body: dict[str, Any]) -> None:
        header["slots"] = "DEEP"

    shallow = forged(vault_path(folder).read_bytes(), nest)
    line = shallow.split(b"\n")[0].replace(b'"DEEP"', b"[" * 100_000)
    import hashlib

    lines = line + b"\n{}\n"
    data = lines + hashlib.sha256(lines).hexdigest().encode() + b" " + b"0" * 64 + b"\n"
    assert refusal(folder, data) == "VAULT_CORRUPT"


def test_a_body_that_a_holder_of_the_key_wrote_wrongly_is_damage(folder: Path) -> None:
    whole = vault_path(folder).read_bytes()
    broken = forged(whole, lambda header, body: body.update(generation=-1), dek=data_key(whole))
    assert refusal(folder, broken) == "VAULT_CORRUPT"


def test_a_file_above_the_limit_is_damage_and_is_not_read_whole(folder: Path) -> None:
    with vault_path(folder).open("wb") as file:
        file.truncate(8 << 30)
    vault = opened(folder)
    assert vault.state == "corrupt"
    assert vault_path(folder).stat().st_size == 8 << 30


def test_a_newer_version_is_left_alone(folder: Path) -> None:
    newer = forged(vault_path(folder).read_bytes(), lambda header, body: header.update(version=7, slots="other shape"))
    assert refusal(folder, newer) == "VAULT_NEWER"
    vault = opened(folder)
    assert vault.state == "newer"
    assert vault.error is not None
    assert "Update llm-sidecar" in vault.error.message


def test_an_older_state_is_noticed_by_its_generation(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder, ROWS[:1])
    old = vault_path(folder).read_bytes()
    vault.put(*ROWS[1])
    assert vault.status().generation == 2
    vault_path(folder).write_bytes(old)
    set_back = opened(folder, expected_generation=2)
    assert (set_back.state, set_back.status().code) == ("tampered", "VAULT_TAMPERED")
    assert vault_path(folder).read_bytes() == old
    with pytest.raises(SidecarError, match="set back"):
        set_back.get(*ROWS[0][:3])
    with pytest.raises(SidecarError, match="set back"):
        set_back.unlock(KEY)
    assert opened(folder, expected_generation=1).state == "open"
    assert opened(folder).get(*ROWS[0][:3]) == ROWS[0].secret


def test_a_vault_made_anew_begins_above_the_generation_of_the_lost_one(tmp_path: Path) -> None:
    vault = opened(tmp_path / "vault", expected_generation=41)
    vault.put(*ROWS[0])
    assert vault.status().generation == 42


@pytest.mark.parametrize(
    ("bomb", "told"),
    [
        ({"memory_kib": 256 * 1024 + 1}, "262145 KiB"),
        ({"memory_kib": 2**40}, "1099511627776 KiB"),
        ({"iterations": 11}, "11 rounds"),
        ({"iterations": 2**62}, "rounds"),
        ({"lanes": 17}, "17 lanes"),
        ({"lanes": 0}, "none of Argon2id"),
        ({"memory_kib": 0}, "none of Argon2id"),
        ({"salt": ""}, "none of Argon2id"),
    ],
)
def test_a_passphrase_that_asks_for_too_much_is_refused_before_it_costs_anything(
    folder: Path, bomb: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives.kdf import argon2

    def plant(header: dict[str, Any], body: dict[str, Any]) -> None:
        fair = {
            "name": "argon2id",
            "memory_kib": 65536,
            "iterations": 3,
            "lanes": 4,
            "salt": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        header["slots"][0]["kdf"] = {**fair, **bomb}

    monkeypatch.setattr(argon2, "Argon2id", None)  # nobody calls it
    assert refusal(folder, forged(vault_path(folder).read_bytes(), plant), Passphrase("x")) == "VAULT_TAMPERED"
    error = opened(folder, Passphrase("x")).error
    assert error is not None
    assert told in error.message


def test_what_a_message_says_of_a_file_holds_no_secret_and_names_the_file(folder: Path) -> None:
    whole = vault_path(folder).read_bytes()
    for data in (whole[:-1], forged(whole, lambda header, body: body.clear())):
        vault_path(folder).write_bytes(data)
        error = opened(folder).error
        assert error is not None
        assert str(vault_path(folder)) in error.message
        assert error.details == {"file": str(vault_path(folder))}
        assert "CANARY" not in error.message


def test_the_limit_of_a_file_is_told_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_sidecar.vault import vault_store

    vault = filled(tmp_path / "vault")
    monkeypatch.setattr(vault_store, "MAX_BYTES", 1_500)
    before = bytes_of(tmp_path / "vault")
    with pytest.raises(SidecarError) as raised:
        vault.put(CLEO, "token", LOCAL, "x" * 1_000)
    assert (raised.value.code, raised.value.details and raised.value.details["reason"]) == (
        "VAULT_WRITE_ERROR",
        "EFBIG",
    )
    assert bytes_of(tmp_path / "vault") == before
    assert vault_file.MAX_BYTES == 16 << 20
    assert contents(vault) == {f"{row.profile_id}/{row.field}": row.secret for row in ROWS}
    assert not vault.has(BEN, "token")


def test_a_backup_that_a_person_put_back_is_taken_when_they_say_so(folder: Path) -> None:
    """What the message of a damaged vault advises leads somewhere."""
    vault_path(folder).write_bytes((folder / "keys.vault.1").read_bytes())
    vault = opened(folder, expected_generation=3)
    assert vault.error is not None
    assert "acceptOlder" in vault.error.message
    assert vault.unlock(KEY, accept_older=True) == "open"
    assert set(contents(vault)) == {f"{ANN}/apiKey", f"{BEN}/apiKey"}
    vault.put(*ROWS[2])
    assert vault.status().generation == 3
