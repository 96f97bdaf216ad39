"""The syntax of the directives, its errors, and the promise that no text breaks the demo provider."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.scripted.composer import MODELS, compose
from llm_sidecar.providers.scripted.directives import FAULT_CODES, RULES, Directives, read_directives
from tests.scripted.playing import FAST, request, say

DOCUMENT = (Path(__file__).parents[2] / "protocol" / "demo-provider.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"\[\[demo: [^…\n]*?\]\](?=[` ])|\[\[demo: reasoning=\"Let me see…\" text=42\]\]", DOCUMENT)


def refusal(text: str) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        read_directives(text)
    assert caught.value.code == "INVALID_REQUEST"
    assert not caught.value.retryable
    return caught.value


# --- syntax ---


def test_blocks_may_stand_anywhere_and_add_up() -> None:
    directives, rest = read_directives("Hello [[demo: tokens=5]] there\n[[demo:rate=max\n  seed=7 ]]")
    assert directives == Directives(tokens=5, rate=0, seed=7)
    assert rest == "Hello  there"


@pytest.mark.parametrize("text", ["", "Hi", "[[demo]]", "[demo: tokens=5]", "]] [[", "[[ demo: x]]", "[[Demo: x]]"])
def test_other_text_is_no_directive(text: str) -> None:
    assert read_directives(text) == (Directives(), text)


def test_blocks_after_an_empty_line_take_the_place_of_those_before() -> None:
    text = "a [[demo: hang text=no]]\n \t\nb [[demo: tokens=2]] c\n[[demo: rate=50]]\n\nd"
    assert read_directives(text) == (Directives(tokens=2, rate=50), "a \n \t\nb  c\n\n\nd")
    with pytest.raises(ProviderError, match="is not known"):
        read_directives("[[demo: misspelt]]\n\n[[demo: tokens=2]]")


def test_an_empty_block_directs_nothing() -> None:
    assert read_directives("a[[demo:]]b[[demo: ]]c") == (Directives(), "abc")


def test_what_looks_like_a_block_inside_a_string_is_text() -> None:
    directives, rest = read_directives(r'[[demo: text="a ]] \"b\" [[demo: nope]]" seed=1]]!')
    assert directives == Directives(text='a ]] "b" [[demo: nope]]', seed=1)
    assert rest == "!"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[[demo: tokns=5]]", "tokns"),
        ("[[demo: Tokens=5]]", "Tokens"),
        ("[[demo: tokens]]", "tokens"),
        ("[[demo: tokens=]]", "tokens"),
        ("[[demo: tokens=-5]]", "tokens"),
        ("[[demo: tokens=1.5]]", "tokens"),
        ("[[demo: tokens=1_0]]", "tokens"),
        ("[[demo: tokens=٣]]", "tokens"),
        ("[[demo: tokens=1000001]]", "tokens"),
        ("[[demo: tokens=" + "9" * 5000 + "]]", "tokens"),
        ('[[demo: tokens="5"]]', "tokens"),
        ("[[demo: tokens=5 tokens=5]]", "tokens"),
        ("[[demo: tokens=5]] [[demo: tokens=5]]", "tokens"),
        ("[[demo: tokens=5,rate=7]]", "tokens"),
        ("[[demo: text]]", "text"),
        ("[[demo: text=]]", "text"),
        ('[[demo: text="never ends]]', "text"),
        ('[[demo: text="a"b]]', "text"),
        ('[[demo: text=a"b"]]', "text"),
        ('[[demo: text={"a":1}]]', "text"),
        (r'[[demo: text="\ud800"]]', "text"),
        ('[[demo: text="two\nlines"]]', "text"),
        ("[[demo: text=[1]]]", "text"),
        ("[[demo: echo=1]]", "echo"),
        ("[[demo: unicode=yes]]", "unicode"),
        ("[[demo: hang=5]]", "hang"),
        ("[[demo: seed=x]]", "seed"),
        ("[[demo: reasoning]]", "reasoning"),
        ("[[demo: reasoning=②]]", "reasoning"),
        ("[[demo: reasoning=9999999]]", "reasoning"),
        ("[[demo: toolCall]]", "toolCall"),
        ('[[demo: toolCall={"a":1}]]', "toolCall"),
        ("[[demo: toolCall=w{]]", "toolCall"),
        ("[[demo: toolCall=w{]}]]", "toolCall"),
        ("[[demo: toolCall=w{'a':1}]]", "toolCall"),
        ("[[demo: toolCall=w{}x]]", "toolCall"),
        ("[[demo: toolCall=wé{}]]", "toolCall"),
        ("[[demo: toolCall=" + "w" * 65 + "]]", "toolCall"),
        ("[[demo: " + "toolCall=w " * 129 + "]]", "toolCall"),
        ("[[demo: finish=stop]]", "finish"),
        ("[[demo: usage=5]]", "usage"),
        ("[[demo: usage=prompt:]]", "usage"),
        ("[[demo: usage=prompt:1,]]", "usage"),
        ("[[demo: usage=none,prompt:1]]", "usage"),
        ("[[demo: usage=promt:1]]", "usage"),
        ('[[demo: model=""]]', "model"),
        ("[[demo: providerState=5]]", "providerState"),
        ('[[demo: providerState="x"]]', "providerState"),
        ("[[demo: providerState=" + '{"a":' * 20_000 + "1" + "}" * 20_000 + "]]", "providerState"),
        ("[[demo: rate=fast]]", "rate"),
        ("[[demo: rate=1e3]]", "rate"),
        ("[[demo: rate=-1]]", "rate"),
        ("[[demo: firstToken=250ms]]", "firstToken"),
        ("[[demo: connect=3600001]]", "connect"),
        ("[[demo: progress=1001]]", "progress"),
        ("[[demo: rateLimit=soon]]", "rateLimit"),
        ("[[demo: error]]", "error"),
        ("[[demo: error=OOPS]]", "error"),
        ("[[demo: error=VAULT_LOCKED]]", "error"),
        ("[[demo: error=SERVER_ERROR@]]", "error"),
        ("[[demo: error=SERVER_ERROR@x]]", "error"),
        ("[[demo: stall]]", "stall"),
        ("[[demo: truncate=]]", "truncate"),
        ("[[demo: reset=x]]", "reset"),
        ("[[demo: failFirst=2]]", "failFirst"),
    ],
)
def test_a_malformed_directive_is_named(text: str, name: str) -> None:
    assert f"Demo directive {name!r} " in refusal(text).message


@pytest.mark.parametrize(
    "text", ["[[demo:", "[[demo: ", "[[demo: tokens=5", "[[demo: tokens=5 ]", "[[demo: 5]]", "[[demo: =]]"]
)
def test_a_block_that_is_broken_or_never_ends_is_refused(text: str) -> None:
    refusal(text)


@pytest.mark.parametrize("text", ['[[demo: text="a]]', '[[demo: toolCall=t{"a]]', '[[demo: toolCall=t{"a":1 '])
def test_a_missing_quote_or_brace_is_called_so(text: str) -> None:
    assert "never ends" in refusal(text).message


def test_a_refusal_lists_every_valid_directive_and_stays_short() -> None:
    for text in ("[[demo: nope]]", "[[demo: " + "x" * 90_000 + "]]", "[[demo: error=" + "X" * 90_000 + "]]"):
        message = refusal(text).message
        assert all(rule.form in message for rule in RULES.values())
        assert len(message) < 1_500


def test_a_refusal_reaches_the_caller_when_the_stream_is_entered() -> None:
    played = say("[[demo: nope]]")
    assert played.accepted_at is None
    assert played.error is not None
    assert played.error.code == "INVALID_REQUEST"


# --- any text at all ---

_numbers = st.integers(0, 40).map(str)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
).map(json.dumps)
_values = st.one_of(
    _numbers,
    _json,
    st.text(max_size=8),
    st.sampled_from(["max", "none", "length", "content_filter", "prompt:5,cached:2", *FAULT_CODES]),
    st.builds("{}@{}".format, st.sampled_from(FAULT_CODES), _numbers),
    st.builds("{}{}".format, st.sampled_from(["weather", "t"]), _json),
)
_items = st.one_of(
    st.sampled_from(list(RULES)),
    st.builds("{}={}".format, st.sampled_from(list(RULES)) | st.text(max_size=5), _values),
)
_blocks = st.lists(_items, max_size=5).map(lambda items: f"[[demo: {' '.join(items)}]]")
_pieces = st.one_of(st.text(max_size=20), _blocks, st.sampled_from(["[[demo:", "]]", '"', "\\", "{", "[", "=", " "]))
_texts = st.lists(_pieces, max_size=6).map("".join)


def refused(text: str) -> ProviderError | None:
    try:
        read_directives(text)
    except ProviderError as error:
        return error
    return None


@given(_texts)
@example('[[demo: text="\\')
@example("[[demo: [[demo: ]]")
@example('[[demo: toolCall=t{"a":"]]"} truncate=3]]')
def test_any_text_gives_an_answer_or_an_invalid_request(text: str) -> None:
    refusal = refused(text)
    fault = None if refusal else compose(request(text)).fault
    if fault is not None and fault.error is None:
        return  # silence for ever is what was asked for
    played = say(text)
    expected = refusal or (fault.error if fault else None)
    if expected is None:
        assert played.error is None
        assert played.finish is not None
        assert played.batches == say(text).batches
    else:
        assert played.error is not None
        assert played.error.code == ("INVALID_REQUEST" if refusal else expected.code)
        assert played.finish is None
    msgspec.json.encode([event for _, batch in played.batches for event in batch])


@given(st.text(max_size=200), st.integers(1, 30), st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_verbatim_text_keeps_every_character_up_to_a_stop_sequence(text: str, most: int, stop: list[str]) -> None:
    typed = f"{FAST} [[demo: text={json.dumps(text, ensure_ascii=False)}]]"
    whole = say(typed)
    assert whole.text == text
    stopped = say(typed, stop=stop)
    ends = [text.find(sequence) for sequence in stop if sequence in text]
    assert stopped.text == (text[: min(ends)] if ends else text)
    cut = say(typed, max_tokens=most)
    assert text.startswith(cut.text)
    assert cut.usage is not None
    assert cut.usage.completion_tokens <= most


def test_hostile_text_is_read_in_one_pass() -> None:
    for text in (
        "[[demo: text=" + '"\\"' * 30_000,
        "[[demo: toolCall=t{" + '"' * 99_999,
        "[[demo: toolCall=t" + "{" * 99_000,
        "[[demo:" * 14_000,
        "[[demo: " + " " * 99_000,
        "[[demo: " + "a" * 99_000,
    ):
        refusal(text)
    assert read_directives("[[demo:]]" * 11_000)[0] == Directives()
    assert compose(request(" " * 99_999)).parts


# --- the document ---


def test_the_document_has_an_example_of_every_directive() -> None:
    used = {name for text in EXAMPLES for name in re.findall(r"[a-zA-Z]+(?==|\s|\])", text)}
    assert set(RULES) <= used
    for name, rule in RULES.items():
        assert f"`{name}" in DOCUMENT, name
        assert rule.form.startswith(name)


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_documents_examples_are_valid(text: str) -> None:
    directives, _ = read_directives(text)
    assert directives != Directives()


def test_the_document_names_every_code_and_model() -> None:
    assert re.findall(r"`([A-Z_]+)`", DOCUMENT.split("Codes: ")[1]) == list(FAULT_CODES)
    assert all(f"`{model}`" in DOCUMENT for model in MODELS)


def test_a_directive_in_the_default_answer_is_valid() -> None:
    text = say("word " * 30).text
    found: list[Any] = re.findall(r"\[\[demo: .*?\]\]", text)
    assert [read_directives(block)[0] for block in found] == [Directives(tokens=200, rate=50)]
