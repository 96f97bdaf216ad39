"""`python packaging/build.py`: makes `dist/llm-sidecar/`, the sidecar as a folder that needs no Python.

Law: run by the Python of an environment that has `llm-sidecar[package]` and nothing that should not be in the package;
it packs what it finds there (`make package` makes such an environment). The folder is put in place only if what is in
it runs: with an empty environment, from another working directory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import PyInstaller.__main__
from licences import read_contents, write_licences

_ROOT: Final = Path(__file__).resolve().parent.parent
_TARGET: Final = _ROOT / "dist" / "llm-sidecar"
_WORK: Final = _ROOT / "build" / "package"
_SECONDS: Final = 60
_NEEDED: Final = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
"""Without it no program of Windows starts."""
_ASKED: Final = (
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": 1}},
    {"jsonrpc": "2.0", "id": 2, "method": "llm:generate-text", "params": {"providerId": "demo", "prompt": "hello"}},
)


def main() -> None:
    """Build, check, put in place, and tell the size. Ends the process with what failed."""
    made = _WORK / "made" / "llm-sidecar"
    spec = str(_ROOT / "packaging" / "llm-sidecar.spec")
    folders = ["--distpath", str(made.parent), "--workpath", str(_WORK / "work")]
    PyInstaller.__main__.run([spec, "--noconfirm", "--log-level", "ERROR", *folders])
    write_licences(read_contents(_WORK / "work" / "llm-sidecar" / "COLLECT-00.toc"), made / "licenses")
    _check(made)
    shutil.rmtree(_TARGET, ignore_errors=True)
    _TARGET.parent.mkdir(exist_ok=True)
    made.rename(_TARGET)
    files = [path for path in _TARGET.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 2**20
    sys.stdout.write(f"{_TARGET.relative_to(_ROOT)}: {size:.0f} MiB in {len(files)} files\n")


def _check(folder: Path) -> None:
    """Raises `SystemExit` where the program in `folder` does not answer as it should."""
    program = folder / ("llm-sidecar.exe" if sys.platform == "win32" else "llm-sidecar")
    asked = "".join(json.dumps(message) + "\n" for message in _ASKED)
    said = _run(program, "serve", "--in-memory", "--drain", stdin=asked)
    answers = {message.get("id"): message for message in map(json.loads, said.splitlines())}
    if any("result" not in answers.get(message["id"], {}) for message in _ASKED):
        raise SystemExit(f"the packaged sidecar answers wrongly:\n{said}")
    failed = [each for each in json.loads(_run(program, "doctor", "--json"))["checks"] if each["status"] == "failed"]
    if failed:
        raise SystemExit(f"the packaged sidecar finds fault with itself: {failed}")


def _run(program: Path, *arguments: str, stdin: str = "") -> str:
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            env={"LLM_SIDECAR_HOME": elsewhere, **_NEEDED},
            cwd=elsewhere,
            timeout=_SECONDS,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{program.name} {' '.join(arguments)} ended with code {done.returncode}:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
