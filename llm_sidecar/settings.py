"""What a start is told: by the command line, the environment and `config.toml` in the data folder.

Law: later wins (default, file, environment, command line); a value that is not understood stops the start, by name.
Reading settings creates nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.limits import Limits, limits_from_environment


class Settings(Struct, frozen=True):
    """One start's settings. `drain`: at the end of stdin, finish what was asked. `dev`: stacks in error details."""

    data_dir: Path
    limits: Limits
    drain: bool = False
    dev: bool = False
    force_threads: bool = False


def data_dir(option: str | None, environment: Mapping[str, str]) -> Path:
    """`--data-dir`, else `LLM_SIDECAR_HOME`, else the platform's folder for an application's data."""
    if option:
        return Path(option)
    if environment.get("LLM_SIDECAR_HOME"):
        return Path(environment["LLM_SIDECAR_HOME"])
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "llm-sidecar"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "llm-sidecar"
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "llm-sidecar"


def load_limits(folder: Path, environment: Mapping[str, str]) -> Limits:
    """The limits of `[limits]` in `config.toml`, then of the environment. Raises `InvalidParams`."""
    limits = Limits().with_changes(_limits_of_file(folder / "config.toml"), where="config.toml limits")
    return limits_from_environment(limits, environment)


def _limits_of_file(path: Path) -> Mapping[str, Any]:
    if not os.path.exists(path):
        return {}
    import tomllib

    try:
        with path.open("rb") as file:
            table = tomllib.load(file).get("limits", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidParams([FieldProblem("config.toml", f"cannot be read ({type(error).__name__})")]) from None
    if not isinstance(table, dict):
        raise InvalidParams([FieldProblem("config.toml limits", "must be a table")])
    return table
