"""What the tests of the demo provider share: making a request, and playing it on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from llm_sidecar.errors import SidecarError
from llm_sidecar.messages.content import Message
from llm_sidecar.providers.base import Endpoint, ProviderRequest
from llm_sidecar.providers.events import (
    Finish,
    ModelNamed,
    PromptProgress,
    ProviderEvent,
    ProviderState,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_sidecar.providers.scripted.adapter import ScriptedProvider
from tests.virtual_time import run_virtual

ENDPOINT = Endpoint("demo", "demo:")
FAST = "[[demo: connect=0 firstToken=0 rate=max]]"


def request(text: str = "Hi", model: str = "", **fields: Any) -> ProviderRequest:
    """A request whose last user message is `text`; `messages` replaces the whole conversation."""
    fields.setdefault("messages", [Message(role="user", content=text)])
    return ProviderRequest(endpoint=ENDPOINT, model_id=model, **fields)


@dataclass
class Played:
    """What came, and when: seconds of virtual time from the request on."""

    accepted_at: float | None = None
    ended_at: float = 0.0
    batches: list[tuple[float, list[ProviderEvent]]] = field(default_factory=list)
    error: SidecarError | None = None

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for _, batch in self.batches for event in batch if isinstance(event, kind)]

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.of(TextDelta))

    @property
    def reasoning(self) -> str:
        return "".join(delta.text for delta in self.of(ReasoningDelta))

    @property
    def finish(self) -> Finish | None:
        found = self.of(Finish)
        assert len(found) <= 1
        return found[0] if found else None

    @property
    def usage(self) -> UsageReport | None:
        found = self.of(UsageReport)
        assert len(found) <= 1
        return found[0] if found else None

    @property
    def model(self) -> str:
        return "".join(event.model_id for event in self.of(ModelNamed))

    @property
    def state(self) -> list[dict[str, Any]]:
        return [event.state for event in self.of(ProviderState)]

    @property
    def progress(self) -> list[tuple[int, int | None]]:
        return [(event.current, event.total) for event in self.of(PromptProgress)]

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Name and whole arguments of each call, checked for the rules of its pieces."""
        calls: list[list[str]] = []
        for delta in self.of(ToolCallDelta):
            is_first = delta.index == len(calls)
            assert is_first == (delta.id is not None) == (delta.name is not None)
            if is_first:
                calls.append([delta.name, ""])
            calls[delta.index][1] += delta.arguments
        return [(name, arguments) for name, arguments in calls]

    @property
    def content_times(self) -> list[float]:
        """When each batch with content came."""
        content = TextDelta | ReasoningDelta | ToolCallDelta
        return [at for at, batch in self.batches if any(isinstance(event, content) for event in batch)]


async def play_on(provider: ScriptedProvider, asked: ProviderRequest, played: Played | None = None) -> Played:
    """Play one request to its end or its error; what came until a cancellation stays in `played`."""
    played = played or Played()
    clock = asyncio.get_running_loop().time
    try:
        async with provider.stream(asked) as batches:
            played.accepted_at = clock()
            async for batch in batches:
                assert batch, "a batch is not empty"
                played.batches.append((clock(), batch))
    except SidecarError as error:
        played.error = error
    played.ended_at = clock()
    return played


def play(asked: ProviderRequest) -> Played:
    """Play one request on a virtual clock of its own, which begins at 0."""
    return run_virtual(play_on(ScriptedProvider(), asked))


def say(text: str, **fields: Any) -> Played:
    """Play a user's message."""
    return play(request(text, **fields))
