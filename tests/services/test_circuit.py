"""The circuit breaker: when an origin is left alone, for how long, who may try, and what everybody is told."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ERROR_KINDS, ProviderError, SidecarError, network_error
from llm_sidecar.limits import Limits
from llm_sidecar.messages.status import CircuitState
from llm_sidecar.providers.base import Endpoint
from llm_sidecar.providers.events import ReasoningDelta, TextDelta
from llm_sidecar.services.inference.circuit import CircuitOpen, Circuits, Passage
from tests.services.host import Host, play, settle

UNWELL = [
    "NETWORK_ERROR",
    "SERVER_ERROR",
    "PROVIDER_OVERLOADED",
    "STREAM_TRUNCATED",
    "FIRST_TOKEN_TIMEOUT",
    "STREAM_TIMEOUT",
]
WELL = sorted(set(ERROR_KINDS) - set(UNWELL))
NO_RETRY = {"maxRetries": 0}
ORIGIN = "http://127.0.0.1:11434"
"""Ollama's, where its environment says nothing else."""


class Bench:
    """Circuits on a clock of their own."""

    def __init__(self, failures: int = 3, cooldown_ms: int = 10_000) -> None:
        self.now = 0.0
        limits = Limits(circuit_failures=failures, circuit_cooldown_ms=cooldown_ms)
        self.circuits = Circuits(lambda: self.now, lambda: limits)

    def enter(self, url: str = "http://host/v1") -> Passage:
        return self.circuits.enter(Endpoint("openai-compatible", url))

    def fail(self, times: int = 1, code: str = "SERVER_ERROR", url: str = "http://host/v1") -> None:
        for _ in range(times):
            self.enter(url).end(ProviderError(code, "Failed."))

    def refusal(self) -> CircuitOpen:
        with pytest.raises(CircuitOpen) as refused:
            self.enter()
        return refused.value

    @property
    def state(self) -> CircuitState:
        (state,) = self.circuits.states
        return state


# --- opening ---


def test_it_opens_after_as_many_failures_in_a_row_as_the_limit_says() -> None:
    bench = Bench()
    bench.fail(2)
    assert (bench.state.state, bench.state.failures) == ("closed", 2)
    bench.fail()
    assert bench.state == CircuitState(origin="http://host:80", state="open", failures=3, retry_after_ms=10_000)
    bench.refusal()


def test_an_answer_in_between_begins_the_count_anew() -> None:
    bench = Bench()
    for _ in range(5):
        bench.fail(2)
        bench.enter().end(None)
    assert (bench.state.state, bench.state.failures) == ("closed", 0)


@pytest.mark.parametrize("code", UNWELL)
def test_failures_of_these_kinds_say_that_the_origin_is_not_well(code: str) -> None:
    bench = Bench(failures=1)
    bench.fail(code=code)
    assert bench.state.state == "open"


@pytest.mark.parametrize("code", WELL)
def test_failures_of_the_other_kinds_open_nothing(code: str) -> None:
    bench = Bench(failures=1)
    bench.fail(10, code=code)
    assert (bench.state.state, bench.state.failures) == ("closed", 0)


@pytest.mark.parametrize(("status", "failures"), [(401, 0), (400, 0), (429, 0), (None, 2)])
def test_a_refusal_over_http_is_a_sign_of_health_and_an_error_from_nowhere_is_no_sign_at_all(
    status: int | None, failures: int
) -> None:
    bench = Bench()
    bench.fail(2)
    bench.enter().end(ProviderError("INVALID_REQUEST", "Refused.", status=status))
    assert bench.state.failures == failures


def test_a_failure_of_the_sidecars_own_is_no_sign_at_all() -> None:
    bench = Bench()
    bench.fail(2)
    bench.enter().end(SidecarError("INTERNAL_ERROR", "A bug."))
    assert bench.state.failures == 2


def test_with_a_limit_of_zero_it_never_opens() -> None:
    bench = Bench(failures=0)
    bench.fail(1_000)
    assert (bench.state.state, bench.state.failures) == ("closed", 1_000)
    bench.enter()


# --- open ---


def test_while_it_is_open_nobody_is_let_in_and_everybody_is_told_when_to_come_again() -> None:
    bench = Bench()
    bench.fail(2)
    bench.fail(code="NETWORK_ERROR")
    bench.now = 3.2
    error = bench.refusal()
    assert (error.code, error.retryable, error.retry_after_ms) == ("PROVIDER_OVERLOADED", True, 6_800)
    assert error.details == {"scope": "sidecar", "circuit": "open", "lastCode": "NETWORK_ERROR"}
    assert bench.state.retry_after_ms == 6_800


@given(st.floats(0, 10, exclude_max=True))
def test_who_comes_again_when_told_to_finds_the_cooldown_over(after: float) -> None:
    bench = Bench()
    bench.fail(3)
    bench.now = after
    bench.now += (bench.refusal().retry_after_ms or 0) / 1000
    bench.enter()


def test_one_that_was_under_way_when_it_opened_and_fails_late_puts_nothing_off() -> None:
    bench = Bench()
    late = bench.enter()
    bench.fail(3)
    bench.now = 9
    late.end(ProviderError("SERVER_ERROR", "Failed."))
    assert bench.refusal().retry_after_ms == 1_000
    bench.now = 10
    bench.enter()


def test_one_that_was_under_way_when_it_opened_and_is_answered_closes_it() -> None:
    bench = Bench()
    late = bench.enter()
    bench.fail(3)
    late.end(None)
    assert (bench.state.state, bench.state.failures) == ("closed", 0)


# --- half open ---


def half_open() -> Bench:
    bench = Bench()
    bench.fail(3)
    bench.now = 10
    return bench


def test_after_the_cooldown_one_may_try_and_the_others_wait_for_it() -> None:
    bench = half_open()
    assert (bench.state.state, bench.state.retry_after_ms) == ("half-open", None)
    bench.enter()
    assert bench.refusal().retry_after_ms == Limits().retry_base_ms
    assert bench.state.state == "half-open"


def test_the_answer_to_the_probe_closes_it() -> None:
    bench = half_open()
    bench.enter().end(None)
    assert (bench.state.state, bench.state.failures) == ("closed", 0)
    bench.fail(3)
    bench.refusal()
    bench.now += 10
    bench.enter()


def test_the_failure_of_the_probe_opens_it_for_another_cooldown() -> None:
    bench = half_open()
    bench.fail()
    assert (bench.state.state, bench.state.failures) == ("open", 4)
    assert bench.refusal().retry_after_ms == 10_000


@pytest.mark.parametrize("has_content", [False, True])
def test_after_each_cooldown_another_one_may_try(has_content: bool) -> None:
    bench = half_open()
    for _ in range(5):
        probe = bench.enter()
        if has_content:
            probe.content_came()
        probe.end(ProviderError("SERVER_ERROR", "Failed."))
        bench.refusal()
        bench.now += 10


def test_a_probe_that_is_cancelled_teaches_nothing_and_the_next_may_try() -> None:
    bench = half_open()
    bench.enter().leave()
    assert (bench.state.state, bench.state.failures) == ("half-open", 3)
    bench.enter()
    bench.refusal()


def test_a_probe_that_never_got_there_teaches_nothing_and_the_next_may_try() -> None:
    bench = half_open()
    bench.enter().end(SidecarError("INVALID_MODEL", "None was named."))
    assert bench.state.state == "half-open"
    bench.enter()


def test_the_first_content_of_the_probe_lets_the_others_in_before_its_end() -> None:
    bench = half_open()
    probe = bench.enter()
    probe.content_came()
    assert (bench.state.state, bench.state.failures) == ("closed", 3)
    bench.enter()


def test_a_probe_that_fails_after_its_first_content_opens_it_again() -> None:
    bench = half_open()
    probe = bench.enter()
    probe.content_came()
    probe.end(ProviderError("STREAM_TRUNCATED", "Failed."))
    assert bench.refusal().retry_after_ms == 10_000


def test_a_late_failure_of_another_does_not_end_the_probe() -> None:
    bench = Bench()
    late = bench.enter()
    bench.fail(3)
    bench.now = 10
    probe = bench.enter()
    late.end(ProviderError("SERVER_ERROR", "Failed."))
    bench.refusal()
    probe.end(None)
    assert bench.state.state == "closed"


def test_one_that_insists_is_let_in_and_what_comes_of_it_counts() -> None:
    bench = Bench()
    bench.fail(3)
    endpoint = Endpoint("openai-compatible", "http://host/v1")
    bench.circuits.enter(endpoint, insists=True).end(ProviderError("SERVER_ERROR", "Failed."))
    assert (bench.state.state, bench.state.failures, bench.state.retry_after_ms) == ("open", 4, 10_000)
    bench.circuits.enter(endpoint, insists=True).end(None)
    assert (bench.state.state, bench.state.failures) == ("closed", 0)


def test_an_outcome_is_told_once() -> None:
    bench = Bench()
    passage = bench.enter()
    passage.end(ProviderError("SERVER_ERROR", "Failed."))
    for again in (ProviderError("SERVER_ERROR", "Failed."), None):
        passage.end(again)
        passage.content_came()
        passage.leave()
    assert bench.state.failures == 1


def test_without_a_cooldown_one_at_a_time_may_try() -> None:
    bench = Bench(cooldown_ms=0)
    bench.fail(3)
    bench.enter()
    bench.refusal()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "fail", "fail", "answer", "refuse", "content", "leave", "wait"]),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 3))
def test_whatever_happens_nobody_is_let_in_during_a_cooldown_and_one_at_most_after_it(
    steps: list[tuple[str, int]], limit: int
) -> None:
    bench = Bench(limit)
    inside: list[Passage] = []
    ends: dict[str, Callable[[Passage], None]] = {
        "fail": lambda passage: passage.end(ProviderError("SERVER_ERROR", "Failed.")),
        "refuse": lambda passage: passage.end(ProviderError("AUTH_ERROR", "Refused.", status=401)),
        "answer": lambda passage: passage.end(None),
        "content": lambda passage: passage.content_came(),
        "leave": lambda passage: passage.leave(),
    }
    bench.enter().leave()
    probe: Passage | None = None
    for action, which in steps:
        before = bench.state
        if action == "wait":
            bench.now += 5
        elif action == "enter":
            try:
                inside.append(bench.enter())
            except CircuitOpen:
                assert before.state == "open" or (before.state == "half-open" and probe in inside)
            else:
                assert before.state == "closed" or (before.state == "half-open" and probe not in inside)
                if before.state == "half-open":
                    probe = inside[-1]
        elif inside:
            passage = inside[which % len(inside)]
            ends[action](passage)
            if action != "content":
                inside.remove(passage)
            after = bench.state
            assert after.failures == before.failures + (action == "fail") or (
                action in ("answer", "refuse") and after.failures == 0
            )
            if after.state == "open" and before.state != "open":
                assert action == "fail"
                assert after.failures >= limit
                assert after.retry_after_ms == 10_000
        if probe not in inside:
            probe = None


# --- origins ---


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://host", "http://host:80"),
        ("https://host", "https://host:443"),
        ("HTTPS://HOST.example/v1/", "https://host.example:443"),
        ("  https://host:8443/v1?key=secret#x ", "https://host:8443"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    bench = Bench()
    bench.enter(url)
    assert bench.state.origin == origin


@pytest.mark.parametrize(
    "url",
    ["demo:", "", "host:8080", "ftp://host", "http://", "http://host:port", "http://user:key@host", "http://[::1"],
)
def test_what_is_not_reached_over_http_has_no_circuit(url: str) -> None:
    bench = Bench(failures=1)
    bench.fail(10, url=url)
    bench.enter(url)
    assert bench.circuits.states == []


def test_origins_do_not_know_each_other_and_paths_of_one_do() -> None:
    bench = Bench()
    for path in ("a", "b", "c"):
        bench.fail(url=f"http://host:1/{path}")
    bench.enter("http://host:2")
    bench.enter("https://host:1")
    with pytest.raises(CircuitOpen):
        bench.enter("http://host:1/d")


def test_not_more_than_a_thousand_origins_are_remembered_and_the_healthiest_is_forgotten_first() -> None:
    bench = Bench(failures=1)
    for number in range(1_500):
        bench.fail(url=f"http://sick-{number}")
        bench.enter("http://well")
    origins = [state.origin for state in bench.circuits.states]
    assert len(origins) == 1_000
    assert origins[-1] == "http://well:80"
    assert sum(origin.startswith("http://sick") for origin in origins) == 999


def test_a_refusal_names_the_origin_and_nothing_of_the_address_besides() -> None:
    bench = Bench(failures=1)
    url = "https://host/secret/path?key=secret"
    bench.fail(url=url)
    with pytest.raises(CircuitOpen, match=r"^https://host:443 failed") as refused:
        bench.enter(url)
    assert "secret" not in refused.value.message + str(refused.value.details) + str(bench.circuits.states)


# --- through the service ---


async def fail(host: Host, times: int, error: SidecarError | None = None, **params: Any) -> None:
    """So many inferences of Ollama fail, with one attempt each."""
    for _ in range(times):
        a = await host.infer(providerId="ollama", retry=NO_RETRY, **params)
        host.provider.last.refuse(error or network_error("ECONNREFUSED", "Refused."))
        await settle()
        assert host.is_over(a)


async def circuits(host: Host) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await host.status())["circuits"]
    return found


def test_after_five_failures_nothing_is_sent_and_the_host_is_told_why() -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 5)
        a = await host.infer(providerId="ollama", retry=NO_RETRY)
        assert len(host.provider.calls) == 5
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["retryable"], terminal["attempts"]) == ("PROVIDER_OVERLOADED", True, 0)
        assert terminal["details"] == {"scope": "sidecar", "circuit": "open", "lastCode": "NETWORK_ERROR"}
        assert terminal["retryAfterMs"] == 10_000
        assert terminal["usage"]["totalTokens"] == 0
        assert "thinking processing" not in host.kinds(a)

    play(scenario)


def test_the_status_shows_the_circuits_of_all_who_were_asked() -> None:
    async def scenario(host: Host) -> None:
        assert await circuits(host) == []
        await host.begin(providerId="demo")
        assert await circuits(host) == []
        await fail(host, 2)
        assert await circuits(host) == [{"origin": ORIGIN, "state": "closed", "failures": 2}]
        await host.begin(providerId="lmstudio")
        await fail(host, 3)
        await asyncio.sleep(4)
        assert await circuits(host) == [
            {"origin": ORIGIN, "state": "open", "failures": 5, "retryAfterMs": 6_000},
            {"origin": "http://127.0.0.1:1234", "state": "closed", "failures": 0},
        ]
        await asyncio.sleep(6)
        assert (await circuits(host))[0] == {"origin": ORIGIN, "state": "half-open", "failures": 5}

    play(scenario)


def test_a_retry_waits_for_the_end_of_the_cooldown_and_is_the_probe() -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 5)
        await asyncio.sleep(4)
        a = await host.infer(providerId="ollama", retry={"maxRetries": 1})
        (retrying,) = [event for event in host.events(a) if event.get("status") == "retrying"]
        assert (retrying["attempt"], retrying["retryAfterMs"]) == (1, 6_000)
        assert (retrying["code"], "providerId" in retrying) == ("PROVIDER_OVERLOADED", False)
        assert len(host.provider.calls) == 5
        await asyncio.sleep(6.001)
        call = host.provider.last
        call.accept()
        call.say("well again")
        call.finish()
        await settle()
        assert (host.terminal(a)["method"], host.terminal(a)["attempts"]) == ("llm:done", 1)
        assert await circuits(host) == [{"origin": ORIGIN, "state": "closed", "failures": 0}]

    play(scenario)


def test_of_many_that_wait_for_the_cooldown_one_is_sent_and_the_others_follow_its_first_content() -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 5)
        ids = [await host.infer(providerId="ollama") for _ in range(4)]
        await asyncio.sleep(10.001)
        assert len(host.provider.calls) == 6
        probe = host.provider.last
        probe.accept()
        probe.say("a long answer begins")
        await asyncio.sleep(1.001)
        assert len(host.provider.calls) == 9
        for call in host.provider.calls[5:]:
            call.accept()
            call.say(".")
            call.finish()
        await settle()
        assert [host.terminal(a)["method"] for a in ids] == ["llm:done"] * 4

    play(scenario)


@pytest.mark.parametrize("content", [TextDelta("t"), ReasoningDelta("r")], ids=str)
def test_streams_that_break_after_their_first_content_count_too(content: Any) -> None:
    async def scenario(host: Host) -> None:
        for _ in range(5):
            _, call = await host.begin(providerId="ollama")
            call.send(content)
            call.end()
            await settle()
        assert (await circuits(host))[0]["state"] == "open"

    play(scenario)


@pytest.mark.parametrize(("retries", "inferences"), [(0, 5), (4, 1)])
def test_an_origin_that_never_says_anything_is_left_alone(retries: int, inferences: int) -> None:
    async def scenario(host: Host) -> None:
        for _ in range(inferences):
            await host.infer(providerId="ollama", firstTokenTimeoutMs=1_000, retry={"maxRetries": retries})
            await asyncio.sleep(1.001 * (retries + 1))
        (circuit,) = await circuits(host)
        assert (circuit["state"], circuit["failures"]) == ("open", 5)
        assert len(host.provider.calls) == 5

    play(scenario, retry_base_ms=0)


def test_an_origin_that_falls_silent_in_its_answers_is_left_alone() -> None:
    async def scenario(host: Host) -> None:
        for _ in range(5):
            _, call = await host.begin(providerId="ollama", chunkTimeoutMs=1_000)
            call.say("well…")
            await asyncio.sleep(1.001)
        (circuit,) = await circuits(host)
        assert (circuit["state"], circuit["failures"]) == ("open", 5)

    play(scenario)


def test_a_probe_that_never_gets_an_answer_opens_it_again() -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 5)
        await asyncio.sleep(10.001)
        await host.infer(providerId="ollama", firstTokenTimeoutMs=2_000, retry=NO_RETRY)
        await asyncio.sleep(2.001)
        (circuit,) = await circuits(host)
        assert (circuit["state"], circuit["failures"]) == ("open", 6)

    play(scenario)


@pytest.mark.parametrize("how", ["cancel", "time", "shutdown"])
def test_a_probe_that_ends_for_a_reason_of_ours_teaches_nothing(how: str) -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 5)
        await asyncio.sleep(10.001)
        a, call = await host.begin(providerId="ollama", timeoutMs=5_000)
        call.hang_in_cleanup()
        if how == "cancel":
            await host.cancel(a)
        elif how == "time":
            await asyncio.sleep(5.001)
        else:
            host.service.end_all()
        await settle()
        assert await circuits(host) == [{"origin": ORIGIN, "state": "half-open", "failures": 5}]
        before = len(host.provider.calls)
        await host.infer(providerId="ollama", retry=NO_RETRY)
        assert len(host.provider.calls) == before + 1

    play(scenario)


def test_cancelled_inferences_open_nothing() -> None:
    async def scenario(host: Host) -> None:
        for _ in range(10):
            a, _ = await host.begin(providerId="ollama")
            await host.cancel(a)
        assert await circuits(host) == [{"origin": ORIGIN, "state": "closed", "failures": 0}]

    play(scenario)


def test_refusals_with_a_status_open_nothing() -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 20, ProviderError("RATE_LIMIT", "Slow down.", status=429))
        assert await circuits(host) == [{"origin": ORIGIN, "state": "closed", "failures": 0}]

    play(scenario)


def test_the_retries_of_one_inference_count_each() -> None:
    async def scenario(host: Host) -> None:
        host.provider.prepare = lambda call: call.refuse(ProviderError("SERVER_ERROR", "Failed.", retry_after_ms=0))
        a = await host.infer(providerId="ollama", retry={"maxRetries": 10}, timeoutMs=5_000)
        assert len(host.provider.calls) == 5
        terminal = host.terminal(a)
        assert (terminal["code"], terminal["attempts"]) == ("PROVIDER_OVERLOADED", 5)
        assert terminal["details"]["lastCode"] == "SERVER_ERROR"

    play(scenario)


def test_an_open_circuit_with_a_fallback_left_is_skipped_at_once() -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 5)
        a = await host.infer(providerId="ollama", fallbackProfileIds=["demo"])
        call = host.provider.last
        assert call.request.endpoint.provider_id == "demo"
        call.accept()
        call.say("here")
        call.finish()
        await settle()
        terminal = host.terminal(a)
        assert (terminal["providerId"], terminal["attempts"], terminal["timings"]["totalMs"]) == ("demo", 1, 0)
        (retrying,) = [event for event in host.events(a) if event.get("status") == "retrying"]
        assert (retrying["attempt"], retrying["retryAfterMs"]) == (1, 0)
        assert (retrying["code"], retrying["providerId"]) == ("PROVIDER_OVERLOADED", "demo")
        figures = (await host.status())["providers"]["ollama"]
        assert (figures["failures"], figures["lastError"]) == (6, "PROVIDER_OVERLOADED")

    play(scenario)


def test_an_open_circuit_at_the_end_of_the_chain_is_waited_for() -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 5)
        await host.infer(providerId="demo", fallbackProfileIds=["ollama"])
        host.provider.last.refuse(ProviderError("AUTH_ERROR", "Refused."))
        await settle()
        assert len(host.provider.calls) == 6
        await asyncio.sleep(10.001)
        assert host.provider.last.request.endpoint.provider_id == "ollama"

    play(scenario)


def test_the_limits_say_when_it_opens_and_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, high: high)

    async def scenario(host: Host) -> None:
        starts = itertools.count()
        host.provider.prepare = lambda call: (next(starts), call.refuse(network_error("ECONNREFUSED", "Refused.")))
        await host.infer(providerId="ollama", retry={"maxRetries": 10}, timeoutMs=100_000)
        await asyncio.sleep(1.001)  # one second of its own, then those of the circuit
        (circuit,) = await circuits(host)
        assert (circuit["state"], circuit["retryAfterMs"]) == ("open", 2_999)
        assert next(starts) == 2

    play(scenario, circuit_failures=2, circuit_cooldown_ms=3_000)


def test_with_a_limit_of_zero_there_is_no_breaker() -> None:
    async def scenario(host: Host) -> None:
        await fail(host, 20)
        assert len(host.provider.calls) == 20

    play(scenario, circuit_failures=0)
