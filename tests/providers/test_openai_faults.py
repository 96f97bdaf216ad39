"""Everything that can go wrong between us and a server: each fault has exactly one, correct outcome."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message, TextPart
from llm_sidecar.providers.base import Endpoint, ModelDescription
from llm_sidecar.providers.events import Finish, ProviderEvent
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.openai.chat import OpenAIChatProvider
from tests.providers.contract import batches_of, events_of, finish_of, outcome_of, run, text_of
from tests.providers.fault_server import (
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    FaultServer,
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
from tests.providers.openai_fixtures import body, chunk, request_to
from tests.virtual_time import run_virtual

Outcome = tuple[list[ProviderEvent], SidecarError | None]

LIMITS = Limits(connect_timeout_ms=2_000, max_provider_event_bytes=100_000)
PLAIN_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
HELLO = sse(chunk("Hel"), chunk("lo"))
END = sse(chunk(finish="stop"), "[DONE]")


@asynccontextmanager
async def adapter() -> AsyncIterator[OpenAIChatProvider]:
    provider = OpenAIChatProvider(HttpClient(lambda: LIMITS))
    try:
        yield provider
    finally:
        await provider.aclose()


async def against(script: Script) -> Outcome:
    """The outcome of one request to a server that runs `script`; the provider must leave no connection open."""
    async with fault_server(script) as server:
        async with adapter() as provider:
            outcome = await outcome_of(provider, request_to(server.url))
        await server.all_hung_up()
    return outcome


def failure(script: Script) -> tuple[str, str]:
    """The code of the failure and the text before it."""
    events, error = run(against(script))
    assert error is not None
    assert not any(isinstance(event, Finish) for event in events)
    return error.code, text_of(events)


def answered(script: Script) -> str:
    events, error = run(against(script))
    assert error is None
    assert finish_of(events).reason == "stop"
    return text_of(events)


# --- answers that are well, if unusual ---


@pytest.mark.parametrize(
    "pieces",
    [
        (stream(HELLO + END),),
        (STREAM_HEAD, chunked(HELLO), chunked(END), LAST_CHUNK),
        (b"HTTP/1.1 100 Continue\r\n\r\n", stream(HELLO + END)),
        (STREAM_HEAD, *(chunked(b": keep-alive\n\n") for _ in range(200)), chunked(HELLO + END), LAST_CHUNK),
        (answer(200, HELLO + END, content_type="text/event-stream; charset=utf-8"),),
        (answer(200, HELLO + END, content_type="text/plain"),),
        (answer(200, HELLO + END, ("Set-Cookie", "a=b"), content_type="TEXT/EVENT-STREAM"),),
        (answer(200, json.dumps({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}).encode()),),
    ],
)
def test_an_answer_is_complete_however_it_is_packed(pieces: tuple[bytes, ...]) -> None:
    assert answered(saying(*pieces)) == "Hello"


def test_an_answer_that_drips_in_byte_by_byte_is_complete() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.drip(stream(HELLO + END))

    assert answered(script) == "Hello"


@pytest.mark.parametrize("end", [END, sse(chunk(finish="stop"))])
def test_an_answer_without_a_length_ends_with_its_connection(end: bytes) -> None:
    assert answered(saying_then_closing(PLAIN_HEAD + HELLO + end)) == "Hello"


def test_an_answer_ends_at_done_even_if_the_server_never_ends_the_body() -> None:
    assert answered(saying(STREAM_HEAD + chunked(HELLO + END))) == "Hello"


def test_a_reset_after_done_is_not_noticed() -> None:
    async def main() -> None:
        async with fault_server(saying(STREAM_HEAD + chunked(HELLO + END))) as server, adapter() as provider:
            async with provider.stream(request_to(server.url)) as batches:
                events = await anext(batches)
                server.connections[0].reset()
                await server.all_hung_up()
                assert [batch async for batch in batches] == []
            assert finish_of(events).reason == "stop"

    run(main())


# --- truncation ---


def test_a_body_cut_off_at_any_byte_is_truncated_unless_done_was_there() -> None:
    whole = chunked(HELLO) + chunked(END) + LAST_CHUNK
    done = whole.index(b"[DONE]\n\n") + len(b"[DONE]\n\n")

    async def main() -> None:
        cut = 0

        async def script(exchange: Exchange) -> None:
            await exchange.send(STREAM_HEAD + whole[:cut])
            exchange.close()

        async with fault_server(script) as server, adapter() as provider:
            for cut in range(len(whole)):
                events, error = await outcome_of(provider, request_to(server.url))
                if cut >= done:
                    assert error is None
                    assert finish_of(events).reason == "stop"
                else:
                    assert error is not None
                    assert error.code == "STREAM_TRUNCATED"
                    assert error.retryable
                    assert "Hello".startswith(text_of(events))

    run(main())


@pytest.mark.parametrize(
    "script",
    [
        saying_then_closing(STREAM_HEAD + chunked(HELLO)),
        saying_then_closing(STREAM_HEAD + chunked(HELLO)[:-2]),
        saying_then_closing(PLAIN_HEAD + HELLO),
        saying_then_closing(answer(200, HELLO + END, content_type="text/event-stream")[: -len(END)]),
        saying(STREAM_HEAD + chunked(HELLO) + LAST_CHUNK),
    ],
)
def test_a_body_that_stops_early_is_truncated_and_its_text_is_kept(script: Script) -> None:
    assert failure(script) == ("STREAM_TRUNCATED", "Hello")


def test_a_reset_in_the_middle_is_truncated() -> None:
    code, _ = failure(saying_then_resetting(STREAM_HEAD + chunked(HELLO)))
    assert code == "STREAM_TRUNCATED"


def test_a_short_json_completion_is_truncated() -> None:
    assert failure(saying_then_closing(answer(200, b'{"choices": []}')[:-3]))[0] == "STREAM_TRUNCATED"


# --- connecting ---


def network_failure(script: Script) -> str:
    events, error = run(against(script))
    assert not events
    assert error is not None
    assert error.code == "NETWORK_ERROR"
    assert error.retryable
    assert error.details is not None
    return str(error.details["errno"])


@pytest.mark.parametrize(
    "script",
    [
        saying_then_closing(),
        saying_then_resetting(),
        saying_then_closing(b"HTTP/1.1 200 OK\r\nContent-"),
        saying_then_resetting(b"HTTP/1.1 200"),
        saying_then_closing(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_a_server_that_hangs_up_before_the_answer_is_a_network_error(script: Script) -> None:
    assert network_failure(script) == "ECONNRESET"


def test_nobody_listening_is_said_in_words_that_help() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    async def main() -> Outcome:
        async with adapter() as provider:
            return await outcome_of(provider, request_to(f"http://127.0.0.1:{port}"))

    _, error = run(main())
    assert error is not None
    assert error.message == f"Unable to connect to 127.0.0.1:{port}; is the server running?"
    assert error.details == {"errno": "ECONNREFUSED"}


def test_localhost_is_refused_the_same_way_whatever_its_addresses_say() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    async def main() -> Outcome:
        async with adapter() as provider:
            return await outcome_of(provider, request_to(f"http://localhost:{port}"))

    _, error = run(main())
    assert error is not None
    assert error.details == {"errno": "ECONNREFUSED"}


def test_an_unknown_host_is_not_found() -> None:
    async def main() -> Outcome:
        async with adapter() as provider:
            return await outcome_of(provider, request_to("https://no-such-host.invalid"))

    _, error = run(main())
    assert error is not None
    assert error.details == {"errno": "ENOTFOUND"}
    assert "no-such-host.invalid:443" in error.message


def test_http_beyond_this_machine_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        async with adapter() as provider:
            request = request_to("http://example.com")
            _, error = await outcome_of(provider, request)
            assert error is not None
            assert error.code == "VALIDATION_ERROR"
            with pytest.raises(SidecarError):
                await provider.list_models(request.endpoint)

    run(main())


# --- what is not HTTP, or not the HTTP we accept ---


@pytest.mark.parametrize(
    "script",
    [
        saying(b"SSH-2.0-OpenSSH_9.6\r\n"),
        saying(b"\x15\x03\x01\x00\x02\x02\x16"),
        saying_then_closing(b"garbage\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000),
        saying(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        saying(b"HTTP/1.1 204 No Content\r\n\r\n"),
        saying(answer(206, b"{}")),
        saying(answer(200, b"<html>login</html>", content_type="text/html")),
        saying(answer(200, b"{}", content_type="application/x-ndjson")),
        saying(answer(200, b"{}")),
        saying(answer(200, b"")),
        saying(answer(200, b"not json")),
        saying(stream(sse("[DONE]"))),
        saying(stream(b"data: not json\n\n")),
        saying(stream(b"data: \xff\n\n")),
        saying(answer(200, gzip.compress(HELLO + END), ("Content-Encoding", "gzip"), content_type="text/event-stream")),
        saying(answer(200, b"x", ("Content-Encoding", "br"), content_type="text/event-stream")),
        saying(answer(500, gzip.compress(b"{}"), ("Content-Encoding", "gzip"))),
    ],
)
def test_what_the_protocol_does_not_allow_is_a_protocol_error(script: Script) -> None:
    assert failure(script) == ("PROVIDER_PROTOCOL_ERROR", "")


@pytest.mark.parametrize("garbage", [b"ZZZ\r\nfoo", b"5\r\nhelloXX", b"-1\r\n", b"FFFFFFFFFFFFFFFFF\r\n"])
def test_broken_chunk_framing_in_the_middle_is_a_protocol_error_and_no_hang(garbage: bytes) -> None:
    async def main() -> Outcome:
        came = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await exchange.send(STREAM_HEAD + chunked(HELLO))
            await came.wait()
            await exchange.send(garbage)

        events: list[ProviderEvent] = []
        async with fault_server(script) as server, adapter() as provider:
            try:
                async with provider.stream(request_to(server.url)) as batches:
                    async for batch in batches:
                        events += batch
                        came.set()
            except SidecarError as error:
                return events, error
        return events, None

    events, error = run(main())
    assert text_of(events) == "Hello"
    assert error is not None
    assert error.code == "PROVIDER_PROTOCOL_ERROR"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(HELLO + END))) as target, adapter() as provider:
            location = ("Location", f"{target.url}/v1/chat/completions")
            async with fault_server(saying(answer(status, b"", location))) as server:
                _, error = await outcome_of(provider, request_to(server.url, key="sk-canary"))
            assert error is not None
            assert error.code == "PROVIDER_PROTOCOL_ERROR"
            assert "redirect" in error.message
            assert target.connections == []

    run(main())


@pytest.mark.parametrize(
    ("endless", "text"),
    [(b"data: " + b"x" * 65_536, ""), (b": " + b"x" * 65_536, ""), (b"x" * 65_536, ""), (b"data: x\n" * 8_192, "")],
)
def test_an_endless_line_or_event_is_a_protocol_error_in_bounded_memory(endless: bytes, text: str) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(STREAM_HEAD)
        while not exchange.hung_up.is_set():
            await exchange.send(chunked(endless))

    tracemalloc.start()
    try:
        assert failure(script) == ("PROVIDER_PROTOCOL_ERROR", text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_a_body_above_the_limit_is_a_protocol_error(content_type: str) -> None:
    huge = json.dumps({"choices": [{"message": {"content": "x" * 200_000}, "finish_reason": "stop"}]}).encode()
    script = saying(answer(200, b"data: " + huge if "event" in content_type else huge, content_type=content_type))
    assert failure(script) == ("PROVIDER_PROTOCOL_ERROR", "")


# --- errors that the server reports ---


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (saying(answer(401, b'{"error": {"code": "invalid_api_key"}}')), "AUTH_ERROR"),
        (saying(answer(429, b'{"error": {"code": "rate_limit_exceeded"}}', ("Retry-After", "3"))), "RATE_LIMIT"),
        (saying(answer(429, b'{"error": {"type": "insufficient_quota"}}')), "INSUFFICIENT_QUOTA"),
        (saying(answer(404, b'{"error": {"code": "model_not_found"}}')), "INVALID_MODEL"),
        (saying(answer(400, b'{"error": {"type": "exceed_context_size_error"}}')), "CONTEXT_LENGTH_EXCEEDED"),
        (saying(answer(503, b'{"error": {"message": "Loading model"}}')), "PROVIDER_OVERLOADED"),
        (saying(answer(500, b"<html>oops</html>", content_type="text/html")), "SERVER_ERROR"),
        (saying(answer(502, b"")), "SERVER_ERROR"),
        (saying_then_closing(answer(401, b"x" * 100)[:-50]), "AUTH_ERROR"),
        (saying_then_resetting(answer(401, b"x" * 100)[:-50]), "AUTH_ERROR"),
        (saying(answer(401, b"x" * 10_000_000)), "AUTH_ERROR"),
        (saying(answer(200, b'{"error": {"code": 429}}')), "RATE_LIMIT"),
    ],
)
def test_an_error_status_is_typed_whatever_its_body(script: Script, code: str) -> None:
    assert failure(script) == (code, "")


def test_an_error_whose_body_never_comes_is_typed_by_its_status() -> None:
    _, error = run_virtual(against(saying(answer(401, b"x" * 100)[:-50])))
    assert error is not None
    assert error.code == "AUTH_ERROR"


def test_the_wait_of_a_rate_limit_reaches_the_caller() -> None:
    _, error = run(against(saying(answer(429, b"{}", ("Retry-After", "3"), ("retry-after-ms", "2500")))))
    assert error is not None
    assert error.retry_after_ms == 2_500


def test_an_error_in_the_middle_of_a_stream_comes_after_the_text_before_it() -> None:
    assert failure(saying(stream(body("error_openai.sse")))) == ("SERVER_ERROR", "partial")


# --- what is sent ---


async def requests_of(script: Script, *requests: tuple[str, str | None]) -> FaultServer:
    async with fault_server(script) as server, adapter() as provider:
        for model_id, key in requests:
            await outcome_of(provider, request_to(server.url, key=key, model_id=model_id))
    return server


def test_a_request_says_who_asks_for_what_and_nothing_else() -> None:
    server = run(requests_of(saying(stream(HELLO + END)), ("m", "sk-1")))
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.json["model"] == "m"
    headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
    assert headers.pop("user-agent").startswith("llm-sidecar/")
    assert headers == {
        "authorization": "Bearer sk-1",
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
    }


def test_without_a_key_no_authorization_is_sent() -> None:
    server = run(requests_of(saying(stream(HELLO + END)), ("m", None), ("m", "")))
    assert [request.headers.get("authorization") for request in server.requests] == [None, None]


@pytest.mark.parametrize("key", ["sk-1\r\nX-Evil: 1", "sk-1\n", "schlüssel", "sk\x00"])
def test_a_key_that_is_no_header_value_is_refused_unsent_and_unquoted(key: str) -> None:
    async def main() -> None:
        async with fault_server(saying(stream(HELLO + END))) as server, adapter() as provider:
            _, error = await outcome_of(provider, request_to(server.url, key=key))
            assert error is not None
            assert error.code == "AUTH_ERROR"
            assert key not in error.message
            assert server.connections == []

    run(main())


def test_a_large_request_arrives_whole() -> None:
    parts = [TextPart(text=f"{n:05d}" * 20_000) for n in range(60)]

    async def main() -> None:
        async with fault_server(saying(stream(HELLO + END))) as server, adapter() as provider:
            messages = [Message(role="user", content=list(parts))]
            assert text_of(await events_of(provider, request_to(server.url, messages=messages))) == "Hello"
            sent = server.requests[0].json["messages"][0]["content"]
            assert [part["text"] for part in sent] == [part.text for part in parts]

    run(main())


# --- connections ---


def test_one_connection_serves_one_answer_after_the_other() -> None:
    server = run(requests_of(saying(stream(HELLO + END)), *[("m", None)] * 5))
    assert len(server.requests) == 5
    assert len(server.connections) == 1


def test_a_connection_is_reused_even_if_the_end_of_the_body_comes_after_done() -> None:
    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.send(STREAM_HEAD + chunked(HELLO + END))
            await asyncio.wait_for(asyncio.shield(left.wait()), 5)
            await exchange.send(LAST_CHUNK)

        async with fault_server(script) as server, adapter() as provider:
            for _ in range(3):
                left = asyncio.Event()
                await events_of(provider, request_to(server.url))
                left.set()
                await returned_to_pool(provider)
            assert len(server.connections) == 1

    run(main())


async def returned_to_pool(provider: OpenAIChatProvider) -> None:
    session = provider._http._here
    assert session is not None
    connector = session.connector
    assert connector is not None
    while not connector._conns:
        await asyncio.sleep(0)


def test_a_body_that_never_ends_after_done_costs_its_connection() -> None:
    async def main() -> None:
        async with fault_server(saying(STREAM_HEAD + chunked(HELLO + END))) as server, adapter() as provider:
            await events_of(provider, request_to(server.url))
            assert not server.connections[0].hung_up.is_set()
            await server.all_hung_up()

    run_virtual(main())


def test_a_failed_answer_does_not_poison_the_next_one() -> None:
    async def main() -> None:
        answers = iter([saying(STREAM_HEAD + chunked(b"data: garbage\n\n")), saying(stream(HELLO + END))])

        async def script(exchange: Exchange) -> None:
            await next(answers)(exchange)

        async with fault_server(script) as server, adapter() as provider:
            assert (await outcome_of(provider, request_to(server.url)))[1] is not None
            assert text_of(await events_of(provider, request_to(server.url))) == "Hello"
            assert len(server.connections) == 2

    run(main())


def test_a_provider_that_is_not_read_is_held_back() -> None:
    """What is not asked for is not read: the server cannot write more than the buffers between us take."""
    size = 64 * 1024 * 1024

    async def main() -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.send(STREAM_HEAD + chunked(HELLO))
            await exchange.send(chunked(b": " + b"x" * size))

        async with (
            fault_server(script) as server,
            adapter() as provider,
            provider.stream(request_to(server.url)) as batches,
        ):
            await anext(batches)
            stuck, unsent = 0, -1
            while stuck < 200:
                await asyncio.sleep(0)
                left = server.connections[0].transport.get_write_buffer_size()
                stuck, unsent = (stuck + 1, left) if left == unsent else (0, left)
            assert unsent > size // 2

    run(main())


def test_batches_follow_the_reads() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await exchange.send(STREAM_HEAD + chunked(sse(chunk("a"))))
            await go_on.wait()
            await exchange.send(chunked(sse(chunk("b"), chunk("c")) + END) + LAST_CHUNK)

        async with (
            fault_server(script) as server,
            adapter() as provider,
            provider.stream(request_to(server.url)) as batches,
        ):
            assert text_of(await anext(batches)) == "a"
            go_on.set()
            assert text_of(await anext(batches)) == "bc"

    run(main())


# --- models ---


def listing(*ids: str) -> bytes:
    return answer(200, json.dumps({"data": [{"id": name} for name in ids]}).encode())


def test_models_are_listed_with_the_context_their_server_names() -> None:
    models = {
        "data": [
            {"id": "a", "object": "model"},
            {"id": "b", "max_model_len": 4096},
            {"id": "c", "context_length": 8192, "top_provider": {"x": 1}},
            {"id": "d", "meta": {"n_ctx": 512, "n_ctx_train": 4096}},
            {"id": "e", "context_window": 16},
            {"id": "", "object": "model"},
            {"object": "model"},
        ]
    }

    async def main() -> list[ModelDescription]:
        async with fault_server(saying(answer(200, json.dumps(models).encode()))) as server, adapter() as provider:
            found = await provider.list_models(Endpoint("openai-compatible", server.url, "sk-1"))
            assert (server.requests[0].method, server.requests[0].path) == ("GET", "/v1/models")
            return found

    assert run(main()) == [
        ModelDescription("a"),
        ModelDescription("b", context_window=4096),
        ModelDescription("c", context_window=8192),
        ModelDescription("d", context_window=512),
        ModelDescription("e", context_window=16),
    ]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (answer(401, b""), "AUTH_ERROR"),
        (answer(200, b"<html>"), "PROVIDER_PROTOCOL_ERROR"),
        (answer(200, b'{"data": 7}'), "PROVIDER_PROTOCOL_ERROR"),
        (answer(200, b"[" * 50_000), "PROVIDER_PROTOCOL_ERROR"),
        (answer(200, b" " * 200_000), "PROVIDER_PROTOCOL_ERROR"),
    ],
)
def test_a_list_of_models_that_cannot_be_had_is_a_typed_error(said: bytes, code: str) -> None:
    async def main() -> None:
        async with fault_server(saying(said)) as server, adapter() as provider:
            with pytest.raises(SidecarError) as failed:
                await provider.list_models(Endpoint("openai-compatible", server.url))
            assert failed.value.code == code

    run(main())


def test_without_a_model_the_first_one_listed_answers_and_is_remembered() -> None:
    async def main() -> list[str]:
        async def script(exchange: Exchange) -> None:
            is_listing = exchange.request.path == "/v1/models"
            await exchange.send(listing("first", "second") if is_listing else stream(HELLO + END))

        async with fault_server(script) as server, adapter() as provider:
            for _ in range(2):
                await events_of(provider, request_to(server.url, model_id=""))
            return [request.json["model"] if request.body else request.path for request in server.requests]

    assert run(main()) == ["/v1/models", "first", "first"]


def test_a_remembered_model_that_is_gone_is_asked_for_again() -> None:
    async def main() -> list[str]:
        async def script(exchange: Exchange) -> None:
            if exchange.request.path == "/v1/models":
                await exchange.send(listing("old" if len(server.requests) == 1 else "new"))
            elif exchange.request.json["model"] == "old":
                await exchange.send(answer(404, b'{"error": {"code": "model_not_found"}}'))
            else:
                await exchange.send(stream(HELLO + END))

        async with fault_server(script) as server, adapter() as provider:
            _, error = await outcome_of(provider, request_to(server.url, model_id=""))
            assert error is not None
            assert error.code == "INVALID_MODEL"
            await events_of(provider, request_to(server.url, model_id=""))
            return [request.json["model"] for request in server.requests if request.body]

    assert run(main()) == ["old", "new"]


def test_without_a_model_and_without_a_list_the_model_is_missing() -> None:
    async def main() -> None:
        async with fault_server(saying(answer(200, b'{"data": []}'))) as server, adapter() as provider:
            _, error = await outcome_of(provider, request_to(server.url, model_id=""))
            assert error is not None
            assert error.code == "INVALID_MODEL"

    run(main())


def test_an_answer_can_be_asked_for_again_after_the_provider_was_closed() -> None:
    async def main() -> None:
        async with fault_server(saying(stream(HELLO + END))) as server, adapter() as provider:
            await batches_of(provider, request_to(server.url))
            await provider.aclose()
            await provider.aclose()
            assert text_of(await events_of(provider, request_to(server.url))) == "Hello"

    run(main())
