"""Which tool call a streamed piece belongs to, as OpenAI-compatible servers differ about it.

Law: every piece belongs to one call; calls are numbered from 0 in the order they begin. OpenAI keys pieces by `index`
and names the call in its first piece only. Others omit `index` (each piece then continues the call of its `id`, or the
last one), repeat the `id` in every piece, or say index 0 for every call (then a new id with a name begins a new one).
"""

from __future__ import annotations

from uuid import uuid4

from llm_sidecar.providers.decoding.piece_merger import NewCall
from llm_sidecar.providers.openai.chunks import ToolCallPart


class ToolCallIndex:
    """The calls of one answer so far."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._of_server_index: dict[int, int] = {}
        self._of_id: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def place(self, part: ToolCallPart) -> tuple[int, NewCall | None]:
        """The number of the call that `part` continues, or begins. Raises `ValueError` for a call without a name."""
        name = part.function.name if part.function is not None else None
        known = self._known(part, bool(name))
        if known is not None:
            return known, None
        if not name:
            raise ValueError("a tool call begins without a name")
        number = len(self._ids)
        call = NewCall(part.id or f"call_{uuid4().hex}", name)
        self._ids.append(call.id)
        self._of_id[call.id] = number
        if part.index is not None:
            self._of_server_index[part.index] = number
        return number, call

    def _known(self, part: ToolCallPart, named: bool) -> int | None:
        if part.index is not None:
            number = self._of_server_index.get(part.index)
            another = number is not None and named and part.id and part.id != self._ids[number]
            return None if another else number
        if part.id:
            return self._of_id.get(part.id)
        return len(self._ids) - 1 if self._ids and not named else None
