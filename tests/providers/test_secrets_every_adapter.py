"""A key that a server echoes, wherever it can and however it writes it, is in no error and in no line of the log.

Every adapter meets every echo; what was said is looked through for the key whole, in pieces and encoded. The log is at
its lowest level, takes the lines of every library and of asyncio's debug mode, and does not know the key: what is
tested here is that nobody hands it over, not that it would be masked. (A model that writes the key as its answer is
another matter: an answer is passed on.)
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from llm_sidecar import log
from llm_sidecar.errors import ERROR_KINDS, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Provider
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.canary import KEY, forms, said_by, traces_of
from tests.providers.contract import outcome_of, run
from tests.providers.fault_server import (
    LAST_CHUNK,
    Exchange,
    Script,
    answer,
    chunked,
    fault_server,
    saying,
    saying_then_closing,
    saying_then_resetting,
)
from tests.providers.formats import FORMATS
from tests.providers.wire_format import WireFormat, stream_head

ECHOES = [KEY, f"{KEY[:7]}***{KEY[-4:]}", forms(KEY)["base64"]]
"""Whole, masked, encoded. (Every form and piece, in every field, is in `test_api_error_secrets`.)"""
Echo = Callable[[WireFormat, str], Script]
"""A server of this format that says this text somewhere."""

every_format = pytest.mark.parametrize("wire_format", FORMATS.values(), ids=FORMATS.keys())

ERRORS = [
    '{"error": {"message": "Incorrect API key provided: %s.", "type": "invalid_request_error", "code": null}}',
    '{"error": {"message": "%s", "type": "%s", "param": "%s", "code": "%s"}}',
    '{"error": {"message": "x", "code": "key_%s"}}',
    '{"error": {"message": "x", "type": "%s_error"}}',
    '{"error": {"%s": "%s"}}',
    '{"error": "%s"}',
    '{"error": ["%s"]}',
    '{"type": "error", "error": {"type": "%s", "message": "%s", "details": {"error_code": "%s"}}, "request_id": "%s"}',
    '[{"error": {"code": 400, "status": "%s", "message": "%s", "details": [{"@type": "%s", "reason": "%s"}]}}]',
    '{"error": {"code": 400, "details": [{"retryDelay": "%ss", "violations": [{"quotaId": "%s"}]}]}}',
    '{"error": {"code": 402, "metadata": {"error_type": "%s", "limit_source": "%s", "raw": "%s"}}, "user_id": "%s"}',
    '{"error": {"code": "400", "innererror": {"code": "%s"}}}',
    '{"type": "error", "code": "%s", "message": "%s", "sequence_number": 1}',
    '{"type": "response.failed", "response": {"status": "failed", "error": {"code": "%s", "message": "%s"}}}',
    '{"object": "error", "message": "%s", "code": "%s", "type": "%s"}',
    '{"detail": "%s"}',
    '{"detail": [{"loc": ["%s"], "msg": "%s", "type": "%s"}]}',
    '{"%s": 1}',
    '"%s"',
    "<html>%s</html>",
    "%s",
]


def event(wire_format: WireFormat, data: str, name: str = "") -> bytes:
    """An event of the format's stream: with or without a name, or a line."""
    if "ndjson" in wire_format.content_type:
        return f"{data}\n".encode()
    return f"event: {name}\ndata: {data}\n\n".encode() if name else f"data: {data}\n\n".encode()


def refusing(status: int, error: str) -> Echo:
    return lambda _, text: saying(
        answer(
            status,
            error.replace("%s", text).encode(),
            ("X-Echo", text),
            ("Retry-After", text),
            ("Retry-After-Ms", text),
            ("Date", text),
            ("X-Should-Retry", text),
            ("WWW-Authenticate", f"Bearer {text}"),
        )
    )


def failing_in_the_stream(error: str, name: str = "") -> Echo:
    def echo(wire_format: WireFormat, text: str) -> Script:
        data = event(wire_format, error.replace("%s", text), name)
        return saying(stream_head(wire_format) + chunked(wire_format.begun + data) + LAST_CHUNK)

    return echo


def head(*lines: str) -> Callable[[str], bytes]:
    return lambda text: "\r\n".join(lines).replace("%s", text).encode() + b"\r\n\r\n"


def streaming(tail: Callable[[str], bytes], ending: Callable[..., Script] = saying) -> Echo:
    return lambda wire_format, text: ending(stream_head(wire_format) + chunked(wire_format.begun) + tail(text))


REDIRECT = head("HTTP/1.1 307 %s", "Location: https://example.com/?key=%s", "Content-Length: 0")
SCENARIOS: dict[str, Echo] = {
    **{f"HTTP {status}: {error}": refusing(status, error) for status in (200, 401) for error in ERRORS},
    **{
        f"HTTP {status}: {ERRORS[1]}": refusing(status, ERRORS[1])
        for status in (400, 403, 404, 413, 429, 500, 503, 529)
    },
    **{f"event: {error}": failing_in_the_stream(error) for error in ERRORS},
    **{f"event named error: {error}": failing_in_the_stream(error, "error") for error in ERRORS},
    "the event's name": lambda fmt, text: failing_in_the_stream("{}", text)(fmt, text),
    "a field no stream has": streaming(
        lambda text: chunked(f"{text}: {text}\n\nerror: {text}\n\n".encode()) + LAST_CHUNK
    ),
    "a comment, then nothing": streaming(lambda text: chunked(f": {text}\n\n".encode()) + LAST_CHUNK),
    "half an event, then the end": streaming(lambda text: chunked(f"data: {text}".encode()), saying_then_closing),
    "half a chunk, then a reset": streaming(lambda text: b"ff\r\n" + text.encode(), saying_then_resetting),
    "no size of a chunk": streaming(lambda text: text.encode() + b"\r\n"),
    "an extension of a chunk": streaming(lambda text: f"0;{text}={text}\r\n\r\n".encode()),
    "a trailer": streaming(lambda text: f"0\r\nX-Echo: {text}\r\n\r\n".encode()),
    "a redirect": lambda _, text: saying(REDIRECT(text)),
    "the reason of a refusal": lambda _, text: saying(head("HTTP/1.1 401 %s", "Content-Length: 0")(text)),
    "the reason of an answer": lambda _, text: saying_then_closing(head("HTTP/1.1 200 %s", "X: 1")(text)),
    "a status of no kind": lambda _, text: saying(head("HTTP/1.1 299 %s", "Content-Length: 0")(text)),
    "the content type": lambda _, text: saying(answer(200, text.encode(), content_type=text)),
    "the content encoding": lambda _, text: saying(answer(200, text.encode(), ("Content-Encoding", text))),
    "the content length": lambda _, text: saying(head("HTTP/1.1 401 No", "Content-Length: %s")(text)),
    "the transfer encoding": lambda _, text: saying_then_closing(
        head("HTTP/1.1 401 No", "Transfer-Encoding: %s")(text)
    ),
    "a cookie": lambda _, text: saying(answer(401, b"", ("Set-Cookie", f"key={text}; Path=%"))),
    "a header without a colon": lambda _, text: saying(head("HTTP/1.1 200 OK", "%s bad header")(text)),
    "the name of a header": lambda _, text: saying(head("HTTP/1.1 401 No", "%s: 1", "Content-Length: 0")(text)),
    "a folded header": lambda _, text: saying(head("HTTP/1.1 401 No", "X: 1", " %s", "Content-Length: 0")(text)),
    "no HTTP at all": lambda _, text: saying(text.encode() + b"\r\n\r\n"),
    "the version of HTTP": lambda _, text: saying(head("HTTP/%s 401 No")(text)),
    "half a status line": lambda _, text: saying_then_closing(f"HTTP/1.1 {text}".encode()),
    "half a header": lambda _, text: saying_then_closing(f"HTTP/1.1 200 OK\r\nX: {text}".encode()),
    "half a refusal": lambda _, text: saying_then_resetting(answer(401, text.encode())[:-3]),
}


@contextmanager
def everything_is_logged() -> Iterator[None]:
    hooks, root = (sys.excepthook, sys.unraisablehook, threading.excepthook), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log.configure("debug")
    log.capture_foreign_logs()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        log.configure("info")


def log_at_every_level(error: SidecarError) -> None:
    for write in (log.debug, log.info, log.warning, log.error):
        write("failed", code=error.code, message=error.message, details=error.details, error=error)


async def asked(provider: Provider, wire_format: WireFormat, url: str) -> list[SidecarError]:
    """The failures of an answer and of the list of models."""
    request = wire_format.request(url, "m", KEY)
    _, error = await outcome_of(provider, request)
    errors = [error] if error is not None else []
    try:
        await provider.list_models(request.endpoint)
    except SidecarError as failure:
        errors.append(failure)
    return errors


@every_format
@pytest.mark.parametrize("echo", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_an_echoed_key_is_in_no_error_and_in_no_log_line(
    wire_format: WireFormat, echo: Echo, capfd: pytest.CaptureFixture[str]
) -> None:
    errors: list[SidecarError] = []

    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        current: Script

        async def script(connection: Exchange) -> None:
            await current(connection)

        async with fault_server(script) as server:
            provider = wire_format.make(HttpClient(Limits))
            assert traces_of(KEY, repr(wire_format.request(server.url, "m", KEY))) == []
            for text in ECHOES:
                current = echo(wire_format, text)
                errors.extend(await asked(provider, wire_format, server.url))
            await provider.aclose()
            for request in server.requests:
                assert any(KEY in value for value in request.headers.values()), "the key was really sent"
                assert traces_of(KEY, request.path) == [], "and in no address"

    with everything_is_logged():
        run(main())
        for error in errors:
            log_at_every_level(error)
    assert len(errors) >= len(ECHOES), "every echo came with a failure"
    for error in errors:
        assert error.code in ERROR_KINDS
        assert traces_of(KEY, said_by(error)) == []
    printed, logged = capfd.readouterr()
    assert printed == ""
    assert logged.count('"event":"failed"') == 4 * len(errors)
    assert traces_of(KEY, logged) == []


def strings_named(value: Any, name: str, text: str) -> Any:
    """`value` with every string that is called `name` replaced by `text`."""
    if isinstance(value, dict):
        return {
            key: text if key == name and isinstance(part, str) else strings_named(part, name, text)
            for key, part in value.items()
        }
    return [strings_named(part, name, text) for part in value] if isinstance(value, list) else value


def names_of_strings(value: Any) -> set[str]:
    if isinstance(value, dict):
        named = {key for key, part in value.items() if isinstance(part, str)}
        return named.union(*(names_of_strings(part) for part in value.values()))
    return set().union(*(names_of_strings(part) for part in value)) if isinstance(value, list) else set()


def with_key_as(body: bytes, name: str | None) -> tuple[bytes, set[str]]:
    """A body whose every JSON line has the key for its strings called `name`, and the names there are."""
    lines, names = [], set()
    for line in body.decode().split("\n"):
        before, brace, rest = line.partition("{")
        if brace and before in ("", "data: ", "data:"):
            value = json.loads(brace + rest)
            names |= names_of_strings(value)
            lines.append(before + json.dumps(strings_named(value, name, KEY) if name else value))
        else:
            lines.append(line)
    return "\n".join(lines).encode(), names


@pytest.mark.parametrize(
    ("wire_format", "name"),
    [pytest.param(fmt, name, id=f"{fmt.name}: {name}") for fmt in FORMATS.values() for name in fmt.complete],
)
def test_a_key_in_any_field_of_an_answer_is_in_no_error_and_in_no_log_line(
    wire_format: WireFormat, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    body = wire_format.complete[name]
    _, fields = with_key_as(body, None)
    assert fields
    errors = []

    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        changed = b""

        async def script(connection: Exchange) -> None:
            await connection.send(stream_head(wire_format) + chunked(changed) + LAST_CHUNK)

        async with fault_server(script) as server:
            provider = wire_format.make(HttpClient(Limits))
            for field in fields:
                changed, _ = with_key_as(body, field)
                assert KEY.encode() in changed
                _, error = await outcome_of(provider, wire_format.request(server.url, "m", KEY))
                if error is not None:
                    errors.append(error)
            await provider.aclose()

    with everything_is_logged():
        run(main())
        for error in errors:
            log_at_every_level(error)
    for error in errors:
        assert traces_of(KEY, said_by(error)) == []
    assert traces_of(KEY, "".join(capfd.readouterr())) == []


@every_format
@pytest.mark.parametrize(
    "url", [f"https://{KEY}@example.com", f"https://example.com/?key={KEY}", f"http://{KEY}.com", f"ftp://x/{KEY}"]
)
def test_a_key_in_an_address_is_not_quoted(wire_format: WireFormat, url: str) -> None:
    async def main() -> list[SidecarError]:
        provider = wire_format.make(HttpClient(Limits))
        try:
            return await asked(provider, wire_format, url)
        finally:
            await provider.aclose()

    errors = run(main())
    assert [error.code for error in errors] == ["VALIDATION_ERROR"] * 2
    for error in errors:
        assert traces_of(KEY, said_by(error)) == []


@every_format
@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX: y", f"{KEY}\0", f"{KEY}é"])
def test_a_key_that_can_be_none_is_refused_without_being_sent_or_quoted(wire_format: WireFormat, key: str) -> None:
    async def main() -> list[SidecarError]:
        async with fault_server(saying(answer(200, b"{}"))) as server:
            provider = wire_format.make(HttpClient(Limits))
            request = wire_format.request(server.url, "m", key)
            _, refused = await outcome_of(provider, request)
            with pytest.raises(SidecarError) as caught:
                await provider.list_models(request.endpoint)
            await provider.aclose()
            assert server.requests == []
        assert refused is not None
        return [refused, caught.value]

    for error in run(main()):
        assert error.code == "AUTH_ERROR"
        assert traces_of(KEY, said_by(error)) == []
