"""Every recorded stream of every vendor, through a real server and the real adapter; the run prints it as a table.

What each must say in detail is asserted beside its format; here stands what holds for all: however the bytes are cut
on their way, the outcome is the same, and it is one (an answer that keeps the rules, or a typed failure).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llm_sidecar.errors import ERROR_KINDS, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.events import Finish, ProviderEvent, ProviderState, ReasoningDelta, TextDelta, UsageReport
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.contract import check_rules, outcome_of, reasoning_of, run, text_of, tool_calls_of
from tests.providers.fault_server import LAST_CHUNK, Exchange, chunked, fault_server
from tests.providers.formats import FORMATS
from tests.providers.wire_format import FIXTURES

Outcome = tuple[list[ProviderEvent], SidecarError | None]
Cut = Callable[[bytes], list[bytes]]

FORMAT_OF = {
    "openai": "openai chat",
    "deepseek": "openai chat",
    "openai_responses": "openai responses",
    "anthropic": "anthropic",
    "google": "gemini",
    "ollama": "ollama",
}
"""Folder → the format its streams are in."""
CONTENT_TYPES = {".sse": "text/event-stream", ".ndjson": "application/x-ndjson"}
STREAMS = sorted(path for folder in FORMAT_OF for path in (FIXTURES / folder).iterdir() if path.suffix in CONTENT_TYPES)

CUTS: dict[str, Cut] = {
    "whole": lambda body: [body],
    "byte by byte": lambda body: [body[at : at + 1] for at in range(len(body))],
    "after each newline": lambda body: body.splitlines(keepends=True),
    "in sevens": lambda body: [body[at : at + 7] for at in range(0, len(body), 7)],
}


def outcome(path: Path, pieces: list[bytes]) -> Outcome:
    wire_format = FORMATS[FORMAT_OF[path.parent.name]]
    content_type = CONTENT_TYPES[path.suffix].encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % content_type

    async def script(exchange: Exchange) -> None:
        await exchange.send(head)
        for piece in pieces:
            await exchange.send(chunked(piece))
        await exchange.send(LAST_CHUNK)

    async def main() -> Outcome:
        async with fault_server(script) as server:
            provider = wire_format.make(HttpClient(Limits))
            try:
                return await outcome_of(provider, wire_format.request(server.url, "m", None))
            finally:
                await provider.aclose()

    return run(main())


def essence(path: Path, cut: Cut) -> tuple[object, ...]:
    """What an outcome comes to, however its pieces were merged. Generated ids are left out."""
    events, error = outcome(path, cut(path.read_bytes()))
    if error is None:
        check_rules([events])
    else:
        assert error.code in ERROR_KINDS
        assert not any(isinstance(event, Finish) for event in events)
    kept = tuple(event for event in events if isinstance(event, Finish))
    calls = [(name, arguments) for _, name, arguments in tool_calls_of(events)]
    return text_of(events), reasoning_of(events), calls, usage_of(events), kept, error and error.code


def usage_of(events: list[ProviderEvent]) -> tuple[int | None, ...]:
    """All reports together, each field as last said."""
    fields = UsageReport.__struct_fields__
    said = [event for event in events if isinstance(event, UsageReport)]
    return tuple(next((v for r in reversed(said) if (v := getattr(r, name)) is not None), None) for name in fields)


@pytest.mark.parametrize("path", STREAMS, ids=[f"{path.parent.name}/{path.name}" for path in STREAMS])
def test_a_recorded_stream_comes_to_the_same_however_it_is_cut(
    path: Path, record_property: Callable[[str, object], None]
) -> None:
    outcomes = {name: essence(path, cut) for name, cut in CUTS.items()}
    assert all(each == outcomes["whole"] for each in outcomes.values()), outcomes
    record_property("corpus", row(path))


def row(path: Path) -> tuple[str, ...]:
    """One line of the table: vendor, stream, what came of it."""
    events, error = outcome(path, [path.read_bytes()])
    finish = next((event for event in events if isinstance(event, Finish)), None)
    prompt, completion, cached, _, written = ("" if n is None else str(n) for n in usage_of(events))
    text = sum(event.count for event in events if isinstance(event, TextDelta))
    thoughts = sum(len(event.text) for event in events if isinstance(event, ReasoningDelta))
    state = next((",".join(event.state) for event in reversed(events) if isinstance(event, ProviderState)), "")
    ended = f"{finish.reason} ({finish.raw})" if finish is not None else error.code if error is not None else "?"
    return (
        path.parent.name,
        path.stem,
        str(text or ""),
        str(thoughts or ""),
        ", ".join(name for _, name, _ in tool_calls_of(events)),
        f"{prompt}/{completion}",
        f"{cached}/{written}".strip("/"),
        state,
        ended,
    )


def test_every_folder_of_streams_has_some() -> None:
    assert {path.parent.name for path in STREAMS} == set(FORMAT_OF)
