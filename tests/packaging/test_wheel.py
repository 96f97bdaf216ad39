"""What `pip install` gives is whole: the wheel alone, without this checkout, runs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.hosts import child_environment
from tests.packaging.scripts import ROOT

needs_hatchling = pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="there is no hatchling here")


@needs_hatchling
def test_a_wheel_prints_the_protocol_and_streams_an_answer(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert (site / "llm_sidecar" / "py.typed").is_file()
    assert {path.name for path in site.iterdir()} == {"llm_sidecar", f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = "import llm_sidecar, runpy, sys; print(llm_sidecar.__file__, file=sys.stderr)"
        program += "; sys.argv[0] = 'llm-sidecar'; runpy.run_module('llm_sidecar', run_name='__main__')"
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env={**child_environment(tmp_path / "data", {}), "PYTHONPATH": str(site)},
            capture_output=True,
            encoding="utf-8",
            check=True,
            timeout=60,
        )

    printed = command("schema")
    assert printed.stderr.startswith(str(site))
    assert "llm:inference" in [method["name"] for method in json.loads(printed.stdout)["methods"]]
    assert "demo" in command("demo").stdout
