"""The disk says no: a typed error, the old vault, and the vault in memory is what is on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.vault.plain_keys import PlainKeys
from tests.vault.crashes import CALLS
from tests.vault.samples import ANN, KEY, OPENAI, ROWS, bytes_of, contents, filled, is_root, opened, vault_path

EVERYTHING = {f"{row.profile_id}/{row.field}": row.secret for row in ROWS}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions and full disks are tested on POSIX")


class Failing:
    """Every call of `os` that the vault makes, counted; one of them fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.at = -1
        self.error = errno.ENOSPC
        self.from_then_on = False
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self.names.append(name)
            number = len(self.names) - 1
            if name != "close" and (number == self.at or (self.from_then_on and 0 <= self.at <= number)):
                raise OSError(self.error, "made to fail")
            return real(*arguments, **more)

        return call

    def fail(self, at: int, error: int = errno.ENOSPC, *, from_then_on: bool = False) -> None:
        self.names.clear()
        self.at, self.error, self.from_then_on = at, error, from_then_on

    def stop(self) -> None:
        self.fail(-1)


def refusal(use: Callable[[], Any]) -> SidecarError | None:
    """What a use of the vault raises, if it does; any other exception goes through."""
    try:
        use()
    except SidecarError as error:
        return error
    return None


@pytest.mark.parametrize("from_then_on", [False, True])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_whatever_call_of_a_save_fails_the_error_is_typed_and_nothing_is_lost(
    tmp_path: Path, error: int, from_then_on: bool
) -> None:
    outcomes = {"failed": 0, "saved": 0}
    for number in range(100):
        folder = tmp_path / f"vault-{number}"
        vault = filled(folder)
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch)
            failing.fail(number, error, from_then_on=from_then_on)
            refused = refusal(lambda vault=vault: vault.put(ANN, "apiKey", OPENAI, "new"))
            if refused:
                assert (refused.code, refused.details and refused.details["reason"]) == (
                    "VAULT_WRITE_ERROR",
                    errno.errorcode[error],
                )
            outcomes["failed" if refused else "saved"] += 1
            expected = EVERYTHING if refused else {**EVERYTHING, f"{ANN}/apiKey": "new"}
            calls = len(failing.names)
            failing.stop()
            assert contents(vault) == expected
        assert contents(opened(folder)) in (expected, {**EVERYTHING, f"{ANN}/apiKey": "new"})
        vault.put(ANN, "apiKey", OPENAI, "newer")  # the disk is well again
        assert opened(folder).get(ANN, "apiKey", OPENAI) == vault.get(ANN, "apiKey", OPENAI) == "newer"
        assert not list(folder.glob("*.new"))
        if number >= calls:
            break
    else:
        pytest.fail("it never ran to its end")
    assert outcomes["failed"] >= 10


def test_whatever_call_of_a_deletion_fails_the_key_is_there_or_nowhere(tmp_path: Path) -> None:
    outcomes = {"failed": 0, "saved": 0}
    for number in range(100):
        folder = tmp_path / f"vault-{number}"
        vault = filled(folder)
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch)
            failing.fail(number)
            refused = refusal(lambda vault=vault: vault.delete(ANN))
            assert refused is None or refused.code == "VAULT_WRITE_ERROR"
            outcomes["failed" if refused else "saved"] += 1
            calls = len(failing.names)
            failing.stop()
        assert (f"{ANN}/apiKey" in contents(vault)) == bool(refused)
        vault.delete(ANN)  # the disk is well again
        assert vault.status().backups >= 1
        assert not [name for name, data in bytes_of(folder).items() if ANN.encode() in data]
        assert not list(folder.glob("*.new"))
        if number >= calls:
            break
    else:
        pytest.fail("it never ran to its end")
    assert outcomes["failed"] >= 10


def test_a_first_save_that_fails_makes_no_half_vault(tmp_path: Path) -> None:
    for number in range(40):
        folder = tmp_path / f"vault-{number}"
        vault = opened(folder)
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch)
            failing.fail(number)
            refused = refusal(lambda vault=vault: vault.put(*ROWS[0]))
            if refused:
                assert (refused.code, vault.state) == ("VAULT_WRITE_ERROR", "absent")
            failing.stop()
        vault.put(*ROWS[1])
        assert opened(folder).get(*ROWS[1][:3]) == ROWS[1].secret


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if not is_root() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk here: a disk that is really full, or read-only for root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert os.statvfs(path).f_bavail == 0


def test_a_full_disk(small_disk: Path) -> None:
    folder = small_disk / "vault"
    vault, plain = filled(folder), PlainKeys(str(folder))
    fill(small_disk / "filler")
    before = bytes_of(folder)
    for put in (vault.put, plain.put):
        with pytest.raises(SidecarError) as raised:
            put(ANN, "apiKey", OPENAI, "x" * 9_000)
        assert raised.value.details is not None
        assert (raised.value.code, raised.value.details["reason"]) == ("VAULT_WRITE_ERROR", "ENOSPC")
    assert bytes_of(folder) == before
    assert contents(vault) == contents(opened(folder)) == EVERYTHING
    (small_disk / "filler").unlink()
    vault.put(ANN, "apiKey", OPENAI, "x" * 9_000)
    assert opened(folder).get(ANN, "apiKey", OPENAI) == "x" * 9_000


def test_a_read_only_disk(small_disk: Path) -> None:
    folder = small_disk / "vault"
    vault = filled(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    before = bytes_of(folder)
    with pytest.raises(SidecarError) as raised:
        vault.put(ANN, "apiKey", OPENAI, "new")
    assert raised.value.details is not None
    assert (raised.value.code, raised.value.details["reason"]) == ("VAULT_WRITE_ERROR", "EROFS")
    assert bytes_of(folder) == before
    assert contents(opened(folder)) == contents(vault) == EVERYTHING


def test_a_folder_without_rights(tmp_path: Path) -> None:
    if is_root():
        pytest.skip("root may write everywhere: a folder without the right to write")
    folder = tmp_path / "vault"
    vault = filled(folder)
    folder.chmod(0o500)
    with pytest.raises(SidecarError) as raised:
        vault.put(ANN, "apiKey", OPENAI, "new")
    assert raised.value.code == "VAULT_WRITE_ERROR"
    folder.chmod(0o000)
    assert opened(folder).status().code == "VAULT_READ_ERROR"
    folder.chmod(0o700)
    assert contents(opened(folder)) == EVERYTHING


def test_the_files_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        filled(tmp_path / "vault")
        PlainKeys(str(tmp_path / "vault")).put(*ROWS[0])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "vault").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "vault").iterdir()} == {0o600}


def test_what_others_could_read_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    filled(folder)
    folder.chmod(0o755)
    vault_path(folder).chmod(0o644)
    vault = opened(folder)
    assert stat.S_IMODE(vault_path(folder).stat().st_mode) == 0o600
    vault.put(*ROWS[0])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def _link(folder: Path) -> None:
    vault_path(folder).rename(folder.parent / "elsewhere")
    vault_path(folder).symlink_to(folder.parent / "elsewhere")


def _pipe(folder: Path) -> None:
    vault_path(folder).unlink()
    os.mkfifo(vault_path(folder))


def _folder(folder: Path) -> None:
    vault_path(folder).unlink()
    vault_path(folder).mkdir()


@pytest.mark.parametrize("put_there", [_link, _pipe, _folder])
def test_what_is_no_regular_file_is_neither_followed_nor_waited_for(
    tmp_path: Path, put_there: Callable[[Path], None]
) -> None:
    folder = tmp_path / "vault"
    filled(folder)
    put_there(folder)
    vault = opened(folder)
    assert (vault.state, vault.status().code) == ("unreadable", "VAULT_READ_ERROR")
    with pytest.raises(SidecarError):
        vault.put(*ROWS[0])
    assert not stat.S_ISREG(vault_path(folder).lstat().st_mode)


def test_a_staged_file_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    """Somebody puts a link where the temporary file comes: its target stays as it is."""
    folder = tmp_path / "vault"
    vault = filled(folder)
    (tmp_path / "target").write_text("mine")
    (folder / "keys.vault.new").symlink_to(tmp_path / "target")
    vault.put(ANN, "apiKey", OPENAI, "new")
    assert (tmp_path / "target").read_text() == "mine"
    assert opened(folder).get(ANN, "apiKey", OPENAI) == "new"


def test_a_file_system_without_hard_links_has_backups_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*arguments: Any, **more: Any) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_link)
    folder = tmp_path / "vault"
    filled(folder)
    assert opened(folder).status().backups == 2
    vault_path(folder).write_bytes((folder / "keys.vault.1").read_bytes())
    assert len(contents(opened(folder, KEY))) == 2
