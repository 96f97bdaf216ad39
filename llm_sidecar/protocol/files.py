"""The files of `protocol/` that are generated, by name.

Law: the same catalogue and the same vectors give the same bytes, on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from llm_sidecar.protocol import typescript
from llm_sidecar.protocol.openrpc import document, error_table
from llm_sidecar.protocol.pages import pages
from llm_sidecar.protocol.schemas import combined_schema, standalone_schemas
from llm_sidecar.protocol.shown import Shown, conversations_by_channel


def json_text(value: Any) -> str:
    """`value` as it stands in a generated file."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


FORMATS: Final[dict[str, Callable[[], str]]] = {
    "openrpc": lambda: json_text(document()),
    "json-schema": lambda: json_text(combined_schema()),
    "typescript": typescript.source,
    "errors": lambda: json_text(error_table()),
    "channels": lambda: "\n".join(pages({}).values()),
}
"""What can be printed by itself. `channels` is all pages, one after the other, the index first."""


def generated_files(shown: Shown) -> dict[str, str]:
    """The text of each file, by its path below `protocol/`. `shown`: which vectors show a channel."""
    return {
        "openrpc.json": FORMATS["openrpc"](),
        "types.ts": FORMATS["typescript"](),
        "errors.json": FORMATS["errors"](),
        **{f"channels/{name}": text for name, text in pages(shown).items()},
        **{f"schemas/{name}.json": json_text(schema) for name, schema in standalone_schemas().items()},
    }


def write_files(folder: Path) -> list[Path]:
    """Write all of them below `folder`, made where it is missing; returns where. Raises `OSError`, and `ValueError`
    where the vectors that are there (`folder`/vectors) are none."""
    written: list[Path] = []
    for name, text in generated_files(conversations_by_channel(folder / "vectors")).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        written.append(path)
    return written
