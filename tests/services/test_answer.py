"""An answer put together from a provider's events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.errors import ProviderError
from llm_sidecar.limits import KIB, Limits
from llm_sidecar.messages.content import LONGEST_CALL_ID, LONGEST_CALL_NAME, Message, ToolCall
from llm_sidecar.messages.inference import InferenceParams
from llm_sidecar.providers.events import Finish, ModelNamed, ProviderState, UsageReport
from llm_sidecar.services.inference.answer import Answer


def answer(max_bytes: int = 10_000, **limits: int) -> Answer:
    params = InferenceParams(messages=[Message(role="user", content="Hi")])
    return Answer(params, "asked", Limits(max_answer_bytes=max_bytes, **limits))


def test_text_is_joined_in_order_and_can_be_read_at_any_time() -> None:
    found = answer()
    assert found.text == ""
    found.add_text("one ", 1)
    assert found.text == "one "
    found.add_text("two ", 1)
    found.add_text("three", 2)
    assert found.text == found.text == "one two three"


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=3)), max_size=40))
def test_pieces_of_parallel_calls_find_their_call_however_they_are_interleaved(pieces: list[tuple[int, str]]) -> None:
    found = answer(10_000)
    expected: dict[int, str] = {}
    for index, piece in pieces:
        first = index not in expected
        found.add_tool_call(index, f"id-{index}" if first else None, f"name-{index}" if first else None, piece)
        expected[index] = expected.get(index, "") + piece
    calls = [ToolCall(id=f"id-{i}", name=f"name-{i}", arguments=expected[i]) for i in sorted(expected)]
    assert (found.tool_calls or []) == calls


def test_without_a_call_there_is_no_list_of_calls() -> None:
    assert answer().tool_calls is None


def test_the_id_and_the_name_of_a_call_are_those_of_its_first_piece() -> None:
    found = answer()
    found.add_tool_call(0, "first", "name", "{")
    found.add_tool_call(0, "second", "other", "}")
    assert found.tool_calls == [ToolCall(id="first", name="name", arguments="{}")]


def test_a_name_that_comes_late_is_taken_all_the_same() -> None:
    found = answer()
    found.add_tool_call(0, "id", None, "")
    found.add_tool_call(0, None, "name", "{}")
    assert found.tool_calls == [ToolCall(id="id", name="name", arguments="{}")]


def test_calls_without_ids_get_ids_of_their_own() -> None:
    found = answer()
    found.add_tool_call(1, None, "b", "{}")
    found.add_tool_call(0, None, "a", "{}")
    assert found.tool_calls is not None
    assert [call.name for call in found.tool_calls] == ["a", "b"]
    assert len({call.id for call in found.tool_calls}) == 2


def test_content_is_text_reasoning_and_tool_calls_and_nothing_else() -> None:
    found = answer()
    for event in (UsageReport(1, 1), ProviderState({}), ModelNamed("m"), Finish("stop", None)):
        found.add(event)
    assert not found.has_content
    with_text, with_reasoning, with_call = answer(), answer(), answer()
    with_text.add_text("t", 1)
    with_reasoning.add_reasoning("r")
    with_call.add_tool_call(0, "id", "name", "")
    assert all(each.has_content for each in (with_text, with_reasoning, with_call))
    assert with_reasoning.text == ""


def test_text_reasoning_and_tool_calls_share_one_bound() -> None:
    found = _filled(answer(max_bytes=_filled(answer()).size))
    with pytest.raises(ProviderError) as refused:
        found.add_text("x", 1)
    assert refused.value.code == "PROVIDER_PROTOCOL_ERROR"
    assert not refused.value.retryable


def _filled(found: Answer) -> Answer:
    found.add_text("xxxx", 1)
    found.add_reasoning("éé")
    found.add_tool_call(0, "id", "name", "xx")
    return found


def test_calls_count_though_they_say_nothing() -> None:
    found = answer(max_bytes=1_000)
    for index in range(10):
        found.add_tool_call(index, "i", "n", "")
    with pytest.raises(ProviderError) as refused:
        [found.add_tool_call(10 + index, "i", "n", "") for index in range(10)]
    assert refused.value.code == "PROVIDER_PROTOCOL_ERROR"


@pytest.mark.parametrize(
    ("call_id", "name"),
    [("i" * (LONGEST_CALL_ID + 1), "n"), ("i", "n" * (LONGEST_CALL_NAME + 1)), ("i" * 8_000_000, "n")],
    ids=["id", "name", "enormous id"],
)
def test_a_call_whose_id_or_name_no_host_could_send_back_is_a_protocol_error(call_id: str, name: str) -> None:
    found = answer(10**8)
    found.add_tool_call(0, "i" * LONGEST_CALL_ID, "n" * LONGEST_CALL_NAME, "")
    with pytest.raises(ProviderError) as refused:
        found.add_tool_call(1, call_id, name, "")
    assert refused.value.code == "PROVIDER_PROTOCOL_ERROR"
    assert len(refused.value.message) < 100


def test_a_call_whose_id_does_not_fit_the_host_s_messages_is_a_protocol_error() -> None:
    found = answer(max_message_bytes=4 * KIB)
    found.add_tool_call(0, "call_" + "i" * 40, "n" * 64, "{}")
    with pytest.raises(ProviderError) as refused:
        found.add_tool_call(1, "i" * 1_000, "n", "")
    assert refused.value.code == "PROVIDER_PROTOCOL_ERROR"


def test_a_reason_that_never_ends_is_cut_and_a_name_that_is_none_ignored() -> None:
    found = answer()
    found.add(ModelNamed("m" * 301))
    assert found.model_id == "asked"
    found.add(ModelNamed("m" * 300))
    assert found.model_id == "m" * 300
    found.add(Finish("stop", "why " * 1_000))
    assert found.finish is not None
    assert found.finish.raw == "why " * 50


def test_later_state_replaces_earlier_key_by_key() -> None:
    found = answer()
    found.add(ProviderState({"a": 1, "b": 1}))
    found.add(ProviderState({"b": 2}))
    assert found.provider_state == {"a": 1, "b": 2}


def test_it_is_not_finished_until_the_provider_says_so() -> None:
    found = answer()
    found.add_text("t", 1)
    assert found.finish is None
    found.add(Finish("length", "max_tokens"))
    assert found.finish == Finish("length", "max_tokens")
