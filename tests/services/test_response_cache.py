"""The response cache: which requests are the same, what is kept and for how long, and that a hit is the same answer."""

from __future__ import annotations

import asyncio
import json
from itertools import groupby
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.inference import InferenceParams
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
from llm_sidecar.services.inference.provider_request import provider_request
from llm_sidecar.services.inference.recording import RecordedAnswer
from llm_sidecar.services.inference.response_cache import ResponseCache, cache_key
from llm_sidecar.services.routing import Route
from tests.services.host import Event, Host, Refused, play, settle
from tests.virtual_time import run_virtual

# --- the key ---

WORDS = st.text(st.sampled_from('ab"\\é€😀\x01'), max_size=4)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=3)
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": WORDS}),
    st.fixed_dictionaries({"type": st.just("image"), "url": st.sampled_from(["http://a", "http://b"])}),
    st.fixed_dictionaries({"type": st.just("image"), "mediaType": st.just("image/png"), "data": WORDS}),
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "content": WORDS | st.lists(PARTS, max_size=2)},
        optional={
            "toolCalls": st.lists(
                st.fixed_dictionaries({"id": WORDS, "name": st.just("f"), "arguments": WORDS}), max_size=2
            ),
            "providerState": OBJECTS,
        },
    ),
    min_size=1,
    max_size=2,
)
QUESTION: dict[str, st.SearchStrategy[Any]] = {
    "systemPrompt": WORDS,
    "temperature": st.sampled_from([0, 0.5, 1, 2]),
    "maxTokens": st.integers(1, 5),
    "topP": st.sampled_from([0, 0.5, 1]),
    "stop": st.lists(st.sampled_from(["x", "y"]), max_size=2),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "tools": st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["f", "g"])},
            optional={"description": WORDS, "parameters": OBJECTS, "strict": st.booleans()},
        ),
        max_size=2,
    ),
    "toolChoice": st.sampled_from(["auto", "none", "required", {"name": "auto"}, {"name": "f"}]),
    "responseFormat": st.one_of(
        st.sampled_from([{"type": "text"}, {"type": "json"}]),
        st.fixed_dictionaries({"type": st.just("jsonSchema"), "name": st.just("n"), "schema": OBJECTS}),
    ),
    "reasoning": st.fixed_dictionaries(
        {}, optional={"effort": st.sampled_from(["low", "high"]), "budgetTokens": st.integers(1, 3)}
    ),
}
QUESTIONS = st.fixed_dictionaries({"messages": MESSAGES}, optional=QUESTION)
STANDS_FOR_NOTHING: dict[str, Any] = {
    "stop": [],
    "tools": [],
    "toolChoice": "auto",
    "responseFormat": {"type": "text"},
    "reasoning": {},
}
CHANGES_NO_ANSWER: dict[str, Any] = {
    "inferenceId": "other",
    "stream": False,
    "timeoutMs": 1_000,
    "firstTokenTimeoutMs": 5,
    "chunkTimeoutMs": 5,
    "retry": {"maxRetries": 0},
    "fallbackProfileIds": ["demo"],
    "cache": True,
    "queue": True,
    "windowId": "w",
    "metadata": {"k": "v"},
}


def key(
    question: dict[str, Any], endpoint: Endpoint | None = None, model_id: str = "m", attempt: int = 1
) -> str | None:
    params = msgspec.json.decode(json.dumps(question).encode(), type=InferenceParams)
    unused: Any = None
    endpoint = endpoint or Endpoint("openai-compatible", "http://host/v1")
    return cache_key(provider_request(params, Route(unused, endpoint, model_id, None), attempt))


def turned(value: Any) -> Any:
    """The same JSON value, the names of every object in the opposite order."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


def meaning(question: dict[str, Any]) -> str:
    """A question by its own rules: two with the same meaning are the same question."""
    kept = {name: value for name, value in question.items() if value != STANDS_FOR_NOTHING.get(name)}
    for name in ("temperature", "topP"):
        if name in kept:
            kept[name] = float(kept[name])
    return json.dumps(kept, sort_keys=True)


@given(QUESTIONS)
def test_the_order_of_names_does_not_matter(question: dict[str, Any]) -> None:
    assert key(turned(question)) == key(question)
    assert key(question) is not None


@given(QUESTIONS, st.sampled_from(sorted(CHANGES_NO_ANSWER)))
def test_what_cannot_change_the_answer_does_not_matter(question: dict[str, Any], name: str) -> None:
    assert key({**question, name: CHANGES_NO_ANSWER[name]}) == key(question)


@pytest.mark.parametrize("name", STANDS_FOR_NOTHING)
def test_a_default_that_is_spelt_out_does_not_matter(name: str) -> None:
    question = {"messages": [{"role": "user", "content": "Hi"}]}
    assert key({**question, name: STANDS_FOR_NOTHING[name]}) == key(question)


@given(QUESTIONS, QUESTIONS)
def test_two_questions_have_one_key_only_if_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (key(one) == key(other)) is (meaning(one) == meaning(other))


@pytest.mark.parametrize("name", QUESTION)
@settings(max_examples=20)
@given(question=QUESTIONS, data=st.data())
def test_everything_that_can_change_the_answer_matters(
    name: str, question: dict[str, Any], data: st.DataObject
) -> None:
    changed = {**question, name: data.draw(QUESTION[name])}
    assume(meaning(changed) != meaning(question))
    assert key(changed) != key(question)


def test_every_param_is_known_to_matter_or_not() -> None:
    """A new one must be put on one side."""
    known = {"messages", "profileId", "providerId", "modelId", *QUESTION, *CHANGES_NO_ANSWER}
    assert {field.encode_name for field in msgspec.structs.fields(InferenceParams)} == known


def test_every_field_of_a_request_but_the_attempt_matters() -> None:
    matters = {*QUESTION, "endpoint", "modelId", "messages"}
    fields = {
        "".join(p.capitalize() if n else p for n, p in enumerate(f.split("_")))
        for f in ProviderRequest.__struct_fields__
    }
    assert fields - matters == {"attempt"}


def test_who_is_asked_and_for_which_model_matters_and_with_which_key_or_for_which_time_does_not() -> None:
    question = {"messages": [{"role": "user", "content": "Hi"}]}
    base = Endpoint("openai-compatible", "http://host/v1", "key")
    same = [
        key(question, base),
        key(question, Endpoint("openai-compatible", "http://host/v1", "another key")),
        key(question, Endpoint("openai-compatible", "http://host/v1", None)),
        key(question, base, attempt=7),
    ]
    others = [
        key(question, base, "other model"),
        key(question, Endpoint("vllm", "http://host/v1", "key")),
        key(question, Endpoint("openai-compatible", "http://host/v2", "key")),
    ]
    assert len(set(same)) == 1
    assert len({same[0], *others}) == 4


def test_a_key_is_a_sha256() -> None:
    found = key({"messages": [{"role": "user", "content": "Hi"}]})
    assert found is not None
    assert len(bytes.fromhex(found)) == 32


def test_what_json_cannot_hold_has_no_key() -> None:
    message = msgspec.json.decode(b'{"messages": [{"role": "user", "content": "x"}]}', type=InferenceParams).messages[0]
    message.content = "\ud800"
    assert cache_key(ProviderRequest(Endpoint("demo", "demo:"), "m", [message])) is None


# --- the store ---


class Shelf:
    """A cache on a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cache = ResponseCache(lambda: self.now)

    def keep(self, name: str, size: int = 10) -> None:
        self.cache.keep(name, RecordedAnswer([TextDelta(name)], 0, size))

    def has(self, name: str) -> bool:
        found = self.cache.find(name)
        assert found is None or found.events == [TextDelta(name)]
        return found is not None

    def figures(self) -> tuple[int, int, int, int]:
        figures = self.cache.figures
        return figures.entries, figures.bytes, figures.hits, figures.misses


def test_what_was_kept_is_found_and_every_question_is_counted() -> None:
    shelf = Shelf()
    assert not shelf.has("a")
    shelf.keep("a")
    assert shelf.has("a")
    assert shelf.has("a")
    assert shelf.figures() == (1, 10, 2, 1)


def test_there_are_a_hundred_and_the_least_recently_used_goes_first() -> None:
    shelf = Shelf()
    for number in range(100):
        shelf.keep(f"{number}")
    assert shelf.has("0")
    shelf.keep("one more")
    assert shelf.has("0")
    assert not shelf.has("1")
    assert shelf.has("2")
    assert shelf.cache.figures.entries == 100


def test_after_an_hour_an_answer_is_gone_however_often_it_was_given() -> None:
    shelf = Shelf()
    shelf.keep("a")
    for _ in range(59):
        shelf.now += 60
        assert shelf.has("a")
    shelf.now = 3_599.9
    assert shelf.has("a")
    shelf.now = 3_600
    assert not shelf.has("a")
    assert shelf.figures()[:2] == (0, 0)


def test_the_figures_count_nothing_that_is_over() -> None:
    shelf = Shelf()
    shelf.keep("a")
    shelf.now = 1
    shelf.keep("b", 7)
    shelf.now = 3_600.5
    assert shelf.figures() == (1, 7, 0, 0)


def test_an_answer_kept_again_takes_the_place_and_the_time_of_the_first() -> None:
    shelf = Shelf()
    shelf.keep("a", 10)
    shelf.now = 3_000
    shelf.keep("a", 30)
    assert shelf.figures()[:2] == (1, 30)
    shelf.now = 6_500
    assert shelf.has("a")


def test_bytes_are_bounded_whatever_the_number() -> None:
    shelf = Shelf()
    for number in range(50):
        shelf.keep(f"{number}", 512 * 1024)
    assert shelf.figures()[:2] == (32, 16 * 1024 * 1024)
    assert not shelf.has("17")
    assert shelf.has("18")


@given(
    st.lists(
        st.tuples(st.sampled_from(["keep", "find", "wait"]), st.integers(0, 130), st.integers(1, 512 * 1024)),
        max_size=300,
    )
)
def test_whatever_happens_the_bounds_hold_and_the_books_agree(steps: list[tuple[str, int, int]]) -> None:
    shelf = Shelf()
    kept_at: dict[str, float] = {}
    for action, number, size in steps:
        name = str(number)
        if action == "keep":
            shelf.keep(name, size)
            kept_at[name] = shelf.now
        elif action == "wait":
            shelf.now += number * 10
        elif shelf.has(name):
            assert shelf.now < kept_at[name] + 3_600
        figures = shelf.cache.figures
        sizes = [entry.answer.size for entry in shelf.cache._entries.values()]
        assert (figures.entries, figures.bytes) == (len(sizes), sum(sizes))
        assert len(sizes) <= 100
        assert sum(sizes) <= 16 * 1024 * 1024


# --- through the service ---

CACHED = {"cache": True, "providerId": "ollama"}
ANSWER: list[ProviderEvent] = [
    ModelNamed("the-model"),
    PromptProgress(3, 7),
    ReasoningDelta("Let me "),
    ReasoningDelta("think."),
    TextDelta("I shall "),
    TextDelta("call.", 2),
    ToolCallDelta(0, '{"a"', "id-0", "f"),
    ToolCallDelta(0, ":1}"),
    ToolCallDelta(1, "{}", None, "g"),
    ReasoningDelta("And then?"),
    TextDelta("Done."),
    ProviderState({"signature": {"s": [1]}}),
    UsageReport(11, 12, 3, 4, 5),
    Finish("tool_calls", "raw"),
]


async def ask(host: Host, *events: ProviderEvent, **params: Any) -> str:
    """An inference that the provider answers with these events, one batch each; returns its id."""
    a, call = await host.begin(**{**CACHED, **params})
    for event in events or ANSWER:
        call.send(event)
        await settle()
    call.end()
    await settle()
    assert host.is_over(a)
    return a


async def ask_again(host: Host, **params: Any) -> str:
    """An inference that must be answered without a provider; returns its id."""
    before = len(host.provider.calls)
    a = await host.infer(**{**CACHED, **params})
    assert len(host.provider.calls) == before
    assert host.is_over(a)
    return a


def content(host: Host, inference_id: str) -> list[tuple[Any, str]]:
    """What came in its order, adjacent pieces of one kind joined."""
    pieces: list[tuple[Any, str]] = []
    for event in host.events(inference_id):
        if event["method"] == "llm:token":
            pieces.append(("text", event["token"]))
        elif event["method"] == "llm:tool-call":
            pieces.append((("call", event["index"]), event["argumentsDelta"]))
        elif event.get("status") == "reasoning":
            pieces.append(("reasoning", event["text"]))
    return [(kind, "".join(text for _, text in group)) for kind, group in groupby(pieces, key=lambda piece: piece[0])]


def answered(terminal: Event) -> dict[str, Any]:
    """What a terminal says about the answer itself."""
    others = ("inferenceId", "seq", "timings", "attempts", "cached", "windowId", "text", "cost")
    return {name: value for name, value in terminal.items() if name not in others}


def test_a_hit_is_the_same_answer_in_the_same_order_and_says_that_it_is_one() -> None:
    async def scenario(host: Host) -> None:
        a = await ask(host)
        b = await ask_again(host)
        assert content(host, a) == content(host, b) == [
            ("reasoning", "Let me think."),
            ("text", "I shall call."),
            (("call", 0), '{"a":1}'),
            (("call", 1), "{}"),
            ("reasoning", "And then?"),
            ("text", "Done."),
        ]  # fmt: skip
        first, hit = host.terminal(a), host.terminal(b)
        assert answered(first) == answered(hit)
        assert (first.get("cached"), first["attempts"]) == (None, 1)
        assert (hit["cached"], hit["attempts"]) == (True, 0)
        assert hit["timings"] == {"queuedMs": 0, "firstTokenMs": 0, "totalMs": 0}
        assert host.kinds(b)[0] == "thinking initializing"
        assert "thinking processing" not in host.kinds(b)
        assert "progress" not in host.kinds(b)

    play(scenario)


CONTENT = st.one_of(
    st.builds(TextDelta, st.text(min_size=1, max_size=5), st.integers(1, 3)),
    st.builds(ReasoningDelta, st.text(min_size=1, max_size=5)),
    st.builds(ToolCallDelta, st.just(0), st.text(max_size=5), st.just("id"), st.just("f")),
    st.builds(ToolCallDelta, st.just(0), st.text(max_size=5)),
    st.builds(UsageReport, st.none() | st.integers(0, 99), st.none() | st.integers(0, 99)),
    st.builds(ProviderState, st.dictionaries(st.text(max_size=2), st.integers(0, 9), max_size=2)),
    st.builds(PromptProgress, st.integers(0, 9)),
)


@given(st.lists(CONTENT, max_size=12), st.booleans(), st.booleans())
def test_a_hit_is_the_same_answer_whatever_it_was(events: list[ProviderEvent], streamed: bool, streams: bool) -> None:
    async def scenario(host: Host) -> None:
        a = await ask(host, *events, Finish("stop", "raw"), stream=streamed)
        b = await ask_again(host, stream=streams)
        first, hit = host.terminal(a), host.terminal(b)
        assert answered(first) == answered(hit)
        texts = [
            host.text(i) if streaming else host.terminal(i)["text"] for i, streaming in ((a, streamed), (b, streams))
        ]
        assert texts[0] == texts[1]
        if streamed and streams:
            assert content(host, a) == content(host, b)

    play(scenario)


def test_an_index_of_a_hit_counts_the_providers_deltas_as_the_first_time() -> None:
    async def scenario(host: Host) -> None:
        await ask(host)
        tokens = [event for event in host.events(await ask_again(host)) if event["method"] == "llm:token"]
        assert [(token["index"], token["count"]) for token in tokens] == [(0, 3), (3, 1)]

    play(scenario)


def test_a_hit_is_no_request_of_a_provider_and_no_token_but_an_inference() -> None:
    async def scenario(host: Host) -> None:
        a = await ask(host)
        before = await host.status()
        assert before["providers"]["ollama"]["tokens"] == host.terminal(a)["totalTokens"] == 23
        for _ in range(3):
            await ask_again(host)
        after = await host.status()
        assert after["providers"] == before["providers"]
        assert after["totalTokens"] == before["totalTokens"]
        assert after["totalInferences"] == 4
        assert (after["cache"]["hits"], after["cache"]["misses"], after["cache"]["entries"]) == (3, 1, 1)
        assert after["cache"]["bytes"] > 0

    play(scenario)


@pytest.mark.parametrize("params", [{}, {"cache": False}])
def test_who_does_not_ask_for_the_cache_neither_fills_nor_uses_it(params: dict[str, Any]) -> None:
    async def scenario(host: Host) -> None:
        for asked in ({}, CACHED, params):
            _, call = await host.begin(**{"providerId": "ollama", **asked})
            call.say("text")
            call.finish()
            await settle()
        assert len(host.provider.calls) == 3
        cache = (await host.status())["cache"]
        assert (cache["entries"], cache["hits"], cache["misses"]) == (1, 0, 1)

    play(scenario)


def test_another_question_is_no_hit() -> None:
    async def scenario(host: Host) -> None:
        await ask(host)
        await ask(host, temperature=0.5)
        await ask(host, providerId="lmstudio")
        await ask(host, modelId="other")
        await ask_again(host, temperature=0.5)
        assert (await host.status())["cache"]["entries"] == 4

    play(scenario)


@pytest.mark.parametrize("ending", ["cancel", "error", "truncated", "time", "shutdown"])
def test_an_answer_that_did_not_come_to_its_own_end_is_not_kept(ending: str) -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(**CACHED, timeoutMs=5_000)
        call.say("half an")
        await settle()
        if ending == "cancel":
            await host.cancel(a)
        elif ending == "error":
            call.fail(ProviderError("SERVER_ERROR", "Failed."))
        elif ending == "truncated":
            call.end()
        elif ending == "time":
            await asyncio.sleep(5.001)
        else:
            host.service.end_all()
        await settle()
        assert host.is_over(a)
        assert (await host.status())["cache"]["entries"] == 0

    play(scenario)


def test_a_cancel_after_the_end_mark_but_before_the_end_keeps_nothing() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(**CACHED)
        call.send(TextDelta("all of it"), Finish("stop", None))
        await settle()
        await host.cancel(a)
        assert (await host.status())["cache"]["entries"] == 0

    play(scenario)


def test_an_answer_too_long_for_one_message_is_not_kept_and_a_hit_too_long_for_one_is_no_failure_of_the_provider() -> (
    None
):
    async def scenario(host: Host) -> None:
        long: list[ProviderEvent] = [TextDelta("x" * 5_000), UsageReport(1, 2), Finish("stop", None)]
        a = await ask(host, *long, stream=False)
        assert host.terminal(a)["code"] == "MESSAGE_TOO_LARGE"
        assert (await host.status())["cache"]["entries"] == 0
        b = await ask(host, *long, stream=True)
        assert host.text(b) == "x" * 5_000
        before = await host.status()
        c = await ask_again(host, stream=False)
        assert (host.terminal(c)["code"], host.terminal(c)["attempts"]) == ("MESSAGE_TOO_LARGE", 0)
        after = await host.status()
        assert after["providers"] == before["providers"]
        assert after["totalTokens"] == before["totalTokens"]
        assert host.text(await ask_again(host, stream=True)) == "x" * 5_000

    play(scenario, max_message_bytes=4_096)


def test_only_the_attempt_that_was_answered_is_kept() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(**CACHED)
        call.send(UsageReport(1_000, 2_000), ModelNamed("first"), ProviderState({"first": 1}))
        call.fail(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=0))
        await settle()
        second = host.provider.last
        second.accept()
        second.say("text")
        second.finish()
        await settle()
        assert host.terminal(a)["attempts"] == 2
        b = await ask_again(host)
        assert answered(host.terminal(b)) == answered(host.terminal(a))
        assert host.terminal(b)["usage"]["source"] == "estimated"

    play(scenario)


def test_the_answer_of_a_fallback_is_kept_for_who_asks_the_fallback() -> None:
    async def scenario(host: Host) -> None:
        chain = {**CACHED, "fallbackProfileIds": ["demo"], "retry": {"maxRetries": 0}}
        await host.infer(**chain)
        host.provider.last.refuse(ProviderError("AUTH_ERROR", "Refused."))
        await settle()
        call = host.provider.last
        call.accept()
        call.say("from the fallback")
        call.finish()
        await settle()
        a = await ask_again(host, providerId="demo")
        assert (host.text(a), host.terminal(a)["providerId"]) == ("from the fallback", "demo")
        await host.infer(**chain)
        assert host.provider.last.request.endpoint.provider_id == "ollama"

    play(scenario)


def test_an_open_circuit_does_not_stand_in_the_way_of_a_hit() -> None:
    async def scenario(host: Host) -> None:
        await ask(host)
        a, call = await host.begin(providerId="ollama", retry={"maxRetries": 0})
        call.end()
        await settle()
        assert host.terminal(a)["code"] == "STREAM_TRUNCATED"
        b = await host.infer(providerId="ollama", retry={"maxRetries": 0})
        assert host.terminal(b)["code"] == "PROVIDER_OVERLOADED"
        await ask_again(host)

    play(scenario, circuit_failures=1)


def test_an_hour_later_the_provider_is_asked_again() -> None:
    async def main() -> None:
        host = Host()
        await ask(host)
        await asyncio.sleep(3_599)
        await ask_again(host)
        await asyncio.sleep(1)
        await ask(host)
        await host.close()

    run_virtual(main(), limit=4_000)


# --- slots, cancel, windows, attach, a host that does not read ---


def test_a_hit_needs_no_slot_and_gives_none_back() -> None:
    async def scenario(host: Host) -> None:
        await ask(host)
        await host.begin(providerId="demo")
        with pytest.raises(Refused):
            await host.infer(providerId="demo")
        for _ in range(3):
            await ask_again(host)
        assert (host.service.slots.active, host.service.slots.waiting) == (1, 0)
        with pytest.raises(Refused):
            await host.infer(providerId="demo")
        await host.infer(providerId="demo", queue=True)
        await ask_again(host, queue=True)
        assert (host.service.slots.active, host.service.slots.waiting) == (1, 1)

    play(scenario, max_concurrent_inferences=1)


def test_hits_are_counted_by_the_limit_per_minute() -> None:
    async def scenario(host: Host) -> None:
        await ask(host)
        await ask_again(host)
        with pytest.raises(Refused) as refused:
            await host.infer(**CACHED)
        assert refused.value.code == "RATE_LIMIT"
        assert host.service.slots.active == 0

    play(scenario, max_requests_per_minute=2)


def test_a_hit_that_is_cancelled_in_the_batch_that_asked_for_it_has_used_nothing() -> None:
    async def scenario(host: Host) -> None:
        await ask(host)
        before = await host.status()
        host.send([host.inference(**CACHED, inferenceId="b"), host.request("llm:cancel", inferenceId="b")])
        await settle()
        terminal = host.terminal("b")
        assert (terminal["cancelled"], terminal["cached"], terminal["attempts"]) == (True, True, 0)
        assert terminal["totalTokens"] == 0
        assert host.kinds("b") == ["done"]
        after = await host.status()
        assert after["providers"] == before["providers"]
        assert host.service.slots.active == 0
        await ask_again(host)

    play(scenario)


def test_a_window_that_closes_takes_its_hits_along() -> None:
    async def scenario(host: Host) -> None:
        await ask(host)
        host.send(
            [
                host.inference(**CACHED, inferenceId="b", windowId="w"),
                closing := host.request("llm:window:closed", windowId="w"),
            ]
        )
        await settle()
        assert host.result(closing)["cancelled"] == 1
        assert (host.terminal("b")["cancelled"], host.terminal("b")["windowId"]) == (True, "w")

    play(scenario)


def test_a_hit_is_of_the_window_that_asked_for_it_and_not_of_the_first() -> None:
    async def scenario(host: Host) -> None:
        await ask(host, windowId="w1")
        assert {event["windowId"] for event in host.events(await ask_again(host, windowId="w2"))} == {"w2"}
        assert not any("windowId" in event for event in host.events(await ask_again(host)))

    play(scenario)


def test_a_hit_can_be_attached_to_afterwards() -> None:
    async def scenario(host: Host) -> None:
        await ask(host)
        b = await ask_again(host)
        replay = await host.attach(b, 0)
        assert replay["terminal"] is True
        assert [{"method": e["method"], **e["params"]} for e in replay["events"]] == host.events(b)

    play(scenario)


def test_a_host_that_does_not_read_is_not_buried_in_hits_and_gets_them_all_when_it_does() -> None:
    async def scenario(host: Host) -> None:
        text = "x" * 50_000
        await ask(host, TextDelta(text), Finish("stop", None))
        host.sink.stall()
        for number in range(50):
            host.send(host.inference(**CACHED, inferenceId=f"hit-{number}", timeoutMs=1_000))
        await asyncio.sleep(600)
        assert host.outbox.queued_bytes < 65_536 + 2 * len(text) + 50 * 1_024
        host.send(host.request("llm:cancel", inferenceId="hit-49"))
        host.sink.unstall()
        await settle()
        for number in range(49):
            assert host.text(f"hit-{number}") == text
            assert host.terminal(f"hit-{number}")["cached"] is True
        assert host.terminal("hit-49")["cancelled"] is True
        assert host.text("hit-49") == ""

    play(scenario, max_event_bytes=65_536)
