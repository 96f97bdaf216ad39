"""What a start is told: by the command line, the environment and `config.toml` in the data folder.

Law: later wins (default, file, environment, command line); a value that is not understood stops the start, by name.
Reading settings creates nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.limits import Limits, limits_from_environment
from llm_sidecar.providers.brands import BRANDS, EnvironmentKeys
from llm_sidecar.redaction import hide

if TYPE_CHECKING:
    from llm_sidecar.vault.key_sources import KeySource


class Settings(Struct, frozen=True):
    """One start's settings. `drain`: at the end of stdin, finish what was asked. `dev`: stacks in error details.
    `key_source`: where the vault's key comes from, unless the host gives one.
    `use_proxy`: other machines are reached through the proxies that `HTTPS_PROXY` and its like name."""

    data_dir: str
    limits: Limits
    drain: bool = False
    dev: bool = False
    force_threads: bool = False
    use_proxy: bool = False
    key_source: KeySource | None = None


def take_keys(environment: MutableMapping[str, str]) -> EnvironmentKeys:
    """The providers' keys and addresses in `environment`. Every `*_API_KEY` is removed from it, so that no child
    inherits one, and hidden from every log line and message (unless it is no secret but the name of a provider)."""
    base_urls: dict[str, str] = {}
    keys: dict[str, str] = {}
    for brand in BRANDS.values():
        if base_url := brand.base_url_in(environment):
            base_urls[brand.id] = base_url
        if key := brand.key_in(environment):
            keys[brand.id] = key
    for name in [name for name in environment if name.upper().endswith("_API_KEY")]:
        key = environment.pop(name).strip()
        if key not in BRANDS:
            hide(key)
    return EnvironmentKeys(base_urls, keys)


def data_dir(option: str | None, environment: Mapping[str, str]) -> str:
    """`--data-dir`, else `LLM_SIDECAR_HOME`, else the platform's folder for an application's data."""
    chosen = option or environment.get("LLM_SIDECAR_HOME")
    if chosen:
        return chosen
    if sys.platform == "win32":
        parent = environment.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    elif sys.platform == "darwin":
        parent = os.path.expanduser("~/Library/Application Support")
    else:
        parent = environment.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(parent, "llm-sidecar")


def load_limits(folder: str, environment: Mapping[str, str]) -> Limits:
    """The limits of `[limits]` in `config.toml`, then of the environment. Raises `InvalidParams`."""
    limits = Limits().with_changes(_table_of_file(folder, "limits"), where="config.toml limits")
    return limits_from_environment(limits, environment)


def load_use_proxy(folder: str, environment: Mapping[str, str]) -> bool:
    """`LLM_SIDECAR_USE_PROXY` (1 or 0), else `proxy` (true or false) of `[network]` in `config.toml`, else no.

    Raises `InvalidParams`: a typo must not send anything another way than was meant.
    """
    table = _table_of_file(folder, "network")
    unknown = [FieldProblem(f"config.toml network.{name}", "no such setting") for name in table if name != "proxy"]
    if unknown:
        raise InvalidParams(unknown)
    chosen = table.get("proxy", False)
    if not isinstance(chosen, bool):
        raise InvalidParams([FieldProblem("config.toml network.proxy", "must be true or false")])
    text = environment.get("LLM_SIDECAR_USE_PROXY")
    if text is None:
        return chosen
    if text not in ("0", "1"):
        raise InvalidParams([FieldProblem("LLM_SIDECAR_USE_PROXY", "must be 1 or 0")])
    return text == "1"


def _table_of_file(folder: str, name: str) -> Mapping[str, Any]:
    """A table of `config.toml`; empty where there is no such table, or no file."""
    path = os.path.join(folder, "config.toml")
    if not os.path.exists(path):
        return {}
    if not os.path.isfile(path):  # a pipe would hold up the start
        raise InvalidParams([FieldProblem("config.toml", "is not a file")])
    import tomllib

    try:
        with open(path, "rb") as file:
            table = tomllib.load(file).get(name, {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidParams([FieldProblem("config.toml", f"cannot be read ({type(error).__name__})")]) from None
    if not isinstance(table, dict):
        raise InvalidParams([FieldProblem(f"config.toml {name}", "must be a table")])
    return table
