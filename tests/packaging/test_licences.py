"""The licences of what is packed are packed, or it is said which are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.scripts import load

licences = load("licences")


def write(tmp_path: Path, *contents: tuple[str, str]) -> Path:
    table = [(name, source, "BINARY" if ".so" in name else "DATA") for name, source in contents]
    path = tmp_path / "COLLECT-00.toc"
    path.write_text(repr((table,)), "utf-8")
    folder = tmp_path / "licenses"
    licences.write_licences(licences.read_contents(path), folder)
    return folder


def test_a_module_brings_the_licence_of_its_distribution(tmp_path: Path) -> None:
    folder = write(tmp_path, ("aiohttp/client.pyc", "/work/aiohttp/client.pyc"), ("msgspec/_core.so", "/site/_core.so"))
    assert "Apache" in (folder / "aiohttp" / "LICENSE.txt").read_text("utf-8")
    assert (folder / "msgspec" / "LICENSE").is_file()
    assert not (folder / "rich").exists()


def test_the_project_and_python_are_always_there(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert "MIT" in (folder / "llm-sidecar" / "LICENSE").read_text("utf-8")
    assert (folder / "python").is_dir() != ("Python 3" in (folder / "README.txt").read_text("utf-8"))


def test_a_library_without_a_text_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, ("libstrange.so.4", "/opt/strange/libstrange.so.4"))
    assert "- libstrange.so.4\n" in (folder / "README.txt").read_text("utf-8")


def test_a_distribution_without_a_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences.metadata, "files", lambda _: None)
    folder = write(tmp_path, ("rich/text.pyc", "/work/rich/text.pyc"))
    assert "- rich\n" in (folder / "README.txt").read_text("utf-8")
