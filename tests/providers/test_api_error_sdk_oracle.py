"""The official SDKs as a second opinion on errors: the same answer of the same server, their exception and ours.

They know a status better than anyone; what the table of ours adds (quota beside rate limit, a prompt that is too long,
an unknown model) they leave to the reader of the message. So: their class must be one that our code can come from, the
name we pass on must be one they read, the wait must be theirs, and we must retry what they retry, but for what is named
in `ANOTHER_ATTEMPT_CANNOT_HELP`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, get_args

import anthropic
import openai
import pytest
from anthropic.types.shared.error_type import ErrorType
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from openai._constants import MAX_RETRY_AFTER_DELAY
from openai.types.responses.response_error import ResponseError

from llm_sidecar.errors import ProviderError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.exchange import exchange
from llm_sidecar.providers.http.client import HttpClient
from llm_sidecar.providers.refusals.reading import error_from_event
from tests.providers.contract import run
from tests.providers.error_corpus import CORPUS, RecordedError
from tests.providers.fault_server import Exchange, answer, fault_server, sse, stream

KEY: Final = "sk-0123456789abcdefghij"
SPEAK_OPENAI: Final = sorted({vendor for vendor, _ in CORPUS} - {"anthropic", "google", "ollama", "proxies"})
REFUSED: Final = {"AUTH_ERROR", "INVALID_REQUEST", "INVALID_MODEL", "CONTEXT_LENGTH_EXCEEDED", "INSUFFICIENT_QUOTA"}
FAILED: Final = {"SERVER_ERROR", "PROVIDER_OVERLOADED"}
ANOTHER_ATTEMPT_CANNOT_HELP: Final = {"INSUFFICIENT_QUOTA", "CONTEXT_LENGTH_EXCEEDED", "INVALID_REQUEST"}
"""What we never retry, whatever the status: 429 for a quota, 500 for a prompt or an image, 501."""
PASSES_BY_WAITING: Final = {402: "RATE_LIMIT", 425: "SERVER_ERROR", 498: "PROVIDER_OVERLOADED", 499: "SERVER_ERROR"}
"""What we retry and the SDKs do not know: OpenRouter's budget in flight, too early, Groq's capacity, a call cut off."""


def sent(recorded: RecordedError) -> bytes:
    assert recorded.status is not None
    headers = dict(recorded.headers)
    content_type = headers.pop("content-type", "application/json")
    return answer(recorded.status, recorded.body, *headers.items(), content_type=content_type)


def before_the_stream(vendor: str) -> list[RecordedError]:
    return [recorded for (owner, _), recorded in CORPUS.items() if owner == vendor and recorded.status is not None]


def in_the_stream(vendor: str) -> list[RecordedError]:
    return [recorded for (owner, _), recorded in CORPUS.items() if owner == vendor and recorded.status is None]


async def both(
    records: list[RecordedError], say: Callable[[RecordedError], bytes], ask: Callable[[str], Awaitable[Exception]]
) -> list[tuple[RecordedError, Exception]]:
    """What the SDK raises for each record, sent by a real server."""
    found = []
    current = records[0]

    async def script(connection: Exchange) -> None:
        await connection.send(say(current))

    async with fault_server(script) as server:
        for current in records:
            found.append((current, await ask(server.url)))  # noqa: PERF401
    return found


async def ours(records: list[RecordedError]) -> list[ProviderError]:
    """What our own request to the same server raises."""
    http = HttpClient(Limits)

    async def ask(url: str) -> Exception:
        with pytest.raises(ProviderError) as caught:
            async with exchange(
                http, url, {"Authorization": f"Bearer {KEY}"}, b"{}", endpoint=Endpoint("openai", url, KEY)
            ):
                pass
        return caught.value

    try:
        return [error for _, error in await both(records, sent, ask) if isinstance(error, ProviderError)]
    finally:
        await http.aclose()


def agree_on_retrying(failure: ProviderError, theirs: bool) -> bool:
    if failure.retryable:
        too_long_for_them = (failure.retry_after_ms or 0) > MAX_RETRY_AFTER_DELAY * 1000
        return theirs or too_long_for_them or PASSES_BY_WAITING.get(failure.status or 0) == failure.code
    return not theirs or failure.code in ANOTHER_ATTEMPT_CANNOT_HELP


def agree_on_waiting(recorded: RecordedError, failure: ProviderError, seconds: float | None) -> bool:
    if "date" in recorded.headers:  # they measure a date by their own clock, we by the one of who wrote it
        return True
    return failure.retry_after_ms == (None if seconds is None else round(seconds * 1000))


# --- OpenAI ---

OPENAI: Final[dict[type[Exception], set[str]]] = {
    openai.BadRequestError: REFUSED,
    openai.AuthenticationError: {"AUTH_ERROR"},
    openai.PermissionDeniedError: REFUSED - {"CONTEXT_LENGTH_EXCEEDED"},
    openai.NotFoundError: {"INVALID_MODEL", "INVALID_REQUEST"},
    openai.ConflictError: {"SERVER_ERROR"},
    openai.UnprocessableEntityError: {"INVALID_REQUEST"},
    openai.RateLimitError: {"RATE_LIMIT", "INSUFFICIENT_QUOTA"},
    openai.InternalServerError: FAILED | {"INVALID_REQUEST"},
    openai.APIStatusError: FAILED | {"RATE_LIMIT", "INSUFFICIENT_QUOTA", "CONTEXT_LENGTH_EXCEEDED"},
}


@pytest.mark.parametrize("vendor", SPEAK_OPENAI)
def test_openai_s_exception_is_one_that_our_code_can_come_from(vendor: str) -> None:
    async def main() -> None:
        client = openai.AsyncOpenAI(base_url="http://127.0.0.1:1/v1", api_key=KEY, max_retries=0)

        async def ask(url: str) -> Exception:
            with pytest.raises(openai.APIStatusError) as caught:
                await client.with_options(base_url=f"{url}/v1").chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "hi"}], stream=True
                )
            return caught.value

        records = before_the_stream(vendor)
        async with client:
            theirs = await both(records, sent, ask)
        for (recorded, error), failure in zip(theirs, await ours(records), strict=True):
            assert isinstance(error, openai.APIStatusError)
            said = f"{recorded}: {type(error).__name__}, {failure}"
            assert failure.status == error.status_code == recorded.status, said
            assert failure.code in OPENAI[type(error)], said
            assert agree_on_retrying(failure, client._should_retry(error.response)), said
            if failure.retryable:
                seconds = client._parse_retry_after_header(error.response.headers)
                assert agree_on_waiting(recorded, failure, seconds), said
            name = (failure.details or {}).get("providerCode")
            if name is not None and vendor != "openrouter" and "filtered" not in recorded.name:
                assert name in (error.code, error.type), said

    run(main())


def test_openai_raises_for_an_error_in_a_chat_stream_and_so_do_we() -> None:
    records = [
        recorded for vendor in ("azure", "deepseek", "llamacpp", "openrouter") for recorded in in_the_stream(vendor)
    ]
    records = [recorded for recorded in records if b'"type": "response.' not in recorded.body]

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url="http://127.0.0.1:1/v1", api_key=KEY, max_retries=0) as client:

            async def ask(url: str) -> Exception:
                chunks = await client.with_options(base_url=f"{url}/v1").chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "hi"}], stream=True
                )
                with pytest.raises(openai.APIError) as caught:
                    async for _ in chunks:
                        pass
                return caught.value

            for recorded, error in await both(records, lambda recorded: stream(sse(recorded.body.decode())), ask):
                assert isinstance(error, openai.APIError)
                name = (recorded.typed().details or {}).get("providerCode")
                assert name is None or name in (error.code, error.type) or recorded.vendor == "openrouter"

    run(main())


def test_every_code_a_response_can_fail_with_is_known() -> None:
    codes = get_args(ResponseError.model_fields["code"].annotation)
    assert len(codes) > 15
    outcomes = {code: error_from_event(b'{"error": {"code": "%s"}}' % code.encode()).code for code in codes}
    assert {code for code, outcome in outcomes.items() if outcome == "SERVER_ERROR"} == {
        "server_error",
        "vector_store_timeout",
    }
    assert {code for code, outcome in outcomes.items() if outcome == "RATE_LIMIT"} == {"rate_limit_exceeded"}
    assert set(outcomes.values()) == {"SERVER_ERROR", "RATE_LIMIT", "INVALID_REQUEST"}


# --- Anthropic ---

ANTHROPIC: Final[dict[type[Exception], set[str]]] = {
    anthropic.BadRequestError: {"INVALID_REQUEST", "CONTEXT_LENGTH_EXCEEDED", "INSUFFICIENT_QUOTA"},
    anthropic.AuthenticationError: {"AUTH_ERROR"},
    anthropic.PaymentRequiredError: {"INSUFFICIENT_QUOTA"},
    anthropic.PermissionDeniedError: {"AUTH_ERROR"},
    anthropic.NotFoundError: {"INVALID_MODEL", "INVALID_REQUEST"},
    anthropic.ConflictError: {"SERVER_ERROR"},
    anthropic.ContentTooLargeError: {"CONTEXT_LENGTH_EXCEEDED"},
    anthropic.RateLimitError: {"RATE_LIMIT", "INSUFFICIENT_QUOTA"},
    anthropic.InternalServerError: {"SERVER_ERROR"},
    anthropic.GatewayTimeoutError: {"SERVER_ERROR"},
    anthropic.OverloadedError: {"PROVIDER_OVERLOADED"},
}


def kind_of(error: Exception) -> type[Exception]:
    """The class of a status: Anthropic has one for some error codes, below it."""
    return next(kind for kind in type(error).__mro__ if kind in ANTHROPIC)


def test_anthropic_s_exception_is_one_that_our_code_can_come_from() -> None:
    async def main() -> None:
        client = anthropic.AsyncAnthropic(base_url="http://127.0.0.1:1", api_key=KEY, max_retries=0)

        async def ask(url: str) -> Exception:
            with pytest.raises(anthropic.APIStatusError) as caught:
                await client.with_options(base_url=url).messages.create(
                    model="m", max_tokens=5, messages=[{"role": "user", "content": "hi"}], stream=True
                )
            return caught.value

        records = before_the_stream("anthropic")
        async with client:
            theirs = await both(records, sent, ask)
        for (recorded, error), failure in zip(theirs, await ours(records), strict=True):
            assert isinstance(error, anthropic.APIStatusError)
            said = f"{recorded}: {type(error).__name__}, {failure}"
            assert failure.status == error.status_code == recorded.status, said
            assert failure.code in ANTHROPIC[kind_of(error)], said
            assert (failure.details or {})["providerCode"] == (error.error_code or error.type), said
            assert agree_on_retrying(failure, client._should_retry(error.response)), said
            if failure.retryable:
                seconds = client._parse_retry_after_header(error.response.headers)
                assert agree_on_waiting(recorded, failure, seconds), said

    run(main())


def test_anthropic_raises_for_an_error_in_a_stream_and_so_do_we() -> None:
    async def main() -> None:
        async with anthropic.AsyncAnthropic(base_url="http://127.0.0.1:1", api_key=KEY, max_retries=0) as client:

            async def ask(url: str) -> Exception:
                events = await client.with_options(base_url=url).messages.create(
                    model="m", max_tokens=5, messages=[{"role": "user", "content": "hi"}], stream=True
                )
                with pytest.raises(anthropic.APIStatusError) as caught:
                    async for _ in events:
                        pass
                return caught.value

            def say(recorded: RecordedError) -> bytes:
                return stream(b"event: error\ndata: " + recorded.body + b"\n\n")

            for recorded, error in await both(in_the_stream("anthropic"), say, ask):
                assert isinstance(error, anthropic.APIStatusError)
                assert (recorded.typed().details or {})["providerCode"] == error.type

    run(main())


def test_every_type_anthropic_knows_is_known() -> None:
    types = {kind for kind in get_args(ErrorType) if not kind.startswith("memory_")}  # another API's
    outcomes = {kind: error_from_event(b'{"error": {"type": "%s"}}' % kind.encode()).code for kind in types}
    assert outcomes == {
        "invalid_request_error": "INVALID_REQUEST",
        "authentication_error": "AUTH_ERROR",
        "billing_error": "INSUFFICIENT_QUOTA",
        "permission_error": "AUTH_ERROR",
        "not_found_error": "INVALID_REQUEST",
        "rate_limit_error": "RATE_LIMIT",
        "timeout_error": "SERVER_ERROR",
        "api_error": "SERVER_ERROR",
        "overloaded_error": "PROVIDER_OVERLOADED",
        "conflict_error": "SERVER_ERROR",
    }


# --- Google ---

GOOGLE: Final[dict[type[Exception], set[str]]] = {
    genai_errors.ClientError: REFUSED | {"RATE_LIMIT", "SERVER_ERROR"},
    genai_errors.ServerError: FAILED,
}


google_s_own_warning = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession from ClientSession:DeprecationWarning"
)


def at(url: str) -> genai_types.GenerateContentConfig:
    return genai_types.GenerateContentConfig(http_options=genai_types.HttpOptions(base_url=url))


@google_s_own_warning
def test_google_s_exception_is_one_that_our_code_can_come_from() -> None:
    async def main() -> None:
        async def ask(url: str) -> Exception:
            with pytest.raises(genai_errors.APIError) as caught:
                await client.models.generate_content(model="m", contents="hi", config=at(url))
            return caught.value

        records = [recorded for recorded in before_the_stream("google") if recorded.headers == {}]
        async with genai.Client(api_key=KEY).aio as client:
            theirs = await both(records, sent, ask)
        for (recorded, error), failure in zip(theirs, await ours(records), strict=True):
            assert isinstance(error, genai_errors.APIError)
            said = f"{recorded}: {type(error).__name__}, {failure}"
            assert failure.status == error.code == recorded.status, said
            assert failure.code in GOOGLE[type(error)], said
            details = error.details["error"].get("details", [])
            reasons = [detail["reason"] for detail in details if "reason" in detail]
            assert (failure.details or {})["providerCode"] == (reasons or [error.status])[0], said

    run(main())


@google_s_own_warning
def test_google_raises_for_an_error_in_a_stream_and_so_do_we() -> None:
    async def main() -> None:
        async def ask(url: str) -> Exception:
            with pytest.raises(genai_errors.APIError) as caught:
                async for _ in await client.models.generate_content_stream(model="m", contents="hi", config=at(url)):
                    pass
            return caught.value

        records = [recorded for recorded in in_the_stream("google") if recorded.body.startswith(b'{"error": {"code"')]
        assert records
        async with genai.Client(api_key=KEY).aio as client:
            theirs = await both(records, lambda recorded: stream(sse(recorded.body.decode())), ask)
        for recorded, error in theirs:
            assert isinstance(error, genai_errors.APIError)
            failure = recorded.typed()
            assert failure.status == error.code
            assert (failure.details or {})["providerCode"] == error.status

    run(main())
