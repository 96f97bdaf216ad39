"""A new key in two phases, and a new data key: both keys open the file in between, and nothing is lost at any point."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_sidecar.errors import InvalidParams, SidecarError
from llm_sidecar.vault.key_sources import Passphrase, RawKey
from tests.vault.samples import ANN, KEY, OPENAI, OTHER_KEY, ROWS, bytes_of, contents, filled, opened, vault_path

EVERYTHING = {f"{row.profile_id}/{row.field}": row.secret for row in ROWS}
THIRD_KEY = RawKey("key-fd", bytes(range(2, 34)))


def test_both_keys_open_the_vault_until_the_host_commits(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder)
    kek_id = vault.rotate_begin(OTHER_KEY)
    for key in (KEY, OTHER_KEY):
        assert contents(opened(folder, key)) == EVERYTHING
    boxes = _boxes(folder)
    vault.rotate_commit(kek_id)
    assert opened(folder, KEY).state == "wrong-key"
    assert contents(opened(folder, OTHER_KEY)) == contents(vault) == EVERYTHING
    assert not boxes & _boxes(folder)  # sealed again under a new data key
    assert [slot.kek_id for slot in vault.status().slots] == [kek_id]
    vault.put(ANN, "token", OPENAI, "after")
    assert opened(folder, OTHER_KEY).get(ANN, "token", OPENAI) == "after"


def _boxes(folder: Path) -> set[bytes]:
    return {part.split(b'"')[0] for part in vault_path(folder).read_bytes().split(b'"box":"')[1:]}


@pytest.mark.parametrize(("slot", "gone", "stays"), [(-1, KEY, OTHER_KEY), (0, OTHER_KEY, KEY)])
def test_no_backup_opens_with_a_key_that_is_not_the_vaults_any_more(
    tmp_path: Path, slot: int, gone: RawKey, stays: RawKey
) -> None:
    """Whoever has the key that was replaced, and a copy of the folder made now, has nothing."""
    vault = filled(tmp_path / "vault")
    vault.rotate_begin(OTHER_KEY)
    vault.rotate_commit(vault.status().slots[slot].kek_id)
    found = bytes_of(tmp_path / "vault")
    assert set(found) == {"keys.vault", "keys.vault.1"}
    for name, data in found.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys.vault").write_bytes(data)
        assert opened(tmp_path / name, gone).state == "wrong-key"
        assert len(contents(opened(tmp_path / name, stays))) == 3


def test_a_rotation_can_be_taken_back(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder)
    old = vault.status().slots[0].kek_id
    vault.rotate_begin(OTHER_KEY)
    vault.rotate_commit(old)
    assert opened(folder, OTHER_KEY).state == "wrong-key"
    assert contents(opened(folder)) == EVERYTHING


def test_after_a_restart_the_host_commits_with_the_new_key(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    kek_id = filled(folder).rotate_begin(OTHER_KEY)
    vault = opened(folder, OTHER_KEY)
    assert [slot.is_open for slot in vault.status().slots] == [False, True]
    vault.rotate_commit(kek_id)
    assert contents(opened(folder, OTHER_KEY)) == EVERYTHING


def test_after_a_restart_with_the_old_key_the_new_one_must_be_shown_before_it_is_the_only_one(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    kek_id = filled(folder).rotate_begin(OTHER_KEY)
    vault = opened(folder)
    before = bytes_of(folder)
    with pytest.raises(SidecarError) as raised:
        vault.rotate_commit(kek_id)
    assert raised.value.code == "VAULT_LOCKED"
    with pytest.raises(SidecarError) as raised:
        vault.rotate_dek()
    assert raised.value.code == "VAULT_LOCKED"
    assert bytes_of(folder) == before
    assert vault.unlock(OTHER_KEY) == "open"
    vault.rotate_commit(kek_id)
    assert contents(opened(folder, OTHER_KEY)) == EVERYTHING


def test_a_rotation_that_never_ended_gives_way_to_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    filled(folder).rotate_begin(OTHER_KEY)
    vault = opened(folder)
    kek_id = vault.rotate_begin(THIRD_KEY)
    assert opened(folder, OTHER_KEY).state == "wrong-key"
    assert {opened(folder, key).state for key in (KEY, THIRD_KEY)} == {"open"}
    vault.rotate_commit(kek_id)
    assert vault.status().source == "key-fd"
    assert contents(opened(folder, THIRD_KEY)) == EVERYTHING


def test_a_rotation_that_a_crash_cut_off_may_begin_again_with_the_same_key(tmp_path: Path) -> None:
    filled(tmp_path / "vault").rotate_begin(OTHER_KEY)
    before = bytes_of(tmp_path / "vault")
    again = opened(tmp_path / "vault")
    kek_id = again.rotate_begin(OTHER_KEY)
    assert bytes_of(tmp_path / "vault") == before
    assert [slot.is_open for slot in again.status().slots] == [True, True]
    again.rotate_commit(kek_id)
    assert opened(tmp_path / "vault").state == "wrong-key"
    assert contents(opened(tmp_path / "vault", OTHER_KEY)) == EVERYTHING


def test_the_old_key_is_no_new_one_also_while_a_rotation_to_another_is_pending(tmp_path: Path) -> None:
    filled(tmp_path / "vault").rotate_begin(OTHER_KEY)
    with pytest.raises(InvalidParams):
        opened(tmp_path / "vault", OTHER_KEY).rotate_begin(KEY)


def test_many_beginnings_stay_within_the_limit_of_slots(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder)
    for number in range(40, 50):
        kek_id = vault.rotate_begin(RawKey("host", bytes([number]) * 32))
    assert len(vault.status().slots) == 4
    assert opened(folder).state == "open"
    vault.rotate_commit(kek_id)
    assert contents(opened(folder, RawKey("host", bytes([49]) * 32))) == EVERYTHING


def test_the_key_it_has_is_no_new_key(tmp_path: Path) -> None:
    vault = filled(tmp_path / "vault")
    before = bytes_of(tmp_path / "vault")
    with pytest.raises(InvalidParams, match="already"):
        vault.rotate_begin(KEY)
    with pytest.raises(InvalidParams, match="no slot"):
        vault.rotate_commit("0" * 16)
    assert bytes_of(tmp_path / "vault") == before


def test_from_the_hosts_key_to_a_passphrase_and_back(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder)
    vault.rotate_commit(vault.rotate_begin(Passphrase("correct horse battery staple")))
    slot = vault.status().slots[0]
    assert (slot.source, slot.kdf, vault.status().source) == ("passphrase", "argon2id", "passphrase")
    assert b"correct horse" not in b"".join(bytes_of(folder).values())
    assert opened(folder, Passphrase("correct horse battery stable")).state == "wrong-key"
    assert opened(folder, KEY).state == "locked"
    again = opened(folder, Passphrase("correct horse battery staple"))
    assert contents(again) == EVERYTHING
    again.rotate_commit(again.rotate_begin(OTHER_KEY))
    assert contents(opened(folder, OTHER_KEY)) == EVERYTHING


def test_a_new_data_key_seals_everything_again(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    vault = filled(folder)
    vault.rotate_begin(OTHER_KEY)
    boxes = _boxes(folder)
    vault.rotate_dek()
    assert not boxes & _boxes(folder)
    for key in (KEY, OTHER_KEY):
        assert contents(opened(folder, key, expected_generation=5)) == EVERYTHING


def test_one_record_that_does_not_decrypt_stops_a_rotation_and_loses_nothing(tmp_path: Path) -> None:
    from tests.vault.samples import data_key, forged

    folder = tmp_path / "vault"
    filled(folder)
    whole = vault_path(folder).read_bytes()
    moved = forged(
        whole, lambda header, body: body["records"][f"{ANN}/apiKey"].update(origin="http://x"), dek=data_key(whole)
    )
    vault_path(folder).write_bytes(moved)
    vault = opened(folder)
    with pytest.raises(SidecarError) as raised:
        vault.rotate_dek()
    assert raised.value.code == "VAULT_TAMPERED"
    assert vault_path(folder).read_bytes() == moved
    vault.delete(ANN)
    vault.rotate_dek()
    assert set(contents(opened(folder))) == set(EVERYTHING) - {f"{ANN}/apiKey"}
