"""Kills a process between any two system calls of a save, many times, and looks at what is left.

    python -m tests.vault.crashes [RUNS]

Law: the process that saves is forked, counts its calls of `os`, and kills itself with SIGKILL before, after or (a
write) half-way through one of them. Whatever the place: the vault opens and holds exactly the old or the new secrets,
no backup is torn, none holds what the vault has forgotten, and the next save works. Prints one line of JSON; RUNS 0 is
each place once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from llm_sidecar.vault.key_sources import RawKey
from llm_sidecar.vault.plain_keys import PlainKeys
from llm_sidecar.vault.vault import Vault
from tests.vault.samples import ANN, KEY, LOCAL, OTHER_KEY, ROWS, contents, filled, opened

CALLS: Final = (
    "open", "read", "write", "fsync", "fstat", "close", "stat", "lstat", "replace", "rename", "link", "unlink", "mkdir",
    "chmod", "fchmod",
)  # fmt: skip
"""Every call by which the vault touches the disk."""

_MEMORY: Final = "/dev/shm"
"""A killed process leaves the same there as on a disk, and an fsync costs nothing."""

State = dict[str, str]


class Scenario(NamedTuple):
    prepare: Callable[[Path], None]
    """Makes the folder before the save."""
    save: Callable[[Path], Callable[[], Any]]
    """Opens what is there, and returns the one call that saves."""
    is_taken_up: bool = False
    """Whether the next start does what the crash prevented."""
    forgets: bool = False
    """Whether no backup may hold the old state once the vault does not."""


def _full(folder: Path) -> None:
    filled(folder)
    opened(folder).put(*ROWS[0])  # every backup is there


def _plain(folder: Path) -> None:
    filled(folder, ROWS[:1])
    PlainKeys(str(folder)).put(*ROWS[1])
    PlainKeys(str(folder)).put(*ROWS[2])


def _begun(folder: Path) -> None:
    filled(folder).rotate_begin(OTHER_KEY)


def _commit(folder: Path) -> Callable[[], Any]:
    vault = opened(folder, OTHER_KEY)
    return lambda: vault.rotate_commit(vault.status().slots[-1].kek_id)


def _ignore(_: object) -> None:
    pass


def _call(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: function(*arguments)


def _put(folder: Path) -> Callable[[], Any]:
    return _call(opened(folder).put, *ROWS[0][:3], "the new secret")


SCENARIOS: Final[dict[str, Scenario]] = {
    "create": Scenario(_ignore, _put),
    "second": Scenario(lambda folder: _ignore(filled(folder, ROWS[:1])), _put),
    "replace": Scenario(_full, _put),
    "delete": Scenario(_full, lambda folder: _call(opened(folder).delete, ANN), forgets=True),
    "begin": Scenario(_full, lambda folder: _call(opened(folder).rotate_begin, OTHER_KEY)),
    "commit": Scenario(_begun, _commit, forgets=True),
    "reseal": Scenario(_full, lambda folder: opened(folder).rotate_dek, forgets=True),
    "absorb": Scenario(_plain, lambda folder: _call(opened(folder).absorb, PlainKeys(str(folder))), True),
}


class Killed(NamedTuple):
    call: int
    when: str
    """`before`, `after` or `half`."""


def _interrupt(folder: Path, scenario: Scenario, at: Killed | None) -> list[str]:
    """Run the save in a child that ends at this call; without one, return the names of its calls."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            names: list[str] = []
            save = scenario.save(folder)
            _wrap(names, at)
            save()
            os.write(writer, json.dumps(names).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if at is None:
        assert os.waitstatus_to_exitcode(status) == 0, "the save failed by itself"
        return list(json.loads(said)[:-1])  # the last is the report
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"it was not killed at {at}"
    return []


def _wrap(names: list[str], at: Killed | None) -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    for name in CALLS:
        real = getattr(os, name)

        def call(*arguments: Any, name: str = name, real: Callable[..., Any] = real, **more: Any) -> Any:
            names.append(name)
            if at is None or len(names) - 1 != at.call:
                return real(*arguments, **more)
            if at.when == "half":
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            elif at.when == "after":
                with contextlib.suppress(OSError):
                    real(*arguments, **more)
            return die()

        setattr(os, name, call)


def _look(folder: Path) -> tuple[State, str]:
    """The secrets that the vault holds, and the name of the key that opens it. Raises for all but a whole vault."""
    if not (folder / "keys.vault").exists():
        assert opened(folder).state == "absent"
        return {}, "none"
    for name, key in (("old", KEY), ("new", OTHER_KEY)):
        vault = opened(folder, key)
        if vault.state == "open":
            return contents(vault), name
        assert vault.state == "wrong-key", vault.error
    raise AssertionError("neither key opens it")


def _bytes(folder: Path) -> bytes:
    return (folder / "keys.vault").read_bytes()


def _check_backups(folder: Path, *, are_new: bool) -> None:
    """Each is whole; with `are_new`, each is what the vault is now, in a file of its own."""
    for path in folder.glob("keys.vault.[123]"):
        with tempfile.TemporaryDirectory() as aside:
            shutil.copy(path, Path(aside) / "keys.vault")
            _look(Path(aside))
        if are_new:
            assert path.read_bytes() == _bytes(folder), f"{path.name} holds what was forgotten"
            assert not path.samefile(folder / "keys.vault")


def _check_it_goes_on(folder: Path, state: State, key: RawKey) -> None:
    """Another start: what is plain is taken over, the next save works, and nothing of the crash is left."""
    vault = Vault(str(folder))
    vault.open(key)
    vault.absorb(PlainKeys(str(folder)))
    vault.put(ANN, "token", LOCAL, "after the crash")
    assert vault.get(ANN, "token", LOCAL) == "after the crash"
    assert {name: secret for name, secret in contents(vault).items() if name in state} == state
    left = {path.name for path in folder.iterdir()}
    assert left <= {"keys.vault", "keys.vault.1", "keys.vault.2", "keys.vault.3"}, left
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700


class Story:
    """One scenario: the folder before the save, what it holds then, and what after it."""

    def __init__(self, title: str, workshop: Path) -> None:
        self.title = title
        self._scenario = SCENARIOS[title]
        self._before = workshop / f"{title}-before"
        self._scenario.prepare(self._before)
        self._old = _look(self._before)
        folder = self._copy(workshop / f"{title}-after")
        self._scenario.save(folder)()
        self._new = _look(folder)

    def places(self, workshop: Path) -> list[Killed]:
        """Every place in this save where a process can be killed."""
        names = _interrupt(self._copy(workshop / f"{self.title}-dry"), self._scenario, None)
        found = [Killed(number, when) for number in range(len(names)) for when in ("before", "after")]
        return found + [Killed(number, "half") for number, name in enumerate(names) if name == "write"]

    def crash(self, at: Killed, workshop: Path) -> str:
        """One crash; `old` or `new`. Raises `AssertionError` for anything else."""
        folder = workshop / "crash"
        shutil.rmtree(folder, ignore_errors=True)
        _interrupt(self._copy(folder), self._scenario, at)
        found = _look(folder)
        assert found in (self._old, self._new), f"torn: {found}"
        _check_backups(folder, are_new=self._scenario.forgets and _bytes(folder) != _bytes(self._before))
        expected = self._new if self._scenario.is_taken_up else found
        _check_it_goes_on(folder, expected[0], OTHER_KEY if found[1] == "new" else KEY)
        return "new" if found == self._new != self._old else "old"

    def _copy(self, folder: Path) -> Path:
        if self._before.exists():
            shutil.copytree(self._before, folder)
        return folder


def main(runs: int) -> dict[str, Any]:
    """At least `runs` crashes, and every place once."""
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.path.isdir(_MEMORY) else None) as name:
        workshop = Path(name)
        stories = [Story(title, workshop) for title in SCENARIOS]
        every = [(story, at) for story in stories for at in story.places(workshop)]
        rounds = max(1, -(-runs // len(every)))
        for story, at in every * rounds:
            try:
                outcomes[story.crash(at, workshop)] += 1
            except AssertionError as error:
                failures.append(f"{story.title} {at}: {error}")
    return {"places": len(every), "runs": len(every) * rounds, **outcomes, "failures": failures}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)))
