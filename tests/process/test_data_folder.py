"""One sidecar serves a data folder; what a full or read-only disk does to it, and what it does not.

`LLM_SIDECAR_FOLDER_RACES` is how often two sidecars are started on one folder at once (200 in `make crash`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import SIDECAR, Host, child_environment, line_of, request

Spawn = Callable[..., Host]
RACES = int(os.environ.get("LLM_SIDECAR_FOLDER_RACES", "10"))
LOCKED = 5
FAST = "connect=0 firstToken=0 rate=max"
FIRST = line_of(request(1, "ping")) + line_of(request(2, "llm:session:create", {"sessionId": "s"}))


def outcome(process: subprocess.Popen[bytes]) -> str:
    """`serves`, or the code of what it answers (and then it exits, with its own code)."""
    assert process.stdout is not None
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    errors = {answer["error"]["data"]["code"] for answer in answers if "error" in answer}
    if not errors:
        return "serves"
    assert process.wait(10) == LOCKED
    return ",".join(errors)


def test_of_two_sidecars_started_on_one_folder_at_once_exactly_one_serves(tmp_path: Path) -> None:
    command = [*SIDECAR, "serve"]
    pipe = subprocess.PIPE
    for race in range(RACES):
        folder = tmp_path / f"data-{race}"
        two = [
            subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=child_environment(folder, {})
            )
            for _ in range(2)
        ]
        try:
            for process in two:
                assert process.stdin is not None
                process.stdin.write(FIRST)
                process.stdin.flush()
            assert sorted(outcome(process) for process in two) == ["DATA_DIR_LOCKED", "serves"]
        finally:
            for process in two:
                process.kill()
                process.communicate()
        shutil.rmtree(folder)


def test_a_folder_is_free_when_its_sidecar_has_ended_however_that_was(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    for end in (Host.close, Host.close_stdin):
        first = spawn(data_dir=folder)
        first.call("ping")
        second = spawn(data_dir=folder)
        assert second.refusal("ping")["data"]["code"] == "DATA_DIR_LOCKED"
        assert second.wait() == LOCKED
        end(first)
        first.wait()
        third = spawn(data_dir=folder)
        third.call("llm:get-status")
        third.close_stdin()
        assert third.wait() == 0


def test_a_lock_file_that_was_tidied_away_still_locks(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    spawn(data_dir=folder).call("ping")
    (folder / "lock").unlink()
    for _ in range(2):  # the second finds the file that the first one made
        late = spawn(data_dir=folder)
        assert late.refusal("ping")["data"]["code"] == "DATA_DIR_LOCKED"
        assert late.wait() == LOCKED


def test_what_is_kept_is_the_users_alone(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    spawn(data_dir=folder).call("llm:session:create", {"sessionId": "s"})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in folder.iterdir() if path.is_file()} == {
        path.name: 0 for path in folder.iterdir() if path.is_file()
    }


def test_a_folder_that_everybody_can_change_is_served_with_a_warning(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    for mode, is_told in ((0o777, True), (0o775, False)):
        folder.chmod(mode)
        host = spawn(data_dir=folder)
        host.call("ping")
        host.close_stdin()
        assert host.wait() == 0
        told = host.logs("everybody can change the data folder: take that right from them")
        assert [line["dataDir"] for line in told] == [str(folder)] * is_told
        assert stat.S_IMODE(folder.stat().st_mode) == mode, "it may be anybody's"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 2 MiB; skipped, and said so, where none may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs may be mounted here (that takes root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def message(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def fill(disk: Path) -> Path:
    """Leave no byte of it."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(b"\0" * 512)
    return ballast


def test_a_full_disk_is_a_typed_error_and_ends_no_stream(spawn: Spawn, small_disk: Path) -> None:
    host = spawn(data_dir=small_disk / "data")
    host.call("llm:session:create", {"sessionId": "s", "providerId": "demo"})
    host.call("llm:session:create", {"sessionId": "t", "providerId": "demo"})
    long = f"[[demo: tokens=30000 rate=30000 connect=0 firstToken=200]] {'x' * 1000}"
    host.call("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": message(long)})
    ballast = fill(small_disk)
    refused = host.refusal("llm:session:run", {"sessionId": "t", "messages": message("y" * 90_000)})
    assert refused["data"]["code"] == "STORAGE_WRITE_ERROR"
    path = str(small_disk / "data" / "llm-sidecar.sqlite3")
    assert refused["data"]["details"] == {"reason": "full", "file": path}
    assert path in refused["message"], "which file it is about"
    answer = host.answer("i")
    assert answer.outcome == "done"
    assert answer.terminal["persisted"] is False
    assert len(answer.text) > 100_000
    assert host.call("llm:session:list")["sessions"]
    ballast.unlink()
    # With room again, what could not be stored is stored with the next turn.
    say = f"[[demo: text=short {FAST}]]"
    answer = host.answer(host.call("llm:session:run", {"sessionId": "s", "messages": message(say)})["inferenceId"])
    assert answer.outcome == "done"
    assert answer.terminal.get("persisted", True)
    states = [m.get("state", "complete") for m in host.call("llm:session:history", {"sessionId": "s"})["messages"]]
    assert states == ["complete"] * 4


def test_a_data_folder_that_is_a_file_is_named_and_left_as_it_is(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    host = spawn(data_dir=tmp_path / "file")
    refused = host.refusal("llm:session:list", {})
    assert (refused["data"]["code"], refused["data"]["details"]["reason"]) == ("STORAGE_READ_ERROR", "notAFolder")
    assert str(tmp_path / "file") in refused["message"]
    assert "--data-dir" in refused["message"]
    assert host.refusal("llm:session:create", {})["data"]["code"] == "STORAGE_WRITE_ERROR"
    host.infer(f"[[demo: {FAST}]]", inferenceId="i")
    assert host.answer("i").terminal["persisted"] is False
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_folder_is_read(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    host = spawn(data_dir=folder)
    host.call("llm:session:create", {"sessionId": "s", "providerId": "demo"})
    host.close_stdin()
    host.wait()
    folder.chmod(0o500)
    try:
        _check_read_only(spawn(data_dir=folder))
    finally:
        folder.chmod(0o700)


def test_a_disk_that_is_mounted_read_only_is_read(spawn: Spawn, small_disk: Path) -> None:
    host = spawn(data_dir=small_disk / "data")
    host.call("llm:session:create", {"sessionId": "s", "providerId": "demo"})
    host.close_stdin()
    host.wait()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    _check_read_only(spawn(data_dir=small_disk / "data"))


def _check_read_only(host: Host) -> None:
    assert [info["sessionId"] for info in host.call("llm:session:list")["sessions"]] == ["s"]
    assert host.call("llm:session:history", {"sessionId": "s"})["messages"] == []
    for method, params in (
        ("llm:session:create", {"sessionId": "t"}),
        ("llm:session:run", {"sessionId": "s", "messages": message("x")}),
        ("llm:session:destroy", {"sessionId": "s"}),
        ("llm:session:fork", {"sessionId": "s"}),
    ):
        assert host.refusal(method, params)["data"]["code"] == "STORAGE_WRITE_ERROR"
    host.infer(f"[[demo: {FAST}]]", inferenceId="i")
    answer = host.answer("i")
    assert answer.outcome == "done"
    assert answer.terminal["persisted"] is False


@pytest.mark.parametrize("damage", ["noise", "empty", "cut", "newer"])
def test_a_database_that_is_not_ours_to_change_is_not_changed(spawn: Spawn, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "one"
    host = spawn(data_dir=folder)
    host.call("llm:session:create", {"sessionId": "s", "providerId": "demo"})
    host.close_stdin()
    host.wait()
    path = folder / "llm-sidecar.sqlite3"
    whole = path.read_bytes()
    newer = whole[:60] + (999).to_bytes(4, "big") + whole[64:]
    damaged = {"noise": b"not a database" * 100, "empty": b"", "cut": whole[:50], "newer": newer}[damage]
    path.write_bytes(damaged)
    host = spawn(data_dir=folder)
    if damage == "empty":
        assert host.call("llm:session:list")["sessions"] == []
        return
    code = "STORAGE_NEWER" if damage == "newer" else "STORAGE_CORRUPT"
    assert host.refusal("llm:session:list")["data"]["code"] == code
    assert host.refusal("llm:session:create", {"sessionId": "t"})["data"]["code"] == code
    host.infer(f"[[demo: {FAST}]]", inferenceId="i")
    assert host.answer("i").outcome == "done"
    host.close_stdin()
    assert host.wait() == 0
    assert path.read_bytes() == damaged
