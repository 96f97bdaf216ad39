"""What a model is given to read, whatever happened to the turns before."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_sidecar.messages.content import ImagePart, Message, TextPart, ToolCall
from llm_sidecar.services.sessions.context import Window, conversation, estimated
from llm_sidecar.storage.turns import PastTurn


def user(text: str) -> Message:
    return Message(role="user", content=text)


def answer(text: str, *calls: str, **more: Any) -> Message:
    made = [ToolCall(id=call, name="look", arguments="{}") for call in calls] or None
    return Message(role="assistant", content=text, tool_calls=made, **more)


def result(call: str) -> Message:
    return Message(role="tool", content="found", tool_call_id=call)


def turn(*messages: Message) -> PastTurn:
    """The last one is the answer, where it is an assistant's."""
    return PastTurn(list(messages[:-1]), messages[-1])


def shown(messages: list[Message]) -> list[str]:
    return [f"{m.role}: {m.content}" + "".join(f" +{call.id}" for call in m.tool_calls or ()) for m in messages]


def test_what_was_said_is_read_in_order() -> None:
    read = conversation([turn(user("a"), answer("A")), turn(user("b"), answer("B"))], [user("c")])
    assert shown(read) == ["user: a", "assistant: A", "user: b", "assistant: B", "user: c"]


def test_a_question_without_an_answer_is_asked_together_with_the_next() -> None:
    read = conversation([turn(user("a"), answer("")), turn(user("b"), answer(" \n"))], [user("c")])
    assert shown(read) == ["user: a\n\nb\n\nc"]


def test_a_question_without_an_answer_that_is_asked_again_is_asked_once() -> None:
    past = [turn(user("a"), answer("A")), turn(user("b"), answer("")), turn(user("b"), answer(" "))]
    assert shown(conversation(past, [user("b")])) == ["user: a", "assistant: A", "user: b"]
    assert shown(conversation(past, [user("in French")])) == ["user: a", "assistant: A", "user: b\n\nin French"]
    assert shown(conversation(past[:1], [user("a")])) == ["user: a", "assistant: A", "user: a"]


def test_results_that_are_brought_again_are_read_as_they_were_brought_last() -> None:
    asked = turn(user("a"), answer("", "1", "2"))
    found = Message(role="tool", content="found later", tool_call_id="1")
    read = shown(conversation([asked, turn(result("1"), result("2"), answer(""))], [found, result("2")]))
    assert read == ["user: a", "assistant:  +1 +2", "tool: found later", "tool: found"]
    read = shown(conversation([asked, turn(result("1"), result("2"), answer(""))], [found]))
    assert read == ["user: a", "assistant:  +1 +2", "tool: found", "tool: found later"]


def test_parts_are_joined_as_parts() -> None:
    picture = ImagePart(url="https://example.com/a.png")
    first = Message(role="user", content=[TextPart(text="look"), picture])
    read = conversation([turn(first, answer(""))], [user("well?")])
    assert len(read) == 1
    assert read[0].content == [TextPart(text="look"), picture, TextPart(text="well?")]


def test_messages_of_one_turn_stay_as_the_host_sent_them() -> None:
    read = conversation([turn(user("a"), user("b"), answer("AB"))], [user("c"), user("d")])
    assert shown(read) == ["user: a", "user: b", "assistant: AB", "user: c", "user: d"]


def test_a_partial_answer_is_read() -> None:
    assert shown(conversation([turn(user("a"), answer("begi"))], [user("b")])) == [
        "user: a",
        "assistant: begi",
        "user: b",
    ]


def test_calls_that_are_answered_stay_with_their_state() -> None:
    said = answer("", "1", "2", provider_state={"signature": "x"})
    read = conversation([turn(user("a"), said)], [result("1"), result("2")])
    assert read[1] is said
    assert shown(read)[1:] == ["assistant:  +1 +2", "tool: found", "tool: found"]


def test_a_call_that_nobody_answered_is_left_out_and_so_is_what_signed_it() -> None:
    said = answer("Let me see", "1", "2", provider_state={"signature": "x"})
    read = conversation([turn(user("a"), said), turn(result("1"), answer("Well"))], [user("b")])
    assert shown(read) == ["user: a", "assistant: Let me see +1", "tool: found", "assistant: Well", "user: b"]
    assert read[1].provider_state is None


def test_an_answer_of_nothing_but_unanswered_calls_is_left_out_whole() -> None:
    assert shown(conversation([turn(user("a"), answer("", "1"))], [user("b")])) == ["user: a\n\nb"]


def test_a_result_of_a_call_that_is_not_there_is_left_out_of_the_past_and_kept_in_the_new() -> None:
    past = [turn(user("a"), answer("A")), turn(result("9"), answer("B"))]
    assert shown(conversation(past, [user("c")])) == ["user: a", "assistant: A", "assistant: B", "user: c"]
    assert shown(conversation(past[:1], [result("9")]))[-1] == "tool: found"


def test_a_window_leaves_out_the_oldest_turns_first_and_never_the_new_messages() -> None:
    past = [turn(user(f"q{n}" + "x" * 400), answer(f"a{n}")) for n in range(10)]
    window = Window(past, [user("now")])
    window.fit(250)
    kept = shown(window.messages())
    assert [line[:8] for line in kept] == ["user: q8", "assistan", "user: q9", "assistan", "user: no"]
    window.fit(0)
    assert shown(window.messages()) == ["user: now"]


def test_a_window_has_room_for_what_is_asked_again() -> None:
    long = user("q" * 4_000)
    window = Window([turn(user("a"), answer("A")), *[turn(long, answer(""))] * 5], [long])
    window.fit(1_100)
    assert [m.content[:1] for m in window.messages()] == ["a", "A", "q"]


def test_a_window_never_parts_a_call_from_its_result() -> None:
    past = [
        turn(user("a" * 4_000), answer("A")),
        turn(user("b"), answer("", "1")),
        turn(result("1"), answer("B" * 400)),
        turn(user("c"), answer("C")),
    ]
    window = Window(past, [user("now")])
    window.fit(150)
    assert [m.role for m in window.messages()] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        *["user", "assistant"],
        "user",
    ]
    window.fit(100)
    assert [m.role for m in window.messages()] == ["user", "assistant", "user"]
    window = Window([*past, turn(user("d"), answer("", "2"))], [result("2")])
    window.fit(0)
    assert [m.role for m in window.messages()] == ["user", "assistant", "tool"]


@given(st.lists(st.integers(0, 2_000), max_size=30))
def test_a_window_shrinks_by_about_half_until_only_the_new_messages_are_left(sizes: list[int]) -> None:
    past = [turn(user("q" * size), answer("a")) for size in sizes]
    window = Window(past, [user("now")])
    before = estimated(window.messages())
    steps = 0
    while window.shrink():
        steps += 1
        after = estimated(window.messages())
        assert after < before
        before = after
    assert shown(window.messages()) == ["user: now"]
    assert steps <= len(sizes)
    assert steps <= 20


@st.composite
def pasts(draw: st.DrawFn) -> tuple[list[PastTurn], list[Message]]:
    """Any history that a host can make, tools and cut-off answers included."""
    turns: list[PastTurn] = []
    calls = st.lists(st.sampled_from("1234"), max_size=2, unique=True)
    asked = st.one_of(st.builds(user, st.text(max_size=3)), st.builds(result, st.sampled_from("1234")))
    for _ in range(draw(st.integers(0, 6))):
        messages = draw(st.lists(asked, min_size=1, max_size=3))
        reply = answer(draw(st.sampled_from(["", " ", "text"])), *draw(calls))
        turns.append(PastTurn(messages, draw(st.sampled_from([None, reply]))))
    return turns, [user("new")]


@given(pasts())
def test_every_past_is_well_formed(past: tuple[list[PastTurn], list[Message]]) -> None:
    read = conversation(*past)
    for at, message in enumerate(read):
        if message.role == "assistant":
            wanted = {call.id for call in message.tool_calls or ()}
            after = read[at + 1 :]
            results = [m.tool_call_id for m in after[: next((i for i, m in enumerate(after) if m.role != "tool"), 0)]]
            assert wanted == set(results)
            assert len(results) == len(set(results))
            assert message.tool_calls or message.content
        elif message.role == "tool":
            assert read[at - 1].role in ("tool", "assistant")
    assert str(read[-1].content).endswith("new")
