"""A key that a server echoes, wherever it can, appears in nothing we say."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.http import HttpClient
from llm_sidecar.providers.openai_chat import OpenAIChatProvider
from tests.providers.contract import outcome_of, run
from tests.providers.fault_server import (
    STREAM_HEAD,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    saying_then_closing,
    saying_then_resetting,
    sse,
    stream,
)
from tests.providers.openai_fixtures import chunk, request_to

KEY = "sk-canary-0123456789abcdefghij"
ECHO = KEY.encode()
ECHOES = [
    {"message": f"Incorrect API key provided: {KEY}."},
    {"message": KEY, "type": KEY, "code": KEY, "param": KEY},
    {"message": "x", "code": KEY[:20]},
    {"message": "x", "type": f"x.{KEY}"},
    {KEY: KEY},
    KEY,
]

SCRIPTS: list[Script] = [
    *(
        saying(answer(status, json.dumps({"error": error}).encode(), ("X-Echo", KEY), ("Retry-After", KEY)))
        for status in (200, 400, 401, 404, 429, 500, 503)
        for error in ECHOES
    ),
    *(saying(stream(sse(chunk("a"), {"error": error}))) for error in ECHOES),
    saying(stream(b"error: " + ECHO + b"\n\n")),
    saying(stream(b"event: error\ndata: " + ECHO + b"\n\n")),
    saying(stream(b"data: " + ECHO + b"\n\n")),
    saying(stream(sse(chunk("a", KEY), chunk(finish="error"), "[DONE]"))),
    saying(stream(sse({"object": "error", "message": KEY, "code": KEY}))),
    saying(answer(401, ECHO, content_type="text/html")),
    saying(answer(302, b"", ("Location", f"https://example.com/?key={KEY}"))),
    saying(answer(200, ECHO, content_type=KEY)),
    saying(answer(200, ECHO, ("Content-Encoding", KEY))),
    saying(b"HTTP/1.1 " + ECHO + b"\r\n\r\n"),
    saying(b"HTTP/1.1 401 " + ECHO + b"\r\nContent-Length: 0\r\n\r\n"),
    saying(b"HTTP/1.1 200 OK\r\n" + ECHO + b" bad header\r\n\r\n"),
    saying(ECHO + b"\r\n\r\n"),
    saying(STREAM_HEAD + ECHO + b"\r\n"),
    saying_then_closing(STREAM_HEAD + chunked(ECHO)),
    saying_then_resetting(answer(401, ECHO)[:-3]),
    saying_then_closing(b"HTTP/1.1 200 OK\r\nX: " + ECHO),
]


@contextmanager
def standard_error_to(path: Path) -> Iterator[None]:
    """The log writes to descriptor 2 itself."""
    saved = os.dup(2)
    try:
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def said_by(error: SidecarError) -> str:
    return " ".join([error.message, str(error), repr(error), repr(error.details), repr(error.args)])


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_an_echoed_key_is_in_no_error_and_in_no_log_line(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> SidecarError | None:
        asyncio.get_running_loop().set_debug(True)
        async with fault_server(script) as server:
            provider = OpenAIChatProvider(HttpClient(Limits))
            request = request_to(server.url, key=KEY)
            _, error = await outcome_of(provider, request)
            await provider.aclose()
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}", "the key was really sent"
            assert KEY not in repr(request)
            return error

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with standard_error_to(tmp_path / "log"):
            log.configure("debug")
            log.capture_foreign_logs()
            error = run(main())
            if error is not None:
                log.error("failed", code=error.code, message=error.message, details=error.details)
    finally:
        root.handlers[:], root.level = handlers, level
        log.configure("info")
    assert error is not None
    assert KEY not in said_by(error)
    assert KEY[:15] not in said_by(error)
    assert KEY not in (tmp_path / "log").read_text()
    assert KEY not in "".join(traceback.format_exception_only(error))


@pytest.mark.parametrize("url", [f"https://{KEY}@example.com", f"https://example.com/?key={KEY}", f"http://{KEY}.com"])
def test_a_key_in_an_address_is_not_quoted(url: str) -> None:
    async def main() -> SidecarError | None:
        provider = OpenAIChatProvider(HttpClient(Limits))
        _, error = await outcome_of(provider, request_to(url, key=KEY))
        await provider.aclose()
        return error

    error = run(main())
    assert error is not None
    assert error.code == "VALIDATION_ERROR"
    assert KEY not in said_by(error)
