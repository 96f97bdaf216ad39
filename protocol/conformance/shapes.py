"""What each method answers with and each notification carries, and whether a value is that.

Law: `openrpc.json` names the shapes, `schemas/` describes them. A field that no schema tells of is always noticed; the
rest of a schema is checked where `jsonschema` is installed, and counted where it is not.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from conformance.faults import Breach, UsageError, demand, shown


class Shapes:
    """The protocol in `folder`. Raises `UsageError` where it is not whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        document = self._read("openrpc.json")
        self.results = {
            method["name"]: _referred(method["result"]["schema"])
            for method in document["methods"]
            if "result" in method
        }
        """The shape of each method's result; None where it is any object."""
        self.notifications = {item["name"]: _referred(item["params"]) for item in document["x-notifications"]}
        self.checks_made = 0
        self.checks_left_out = 0
        self._schemas: dict[str, Any] = {}
        self._validators: dict[str, Any] = {}
        try:
            self._library: Any = importlib.import_module("jsonschema")
        except ImportError:
            self._library = None

    def check(self, shape: str | None, value: Any, what: str) -> None:
        """Raise `Breach` where `value` (told of as `what`) is not of the shape."""
        demand(isinstance(value, dict), f"{what} is {shown(value)}, not an object")
        if shape is None:
            return
        if shape not in self._schemas:
            self._schemas[shape] = self._read(f"schemas/{shape}.json")
        known = self._schemas[shape]["$defs"][shape]["properties"]
        unknown = sorted(value.keys() - known.keys())
        if unknown:
            raise Breach(f"{what} has a field `{unknown[0]}` that schemas/{shape}.json does not tell of")
        if self._library is None:
            self.checks_left_out += 1
            return
        self.checks_made += 1
        if shape not in self._validators:
            self._validators[shape] = self._library.Draft202012Validator(self._schemas[shape])
        error = self._library.exceptions.best_match(self._validators[shape].iter_errors(value))
        if error is not None:
            place = error.json_path.removeprefix("$").removeprefix(".")
            where = f" at `{place}`" if place else ""
            raise Breach(f"{what} does not fit schemas/{shape}.json{where}: {error.message}")

    def _read(self, name: str) -> Any:
        path = self._folder / name
        try:
            return json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read {path}: the runner needs the whole folder protocol/ ({error})") from None


def _referred(schema: dict[str, Any]) -> str | None:
    reference = schema.get("$ref")
    return None if reference is None else str(reference).rpartition("/")[2]
