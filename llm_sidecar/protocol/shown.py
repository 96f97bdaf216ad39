"""Which conversations of `protocol/vectors` show a channel.

Law: the vectors are not part of the package; where they are not there, no page speaks of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Shown = dict[str, list[tuple[str, str]]]
"""By channel: the file (`cancel.json`) and the name of each conversation in which it is said."""


def conversations_by_channel(folder: Path) -> Shown:
    """Those in the files of `folder`; none where there is no such folder. Raises `OSError`, `ValueError`."""
    found: Shown = {}
    for path in sorted(folder.glob("*.json")):
        try:
            for conversation in json.loads(path.read_text("utf-8")):
                for channel in dict.fromkeys(_channels([conversation["send"], conversation["expect"]])):
                    found.setdefault(channel, []).append((path.name, conversation["name"]))
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{path} is not a list of conversations") from None
    return found


def _channels(value: Any) -> Iterator[str]:
    """The names of the messages in steps and matchers; a step may be a text that is no JSON."""
    if isinstance(value, list):
        for item in value:
            yield from _channels(item)
    elif isinstance(value, dict):
        if isinstance(value.get("method"), str):
            yield value["method"]
        for name in ("$many", "$interleaved"):
            yield from _channels(value.get(name))
