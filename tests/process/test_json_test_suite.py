"""The 318 files of JSONTestSuite, each sent as a line to one sidecar: it takes what is JSON, refuses what is not, and
goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.hosts import Host, request

_CHANGED_BY_JOINING = {"n_string_unescaped_newline.json"}
"""Files that test a line feed where a space would be right: sent as the lines they are."""


class Case(NamedTuple):
    name: str
    lines: int
    """How many lines were sent that are not blank."""
    answers: list[Any]

    @property
    def numbers(self) -> list[int]:
        """The error numbers of all answers, those of batches included."""
        every = [item for answer in self.answers for item in (answer if isinstance(answer, list) else [answer])]
        return [item["error"]["code"] for item in every]


def as_lines(name: str, data: bytes) -> bytes:
    """One line if a space says the same as the line feed."""
    return data if name in _CHANGED_BY_JOINING else data.replace(b"\n", b" ")


@pytest.fixture(scope="module")
def cases(
    conformance_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Case]]:
    """What the sidecar answered to each file, before it answered the ping after it."""
    folder = conformance_data("json-test-suite") / "test_parsing"
    home = tmp_path_factory.mktemp("suite")
    host = Host(data_dir=home, stderr=home / "stderr")
    try:
        found = {}
        host.call("ping")
        for path in sorted(folder.iterdir()):
            data = as_lines(path.name, path.read_bytes())
            host.send_bytes(data + b"\n")
            host.send(request(path.name, "ping"))
            assert host.response(path.name)["result"] == {}
            lines = sum(bool(line.strip(b" \t\r")) for line in data.split(b"\n"))
            found[path.name] = Case(path.name, lines, list(host.inbox))
            host.inbox.clear()
        host.close_stdin()
        assert host.wait() == 0
        yield found
    finally:
        host.close()


def test_all_of_the_suite_was_sent(cases: dict[str, Case]) -> None:
    assert len(cases) == 318


def test_every_line_is_answered_once_and_blank_ones_not_at_all(cases: dict[str, Case]) -> None:
    assert [case.name for case in cases.values() if len(case.answers) != case.lines] == []


def test_what_is_json_is_accepted(cases: dict[str, Case]) -> None:
    wrong = [case.name for case in cases.values() if case.name.startswith("y_") and -32700 in case.numbers]
    assert wrong == []


def test_what_is_not_json_is_a_parse_error(cases: dict[str, Case]) -> None:
    refused = [case for case in cases.values() if case.name.startswith("n_") and case.lines]
    assert [case.name for case in refused if set(case.numbers) != {-32700}] == []
    assert len(refused) > 180


def test_what_the_standard_leaves_open_is_decided_one_way_or_the_other(cases: dict[str, Case]) -> None:
    decided = [case for case in cases.values() if case.name.startswith("i_")]
    assert [case.name for case in decided if not set(case.numbers) <= {-32700, -32600}] == []
    assert len(decided) == 35


def test_invalid_utf8_and_lone_surrogates_are_never_accepted(cases: dict[str, Case]) -> None:
    """The suite leaves them open; this protocol does not."""
    names = [name for name in cases if name.startswith(("i_string_", "i_object_key_lone"))]
    assert [name for name in names if set(cases[name].numbers) != {-32700}] == []
