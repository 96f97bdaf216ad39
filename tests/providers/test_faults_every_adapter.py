"""Every adapter against a server that fails in every way: one correct outcome each, and never a truncation called done.

What is particular to one format is tested beside it; this is what no format may get wrong. The same faults go through
the whole process in `tests/end_to_end/test_faults_at_the_pipe.py`.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Provider
from llm_sidecar.providers.events import Finish, ProviderEvent
from llm_sidecar.providers.http.client import HttpClient
from tests.providers.contract import check_rules, events_of, outcome_of, run, text_of
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

Outcome = tuple[list[ProviderEvent], SidecarError | None]
LIMITS = Limits(connect_timeout_ms=2_000, max_provider_event_bytes=200_000)

every_format = pytest.mark.parametrize("wire_format", FORMATS.values(), ids=FORMATS.keys())
every_answer = pytest.mark.parametrize(
    ("wire_format", "name"),
    [pytest.param(fmt, name, id=f"{fmt.name}: {name}") for fmt in FORMATS.values() for name in fmt.complete],
)


@asynccontextmanager
async def adapter(wire_format: WireFormat) -> AsyncIterator[Provider]:
    provider = wire_format.make(HttpClient(lambda: LIMITS))
    try:
        yield provider
    finally:
        await provider.aclose()


def outcome(wire_format: WireFormat, script: Script) -> Outcome:
    """What one request to a server that runs `script` comes to; the adapter must leave no connection open."""

    async def main() -> Outcome:
        async with fault_server(script) as server:
            async with adapter(wire_format) as provider:
                result = await outcome_of(provider, wire_format.request(server.url, "m", "sk-key"))
            await server.all_hung_up()
        return result

    return run(main())


def failure(wire_format: WireFormat, script: Script) -> tuple[str, str]:
    """The code of the failure, and the text before it."""
    events, error = outcome(wire_format, script)
    assert error is not None
    assert not any(isinstance(event, Finish) for event in events)
    return error.code, text_of(events)


# --- healthy answers, however they come ---


@every_answer
def test_an_answer_that_drips_in_byte_by_byte_is_the_same(wire_format: WireFormat, name: str) -> None:
    body = wire_format.complete[name]

    async def drip(exchange: Exchange) -> None:
        await exchange.send(stream_head(wire_format))
        await exchange.drip(chunked(body) + LAST_CHUNK)

    whole, whole_error = outcome(wire_format, saying(stream_head(wire_format) + chunked(body) + LAST_CHUNK))
    dripped, error = outcome(wire_format, drip)
    assert (error, whole_error) == (None, None)
    check_rules([whole])
    check_rules([dripped])
    assert text_of(dripped) == text_of(whole)
    assert dripped[-1] == whole[-1]


@every_answer
def test_an_answer_without_a_length_ends_with_its_connection(wire_format: WireFormat, name: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n" % wire_format.content_type.encode()
    events, error = outcome(wire_format, saying_then_closing(head + wire_format.complete[name]))
    assert error is None
    check_rules([events])


@every_format
def test_two_answers_share_one_connection(wire_format: WireFormat) -> None:
    async def main() -> None:
        body = next(iter(wire_format.complete.values()))
        script = saying(stream_head(wire_format) + chunked(body) + LAST_CHUNK)
        async with fault_server(script) as server, adapter(wire_format) as provider:
            for _ in range(2):
                assert await events_of(provider, wire_format.request(server.url, "m", None))
            assert len(server.connections) == 1

    run(main())


# --- truncation ---


@every_answer
def test_a_body_cut_off_anywhere_is_never_reported_as_done(wire_format: WireFormat, name: str) -> None:
    """At every byte where an event could end, and some where none can: as if the server had died there."""
    body = wire_format.complete[name]
    cuts = sorted({cut for cut in range(len(body)) if body[cut - 1 : cut] in (b"\n", b"}")} | {1, len(body) // 2})

    async def main() -> None:
        whole = 0
        cut = 0

        async def script(exchange: Exchange) -> None:
            await exchange.send(stream_head(wire_format) + chunked(body[:cut]))
            exchange.close()

        async with fault_server(script) as server, adapter(wire_format) as provider:
            for cut in cuts:
                events, error = await outcome_of(provider, wire_format.request(server.url, "m", None))
                if error is None:
                    whole += 1
                    check_rules([events])
                else:
                    assert error.code == "STREAM_TRUNCATED", f"cut at {cut}: {error.code}"
                    assert not any(isinstance(event, Finish) for event in events)
        assert whole < len(cuts) / 2, "the end marker is at the end"

    run(main())


@every_format
@pytest.mark.parametrize("end", ["clean end", "close", "reset", "half a chunk"])
def test_a_body_that_stops_in_the_middle_is_truncated(wire_format: WireFormat, end: str) -> None:
    begun = stream_head(wire_format) + chunked(wire_format.begun)
    script = {
        "clean end": saying(begun + LAST_CHUNK),
        "close": saying_then_closing(begun),
        "reset": saying_then_resetting(begun),
        "half a chunk": saying_then_closing(begun + b"400\r\n" + wire_format.begun),
    }[end]
    code, text = failure(wire_format, script)
    assert code == "STREAM_TRUNCATED"
    assert text in ("", "a", "aa")


# --- what no provider may send ---


@every_format
@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        answer(200, b"<html>login</html>", content_type="text/html"),
        answer(200, b"not json"),
        answer(200, b"{}"),
        answer(200, b"[]"),
        answer(200, b"[" * 100_000),
        answer(200, b""),
    ],
    ids=["not HTTP", "endless header", "100,000 headers", "204", "a page", "no JSON", "{}", "[]", "[[[[", "nothing"],
)
def test_what_is_no_answer_is_a_protocol_error(wire_format: WireFormat, said: bytes) -> None:
    assert failure(wire_format, saying(said)) == ("PROVIDER_PROTOCOL_ERROR", "")


@every_format
def test_garbage_in_the_stream_is_a_protocol_error_and_what_came_before_is_kept(wire_format: WireFormat) -> None:
    body = wire_format.begun + wire_format.broken_event
    assert failure(wire_format, saying(stream_head(wire_format) + chunked(body))) == ("PROVIDER_PROTOCOL_ERROR", "a")


@every_format
@pytest.mark.parametrize("garbage", [b"\x00" * 50, b"\xff\xfe" * 50, b"data: \xff\n\n", b"}{\n\n", b"\n\n\n\n"])
def test_bytes_of_any_kind_give_one_typed_failure(wire_format: WireFormat, garbage: bytes) -> None:
    code, _ = failure(wire_format, saying(stream_head(wire_format) + chunked(garbage) + LAST_CHUNK))
    assert code in ("PROVIDER_PROTOCOL_ERROR", "STREAM_TRUNCATED")


@every_format
def test_an_endless_event_is_given_up_in_bounded_memory(wire_format: WireFormat) -> None:
    async def main() -> Outcome:
        sent = 0

        async def script(exchange: Exchange) -> None:
            nonlocal sent
            await exchange.send(stream_head(wire_format) + chunked(wire_format.begun))
            await exchange.send(chunked(wire_format.overlong_event(1_000)))
            while not exchange.hung_up.is_set() and sent < 50_000_000:
                await exchange.send(chunked(b"x" * 50_000))
                sent += 50_000

        async with fault_server(script) as server:
            async with adapter(wire_format) as provider:
                result = await outcome_of(provider, wire_format.request(server.url, "m", None))
            await server.all_hung_up()
            assert sent < 20_000_000, "it hung up long before the end"
        return result

    events, error = run(main())
    assert error is not None
    assert error.code == "PROVIDER_PROTOCOL_ERROR"
    assert text_of(events) == "a"


@every_format
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_body_is_refused_unopened(wire_format: WireFormat, encoding: str) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    said = answer(200, bomb, ("Content-Encoding", encoding), content_type=wire_format.content_type)
    assert failure(wire_format, saying(said)) == ("PROVIDER_PROTOCOL_ERROR", "")


@every_format
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_key_goes_nowhere_else(wire_format: WireFormat, status: int) -> None:
    async def main() -> None:
        async with fault_server(saying(b"")) as target:
            script = saying(answer(status, b"", ("Location", target.url)))
            async with fault_server(script) as server, adapter(wire_format) as provider:
                _, error = await outcome_of(provider, wire_format.request(server.url, "m", "sk-canary"))
            assert error is not None
            assert error.code == "PROVIDER_PROTOCOL_ERROR"
            assert target.connections == []

    run(main())


# --- errors before the answer ---


@every_format
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_REQUEST"),
        (401, "AUTH_ERROR"),
        (402, "INSUFFICIENT_QUOTA"),
        (403, "AUTH_ERROR"),
        (429, "RATE_LIMIT"),
        (500, "SERVER_ERROR"),
        (502, "SERVER_ERROR"),
        (503, "PROVIDER_OVERLOADED"),
        (529, "PROVIDER_OVERLOADED"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}", b"<html>no</html>", b'{"error": null}'])
def test_a_status_alone_is_enough_to_type_an_error(
    wire_format: WireFormat, status: int, code: str, body: bytes
) -> None:
    assert failure(wire_format, saying(answer(status, body))) == (code, "")


@every_format
def test_an_error_body_that_never_ends_is_read_no_further_than_its_beginning(wire_format: WireFormat) -> None:
    head = b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def endless(exchange: Exchange) -> None:
        await exchange.send(head)
        while not exchange.hung_up.is_set():
            await exchange.send(chunked(b" " * 10_000))

    _, error = outcome(wire_format, endless)
    assert error is not None
    assert (error.code, error.retry_after_ms) == ("RATE_LIMIT", 7_000)


@every_format
def test_nobody_listening_is_a_network_error_in_words_that_help(wire_format: WireFormat) -> None:
    async def main() -> Outcome:
        async with fault_server(saying()) as server:
            url = server.url
        async with adapter(wire_format) as provider:
            return await outcome_of(provider, wire_format.request(url, "m", None))

    events, error = run(main())
    assert events == []
    assert error is not None
    assert error.details == {"errno": "ECONNREFUSED"}
    assert "is the server running?" in error.message


@every_format
@pytest.mark.parametrize("script", [saying_then_closing(), saying_then_resetting(b"HTTP/1.1 200")])
def test_a_server_that_hangs_up_before_the_answer_is_a_network_error(wire_format: WireFormat, script: Script) -> None:
    assert failure(wire_format, script) == ("NETWORK_ERROR", "")


# --- the list of models ---


@every_format
@pytest.mark.parametrize(
    "said", [answer(200, b"not json"), answer(200, b"3"), answer(200, b'{"data": 1, "models": 1}'), answer(500, b"")]
)
def test_a_list_of_models_that_is_none_is_a_typed_error(wire_format: WireFormat, said: bytes) -> None:
    async def main() -> SidecarError:
        async with fault_server(saying(said)) as server, adapter(wire_format) as provider:
            with pytest.raises(SidecarError) as failed:
                await provider.list_models(wire_format.request(server.url, "m", None).endpoint)
            return failed.value

    assert run(main()).code in ("PROVIDER_PROTOCOL_ERROR", "SERVER_ERROR")


@every_format
def test_the_list_of_models_can_be_cancelled(wire_format: WireFormat) -> None:
    async def main() -> None:
        async with fault_server(saying()) as server, adapter(wire_format) as provider:
            listing = asyncio.create_task(provider.list_models(wire_format.request(server.url, "m", None).endpoint))
            await server.asked.wait()
            listing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listing
            await server.all_hung_up()

    run(main())
