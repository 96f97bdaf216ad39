"""How long to wait before the next attempt, and when to give up."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ERROR_KINDS, ProviderError, SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.providers.refusals.retry import retry_delay_ms

LIMITS = Limits()


def highest(low: float, high: float) -> float:
    return high


def error(code: str = "SERVER_ERROR", retry_after_ms: int | None = None, retryable: bool | None = None) -> SidecarError:
    return SidecarError(code, "Failed.", retry_after_ms=retry_after_ms, retryable=retryable)


def test_the_ceiling_doubles_from_the_base_to_the_most() -> None:
    ceilings = [retry_delay_ms(error(), attempt, 10, LIMITS, highest) for attempt in range(1, 11)]
    assert ceilings == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000]


@given(st.integers(1, 10), st.integers(0, 60_000), st.integers(1, 60_000), st.randoms(use_true_random=False))
def test_the_wait_lies_between_nothing_and_the_ceiling(
    attempt: int, base: int, most: int, source: random.Random
) -> None:
    limits = Limits(retry_base_ms=base, retry_max_ms=most)
    delay = retry_delay_ms(error(), attempt, 10, limits, source.uniform)
    assert delay is not None
    assert 0 <= delay <= min(most, base * 2 ** (attempt - 1))


def test_the_jitter_is_full_from_zero() -> None:
    bounds: list[tuple[float, float]] = []

    def remember(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    assert retry_delay_ms(error(), 3, 10, LIMITS, remember) == 0
    assert bounds == [(0, 4_000)]


@pytest.mark.parametrize("retry_after_ms", [0, 1, 90_000, 86_400_000])
def test_what_the_provider_asked_for_is_taken_as_it_is(retry_after_ms: int) -> None:
    for attempt in (1, 5):
        assert retry_delay_ms(error("RATE_LIMIT", retry_after_ms), attempt, 10, LIMITS, highest) == retry_after_ms


@pytest.mark.parametrize("retries", range(11))
def test_after_so_many_retries_it_gives_up(retries: int) -> None:
    delays = [retry_delay_ms(error(), attempt, retries, LIMITS, highest) for attempt in range(1, 13)]
    assert [delay is not None for delay in delays] == [attempt <= retries for attempt in range(1, 13)]


@pytest.mark.parametrize("code", ERROR_KINDS)
def test_the_table_of_errors_decides_what_is_tried_again(code: str) -> None:
    delay = retry_delay_ms(error(code, retry_after_ms=5), 1, 10, LIMITS, highest)
    assert (delay is not None) is ERROR_KINDS[code].retryable


@pytest.mark.parametrize(
    "code",
    ["AUTH_ERROR", "INSUFFICIENT_QUOTA", "INVALID_REQUEST", "CONTEXT_LENGTH_EXCEEDED", "PROVIDER_PROTOCOL_ERROR"],
)
def test_auth_quota_and_invalid_requests_are_never_tried_again(code: str) -> None:
    assert retry_delay_ms(ProviderError(code, "No."), 1, 10, LIMITS, highest) is None


@pytest.mark.parametrize(("retryable", "expected"), [(True, 1_000), (False, None)])
def test_an_error_that_knows_better_than_the_table_is_believed(retryable: bool, expected: int | None) -> None:
    code = "NETWORK_ERROR" if not retryable else "INVALID_MODEL"
    assert retry_delay_ms(error(code, retryable=retryable), 1, 10, LIMITS, highest) == expected
