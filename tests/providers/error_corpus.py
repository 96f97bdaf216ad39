"""The recorded errors of `tests/fixtures/errors`: what each vendor answers when it refuses or fails."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.refusals.reading import error_from_event, error_from_response

_FOLDER: Final = Path(__file__).parents[1] / "fixtures" / "errors"


@dataclass(frozen=True)
class RecordedError:
    vendor: str
    name: str
    status: int | None
    """None: an event inside a stream that had begun with HTTP 200."""
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.vendor}: {self.name}"

    def typed(self, secret: str | None = None) -> ProviderError:
        """What we make of it."""
        if self.status is None:
            return error_from_event(self.body, secret=secret)
        return error_from_response(self.status, self.headers, self.body, secret=secret)


def _read() -> dict[tuple[str, str], RecordedError]:
    corpus = {}
    for path in sorted(_FOLDER.glob("*.json")):
        for name, record in json.loads(path.read_text("utf-8")).items():
            body = record["body"]
            corpus[path.stem, name] = RecordedError(
                path.stem,
                name,
                record.get("status"),
                record.get("headers", {}),
                body.encode() if isinstance(body, str) else json.dumps(body).encode(),
            )
    return corpus


CORPUS: Final = _read()
"""By vendor and name."""
