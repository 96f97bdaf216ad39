"""`protocol/` is what the catalogue says, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_sidecar.cli.schema import main
from llm_sidecar.protocol.files import FORMATS, generated_files
from llm_sidecar.protocol.shown import conversations_by_channel
from tests.hosts import SIDECAR

PROTOCOL = Path(__file__).parents[2] / "protocol"
_GENERATED = generated_files(conversations_by_channel(PROTOCOL / "vectors"))


@pytest.mark.parametrize("name", _GENERATED)
def test_a_committed_file_is_what_is_generated_now(name: str) -> None:
    remedy = "run `llm-sidecar schema --write protocol`"
    assert (PROTOCOL / name).read_bytes() == _GENERATED[name].encode(), remedy


@pytest.mark.parametrize("folder", ["schemas", "channels"])
def test_no_file_is_left_of_what_is_gone(folder: str) -> None:
    committed = {f"{folder}/{path.name}" for path in (PROTOCOL / folder).iterdir()}
    assert committed == {name for name in _GENERATED if name.startswith(f"{folder}/")}


def test_the_files_do_not_depend_on_the_order_of_hashes() -> None:
    program = "from llm_sidecar.protocol.files import generated_files; print(generated_files({}))"
    command = [sys.executable, "-X", "utf8", "-c", program]
    printed = {
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_schema_prints_the_openrpc_document_unless_told_otherwise(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main([]) == 0
    assert capfdbinary.readouterr().out == (PROTOCOL / "openrpc.json").read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_schema_prints_each_format_and_nothing_else(name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["--format", name]) == 0
    captured = capfdbinary.readouterr()
    assert captured.out == FORMATS[name]().encode()
    assert captured.err == b""


def test_schema_writes_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--write", str(tmp_path / "new")]) == 0
    written = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert written == {str(Path(name)) for name in _GENERATED}
    assert str(len(written)) in capsys.readouterr().out


def test_schema_says_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["--write", str(tmp_path / "file")]) == 1
    captured = capsys.readouterr()
    assert "cannot write" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("content", ["[{]", "7", '[{"name": "a"}]', '["a"]'])
def test_schema_refuses_vectors_that_are_none(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "bad.json").write_text(content)
    assert main(["--write", str(tmp_path)]) == 1
    assert "bad.json is not a list of conversations" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*SIDECAR, "schema"]
    finished = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert finished.returncode == 0
    assert finished.stderr == b""
