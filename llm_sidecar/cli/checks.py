"""What `doctor` looks at: this installation, its settings, and what it finds around it.

Law: looking changes nothing (no file or folder is made) and costs nothing (no provider is asked, no key is used). Keys
and addresses are told by the names of their variables, never by value.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from llm_sidecar import __version__
from llm_sidecar.cli.local_servers import LocalServer
from llm_sidecar.cli.printable import printable
from llm_sidecar.errors import InvalidParams
from llm_sidecar.limits import Limits, limits_from_environment
from llm_sidecar.packaged import is_packaged
from llm_sidecar.providers.brands import BRANDS, Brand
from llm_sidecar.settings import data_dir, load_limits

_REQUIRED: Final = ("msgspec", "aiohttp", "genai-prices", "rich")
_OPTIONAL: Final = {"xllamacpp": "local", "keyring": "keyring"}
"""Package → the extra that brings it."""


class Check(Struct):
    """One finding. `failed` is something the sidecar cannot work without; `note` is no judgement."""

    name: str
    status: Literal["ok", "note", "warning", "failed"]
    detail: str
    facts: dict[str, Any] = {}


def installation() -> list[Check]:
    """Python, the packages, the platform."""
    python = platform.python_version()
    version_is_fine = sys.version_info >= (3, 11)
    implementation = f"{platform.python_implementation()} {python}"
    detail = implementation if version_is_fine else f"{implementation}; 3.11 or newer is needed"
    return [
        Check("Python", "ok" if version_is_fine else "failed", detail, {"version": python}),
        _packages(),
        Check("platform", "note", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        *(_extra(package, extra) for package, extra in _OPTIONAL.items()),
    ]


def settings(environment: Mapping[str, str]) -> list[Check]:
    """The data folder, `config.toml`, and the limits that differ from their defaults."""
    folder = Path(data_dir(None, environment))
    source = "LLM_SIDECAR_HOME" if environment.get("LLM_SIDECAR_HOME") else "the platform's default"
    return [_data_folder(folder, source), _config(folder), _limits(folder, environment)]


def surroundings(environment: Mapping[str, str], servers: list[LocalServer]) -> list[Check]:
    """The providers that could be used, and the local servers that answer."""
    usable = {brand.id: why for brand in BRANDS.values() if (why := _usable_because(brand, environment))}
    listed = ", ".join(f"{provider_id} ({why})" for provider_id, why in usable.items())
    found = [f"{server.base_url} (models: {len(server.models)})" for server in servers]
    facts = [{"providerId": s.provider_id, "baseUrl": s.base_url, "models": s.models} for s in servers]
    return [
        Check("providers", "note", listed, {"usable": usable}),
        Check("local servers", "note", ", ".join(found) or "none answers", {"servers": facts}),
    ]


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages() -> Check:
    versions = {"llm-sidecar": __version__, **{package: _version_of(package) for package in _REQUIRED}}
    missing = [package for package, version in versions.items() if version is None]
    detail = ", ".join(f"{package} {version or 'is missing'}" for package, version in versions.items())
    return Check("packages", "failed" if missing else "ok", detail, {"versions": versions})


def _extra(package: str, extra: str) -> Check:
    version = _version_of(package)
    absent = "not in this package" if is_packaged() else f"not installed (pip install 'llm-sidecar[{extra}]')"
    detail = version or absent
    return Check(package, "note", detail, {"version": version})


def _data_folder(folder: Path, source: str) -> Check:
    facts = {"path": str(folder), "source": source, "exists": os.path.exists(folder)}
    nearest = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        reason = "not a folder" if not nearest.is_dir() else "not writable"
        return Check("data folder", "failed", f"{folder} ({source}): {nearest} is {reason}", facts)
    state = "exists, writable" if facts["exists"] else "made when it is first needed"
    return Check("data folder", "ok", f"{folder} ({source}): {state}", facts)


def _config(folder: Path) -> Check:
    try:
        load_limits(str(folder), {})
    except InvalidParams as error:
        return Check("config.toml", "failed", printable(error.message))
    return Check("config.toml", "ok", "valid" if os.path.exists(folder / "config.toml") else "none")


def _limits(folder: Path, environment: Mapping[str, str]) -> Check:
    try:
        base = load_limits(str(folder), {})
    except InvalidParams:
        base = Limits()
    try:
        in_force = limits_from_environment(base, environment).to_wire()
    except InvalidParams as error:
        return Check("limits", "failed", printable(error.message))
    usual = Limits().to_wire()
    changed = {name: value for name, value in in_force.items() if value != usual[name]}
    shown = ", ".join(f"{name} {value} (usually {usual[name]})" for name, value in changed.items())
    return Check("limits", "ok", shown or "all at their defaults", {"changed": changed})


def _usable_because(brand: Brand, environment: Mapping[str, str]) -> str | None:
    """What makes a provider usable; None if something is missing."""
    names = [f"{prefix}_{kind}" for kind in ("API_KEY", "BASE_URL") for prefix in brand.prefixes]
    found = [name for name in names if environment.get(name, "").strip()]
    if (brand.needs_key and not brand.key_in(environment)) or not (brand.base_url or brand.base_url_in(environment)):
        return None
    return ", ".join(found) or ("built in" if brand.wire_format == "scripted" else "default address")
