"""How long a provider asks us to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.providers.refusals.retry_after import duration_ms, retry_after_ms

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
DATE = {"date": "Wed, 21 Oct 2026 07:28:00 GMT"}


def wait(headers: dict[str, str]) -> int | None:
    return retry_after_ms(headers, NOW.timestamp())


@pytest.mark.parametrize(
    ("headers", "milliseconds"),
    [
        ({}, None),
        ({"retry-after-ms": "1500"}, 1_500),
        ({"retry-after-ms": "1500.7", "retry-after": "9"}, 1_500),
        ({"retry-after": "20"}, 20_000),
        ({"retry-after": " 0.5 "}, 500),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 30_000),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", **DATE}, 30_000),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 -0000", **DATE}, 30_000),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:30 GMT", **DATE}, 30_000),
        ({"retry-after": "Wed, 21 Oct 2026 09:28:30 +0200", **DATE}, 30_000),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", **DATE}, 0),
        ({"retry-after": "999999999"}, 86_400_000),
        ({"retry-after-ms": "999999999999"}, 86_400_000),
        ({"retry-after": "Wed, 21 Oct 2099 07:28:30 GMT", **DATE}, 86_400_000),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2_000),
        ({"retry-after-ms": "-5", "retry-after": "2"}, 2_000),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "0x10"}, None),
        ({"retry-after": "1_000"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Wed, 99 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 99999 07:28:30 GMT"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "9" * 400}, None),
    ],
)
def test_the_wait_is_read_from_the_headers(headers: dict[str, str], milliseconds: int | None) -> None:
    assert wait(headers) == milliseconds


def test_a_date_is_measured_by_the_clock_of_who_wrote_it() -> None:
    """Their clock is a year off: so is their date, and the wait is right."""
    theirs = NOW + timedelta(days=365)
    until = theirs + timedelta(seconds=10)
    headers = {"date": format_datetime(theirs, usegmt=True), "retry-after": format_datetime(until, usegmt=True)}
    assert wait(headers) == 10_000


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text() | st.from_regex(r"[\w, :+-]*")
    )
)
def test_any_header_is_a_bounded_wait_or_none(headers: dict[str, str]) -> None:
    milliseconds = wait(headers)
    assert milliseconds is None or 0 <= milliseconds <= 86_400_000


DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Wed", "", "x"]),
    st.integers(0, 40),
    st.sampled_from(["Oct", "Feb", "13"]),
    st.integers(0, 100_000),
    st.integers(0, 30),
    st.integers(0, 70),
    st.integers(0, 70),
    st.sampled_from(["GMT", "-0000", "+9999", "-2400", "EST", ""]) | st.text(max_size=3),
)


@given(DATES, DATES)
def test_a_date_that_is_none_is_no_wait(until: str, sent: str) -> None:
    milliseconds = wait({"retry-after": until, "date": sent})
    assert milliseconds is None or 0 <= milliseconds <= 86_400_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("34.074824224s", 34_074),
        ("7s", 7_000),
        ("0s", 0),
        ("0.5s", 500),
        ("999999999s", 86_400_000),
        ("-3s", None),
        ("34", None),
        ("s", None),
        ("1m2s", None),
        ("", None),
        (None, None),
        (34, None),
        ({"seconds": "34"}, None),
    ],
)
def test_a_duration_is_read_as_protocol_buffers_write_it(text: object, milliseconds: int | None) -> None:
    assert duration_ms(text) == milliseconds
