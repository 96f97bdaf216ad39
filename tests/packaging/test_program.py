"""What the packaged program does before the command: give back the environment, find the certificates."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llm_sidecar.packaged import is_packaged
from tests.packaging.scripts import load

program = load("program")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux does the loader set a library path")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Stands where `os.environ` is."""
    variables = {"PATH": "/usr/bin", "_PYI_ARCHIVE_FILE": "/opt/app/llm-sidecar", "_PYI_PARENT_PROCESS_LEVEL": "0"}
    monkeypatch.setattr(os, "environ", variables)
    return variables


def told(environment: dict[str, str]) -> dict[str, str]:
    """Without what pytest puts there."""
    return {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}


@pytest.fixture
def compiled_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    """Where OpenSSL looks for certificates: a file and a folder, neither of which is there."""
    file, folder = tmp_path / "cert.pem", tmp_path / "certs"
    paths = ("SSL_CERT_FILE", str(file), "SSL_CERT_DIR", str(folder))
    monkeypatch.setattr("_ssl.get_default_verify_paths", lambda: paths)
    found = tmp_path / "bundle.crt"
    found.write_text("certificates")
    monkeypatch.setattr(program, "_CERTIFICATES", ("/nowhere/cert.pem", str(found)))
    return file, folder


@linux_only
def test_children_get_the_library_path_that_the_host_gave(environment: dict[str, str]) -> None:
    environment |= {"LD_LIBRARY_PATH": "/opt/app/_internal:/opt/lib", "LD_LIBRARY_PATH_ORIG": "/opt/lib"}
    program.restore_environment()
    assert told(environment) == {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/opt/lib"}


@linux_only
def test_children_get_no_library_path_where_the_host_gave_none(environment: dict[str, str]) -> None:
    environment["LD_LIBRARY_PATH"] = "/opt/app/_internal"
    program.restore_environment()
    assert told(environment) == {"PATH": "/usr/bin"}


@pytest.mark.usefixtures("compiled_in")
def test_certificates_are_found_where_this_system_has_them(environment: dict[str, str], tmp_path: Path) -> None:
    program.find_certificates()
    assert environment["SSL_CERT_FILE"] == str(tmp_path / "bundle.crt")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_certificates_that_openssl_finds_by_itself_are_left_to_it(
    environment: dict[str, str], compiled_in: tuple[Path, Path], what: str
) -> None:
    file, folder = compiled_in
    folder.mkdir()
    (file if what == "file" else folder / "4f316efb.0").write_text("a certificate")
    program.find_certificates()
    assert "SSL_CERT_FILE" not in environment


@pytest.mark.usefixtures("compiled_in")
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_whoever_says_where_the_certificates_are_is_heard(environment: dict[str, str], name: str) -> None:
    environment[name] = "/mine"
    before = dict(environment)
    program.find_certificates()
    assert environment == before


def test_only_the_packages_own_program_is_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setitem(sys.modules, "__main__", type(sys)("somebody's application"))
    assert not is_packaged()
    monkeypatch.setitem(sys.modules, "__main__", program)
    assert is_packaged()
