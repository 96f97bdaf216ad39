"""What was hidden is masked in everything that leaves, and what leaves stays whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar import redaction
from llm_sidecar.redaction import hide, redact, redact_json

KEY = "sk-canary-0123456789"


@pytest.fixture(autouse=True)
def nothing_is_hidden(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_hidden", redaction._Hidden())
    return None


def masked(value: Any) -> Any:
    return json.loads(redact_json(msgspec.json.encode(value)))


def test_a_secret_is_masked_wherever_it_stands() -> None:
    hide(KEY)
    assert redact(f"<{KEY}> {KEY}") == "<***> ***"
    assert masked({KEY: [f"a{KEY}b{KEY}", {"b": KEY}], "c": 1}) == {"***": ["a***b***", {"b": "***"}], "c": 1}


def test_what_holds_no_secret_is_not_even_copied() -> None:
    hide(KEY)
    line = msgspec.json.encode({"a": KEY[:-1]})
    assert redact_json(line) is line


def test_of_two_secrets_that_begin_alike_the_longer_leaves_no_end() -> None:
    hide(KEY)
    hide(f"{KEY}-and-more")
    assert masked([f"{KEY}-and-more"]) == ["***"]
    assert redact(f"{KEY}-and-more") == "***"


def test_a_secret_is_found_as_json_writes_it() -> None:
    secret = 'back\\slash"and quote 1'
    hide(secret)
    assert masked(["a", secret]) == ["a", "***"]


@pytest.mark.parametrize("secret", ["ollama", "EMPTY", "anything", "changeme", "123456789", "1e10,2.5"])
def test_a_placeholder_stays_in_messages(secret: str) -> None:
    hide(secret)
    line = b'{"providerId":"ollama","a":[1e10,2.5,123456789],"text":"anything EMPTY changeme"}'
    assert redact_json(line) is line


@pytest.mark.parametrize("secret", ["", None, "abc"])
def test_what_is_no_secret_at_all_is_masked_nowhere(secret: str | None) -> None:
    hide(secret)
    assert redact("abc") == "abc"


SECRETS = ["nvapi-0123", "u000-1234", "00ab-cdef", '"-"-quoted"', "\\-slashed\\", "tab-0\tbreak\n", f"{KEY}é"]
PIECES = [
    *SECRETS,
    *(secret[1:] for secret in SECRETS),
    "\\",
    "\n",
    "\t",
    '"',
    "\x00",
    "\x01",
    "\x1b",
    "u",
    "n",
    "0",
    "é",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
VALUES = st.recursive(
    TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@given(VALUES)
def test_what_leaves_is_json_of_the_same_shape_without_a_secret(value: Any) -> None:
    for secret in SECRETS:
        hide(secret)
    line = msgspec.json.encode(value)
    left = redact_json(line)
    assert len(left) <= len(line)
    assert_same_but_masked(json.loads(left), json.loads(line))


def assert_same_but_masked(left: Any, was: Any) -> None:
    if isinstance(was, dict):
        for name in left:
            assert_same_but_masked(name, name)
        if len(left) == len(was):  # two names may have become one
            for one, other in zip(left.values(), was.values(), strict=True):
                assert_same_but_masked(one, other)
    elif isinstance(was, list):
        assert len(left) == len(was)
        for one, other in zip(left, was, strict=True):
            assert_same_but_masked(one, other)
    elif isinstance(was, str):
        assert not any(secret in left for secret in SECRETS)
        assert left == was or "***" in left
    else:
        assert left == was


NOISE = """
import sys, threading, warnings
from llm_sidecar import log
from llm_sidecar.redaction import hide

hide("sk-canary-0123456789")
log.capture_foreign_logs()

class Broken:
    def __del__(self):
        raise ValueError("Bearer sk-canary-0123456789")

def fail():
    raise ValueError("Bearer sk-canary-0123456789")

Broken()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
warnings.warn("sk-canary-0123456789")
fail()
"""


def test_what_python_itself_would_print_is_a_line_of_the_log_without_its_text() -> None:
    done = subprocess.run([sys.executable, "-W", "always", "-c", NOISE], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["uncaught", "uncaught", "library", "uncaught"]
    assert [line["exception"] for line in lines] == ["ValueError", "ValueError", None, "ValueError"]
    assert "Bearer" not in done.stderr
    assert KEY not in done.stderr
