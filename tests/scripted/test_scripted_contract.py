"""The demo provider keeps the rules that every adapter keeps, on virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from llm_sidecar.providers.base import Provider, ProviderRequest
from llm_sidecar.providers.scripted.adapter import ScriptedProvider
from tests.providers import contract
from tests.scripted.playing import request
from tests.virtual_time import run_virtual

PROMPTS = (
    "Hi",
    "word " * 40,
    '[[demo: reasoning=20 text="Looking" toolCall=a{"x":1} toolCall=b"" progress=3 providerState={"s":1}]]',
    "[[demo: unicode tokens=5000 rate=max]]",
    "[[demo: text=a usage=none finish=content_filter]]",
)

Check = Callable[[Provider, ProviderRequest], Awaitable[None]]
CHECKS: tuple[Check, ...] = (
    contract.a_complete_answer_keeps_the_rules,
    contract.an_answer_can_be_left_after_its_first_batch,
    contract.an_answer_can_be_left_before_its_first_batch,
    contract.the_caller_s_own_exception_passes_through,
    contract.two_answers_at_once_do_not_mix,
)


async def checked(check: Check, prompt: str) -> None:
    await check(ScriptedProvider(), request(prompt))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_contract_is_kept(check: Check, prompt: str) -> None:
    run_virtual(checked(check, prompt))


@pytest.mark.parametrize("prompt", ["[[demo: tokens=1000]]", "[[demo: stall=1]]", "[[demo: stall=0]]"])
def test_cancellation_is_raised_again(prompt: str) -> None:
    run_virtual(checked(contract.cancellation_is_raised_again, prompt))


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("[[demo: error=AUTH_ERROR]]", "AUTH_ERROR"),
        ("[[demo: rateLimit=5]]", "RATE_LIMIT"),
        ("[[demo: truncate=2]]", "STREAM_TRUNCATED"),
        ("[[demo: reset=2]]", "NETWORK_ERROR"),
        ("[[demo: nope]]", "INVALID_REQUEST"),
    ],
)
def test_a_refused_request_raises(prompt: str, code: str) -> None:
    run_virtual(contract.a_refused_request_raises(ScriptedProvider(), request(prompt), code))
