"""The licences of everything in the package, as files in its folder `licenses/`.

Law: each distribution, and each library of the building machine that was taken along, has the text of its licence
there or is named in `licenses/README.txt` as one whose text was not found: nothing is left out in silence.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

_TEXT: Final = re.compile(r"(licen[cs]e|copying|notice|authors|copyright)[^/]*$", re.IGNORECASE)
_OWN: Final = Path(__file__).parent.parent / "LICENSE"
_HEAD: Final = """\
llm-sidecar is under the MIT licence. The other folders hold the licences of what was packed with it.
The program itself begins with PyInstaller's bootloader, whose licence (GPL 2.0 or later) has an exception for programs
packed with it.
"""
_NOT_FOUND: Final = "\nNo text was found where this was built; ask whoever gives it out:\n"


class Collected(NamedTuple):
    """One file of the package: its place there, and where it came from."""

    name: str
    source: Path


def read_contents(table: Path) -> list[Collected]:
    """What was collected, from the table of contents that PyInstaller leaves in its work folder."""
    (entries,) = ast.literal_eval(table.read_text("utf-8"))
    return [Collected(name, Path(source)) for name, source, _ in entries]


def write_licences(contents: list[Collected], folder: Path) -> None:
    """Fill `folder`, which is made."""
    (folder / "llm-sidecar").mkdir(parents=True)
    shutil.copy(_OWN, folder / "llm-sidecar")
    missing = [
        *(name for name in sorted(_distributions(contents)) if not _copy_texts(name, folder)),
        *_copy_of_libraries(contents, folder),
    ]
    if not _copy_pythons(folder):
        missing.append(f"Python {sys.version.split()[0]}")
    rest = _NOT_FOUND + "".join(f"- {name}\n" for name in missing) if missing else ""
    (folder / "README.txt").write_text(_HEAD + rest, "utf-8")


def _distributions(contents: list[Collected]) -> set[str]:
    """Those that own a module of the package."""
    owners = metadata.packages_distributions()
    modules = {re.split(r"[/\\.]", item.name)[0] for item in contents}
    return {owner for module in modules for owner in owners.get(module, ())}


def _copy_texts(distribution: str, folder: Path) -> bool:
    texts = (path for path in metadata.files(distribution) or () if _TEXT.search(path.as_posix()))
    found = [path for path in texts if path.suffix != ".py"]
    for path in found:
        inside = path.as_posix().rpartition(".dist-info/")[2].removeprefix("licenses/")
        target = folder / distribution / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.locate(), target)
    return bool(found)


def _copy_pythons(folder: Path) -> bool:
    """Python's own text also covers what is built into it; Windows has it in another place."""
    places = (Path(sysconfig.get_path("stdlib")), Path(sys.base_prefix))
    for path in (place / name for place in places for name in ("LICENSE.txt", "LICENSE")):
        if path.is_file():
            (folder / "python").mkdir()
            shutil.copyfile(path, folder / "python" / path.name)
            return True
    return False


def _copy_of_libraries(contents: list[Collected], folder: Path) -> list[str]:
    """Debian keeps a text for each package; returns the names of libraries without one."""
    missing = []
    for item in contents:
        is_library = re.match(r"lib[^/]*\.(so|dylib)", item.name) and not item.name.startswith("libpython")
        if not is_library:
            continue
        text = _debian_text(item.source)
        if text is None:
            missing.append(item.name)
            continue
        (folder / "libraries").mkdir(exist_ok=True)
        shutil.copyfile(text, folder / "libraries" / f"{item.name}.txt")
    return missing


def _debian_text(library: Path) -> Path | None:
    if shutil.which("dpkg-query") is None:
        return None
    real = library.resolve()
    for place in (real, Path("/usr") / real.relative_to("/"), Path("/") / real.as_posix().removeprefix("/usr/")):
        found = subprocess.run(["dpkg-query", "-S", str(place)], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            package = found.stdout.split(":")[0]
            text = Path("/usr/share/doc") / package / "copyright"
            return text if text.is_file() else None
    return None
