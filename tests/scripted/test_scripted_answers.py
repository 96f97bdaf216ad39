"""What the demo provider says, with and without directives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_sidecar.messages.content import (
    ImagePart,
    JsonFormat,
    JsonSchemaFormat,
    Message,
    NamedTool,
    ReasoningOptions,
    TextPart,
    ToolCall,
    ToolDefinition,
)
from llm_sidecar.providers.events import Finish, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport
from llm_sidecar.providers.scripted.adapter import ScriptedProvider
from llm_sidecar.providers.scripted.answer import UNICODE_SAMPLE
from tests.scripted.playing import ENDPOINT, play, request, say
from tests.virtual_time import run_virtual

WEATHER = ToolDefinition(
    name="weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city", "days"],
    },
)
TIME = ToolDefinition(name="time")


def user(content: Any) -> Message:
    return Message(role="user", content=content)


# --- without directives ---


def test_it_answers_with_what_the_user_said() -> None:
    played = say("Where is the harbour?")
    assert "“Where is the harbour?”" in played.text
    assert played.finish == Finish("stop", "stop")
    assert played.error is None


def test_a_long_prompt_is_answered_with_a_list_and_a_code_block() -> None:
    assert "```python" in say("word " * 30).text
    assert "\n- " in say("word " * 30).text
    assert "```" not in say("word").text


def test_a_long_prompt_is_quoted_in_part() -> None:
    text = say("abc " * 25_000).text
    assert "abc abc" in text
    assert len(text) < 1_500


def test_the_system_prompt_images_and_tool_results_are_acknowledged() -> None:
    played = play(
        request(
            system_prompt="Be kind.",
            messages=[
                user([TextPart(text="Look"), ImagePart(url="https://example.com/a.png")]),
                Message(role="assistant", content="", tool_calls=[ToolCall(id="1", name="weather", arguments="{}")]),
                Message(role="tool", content="21 degrees", tool_call_id="1"),
            ],
        )
    )
    assert "system prompt" in played.text
    assert "1 image" in played.text
    assert "21 degrees" in played.text
    plain = say("Look").text
    assert "system prompt" not in plain
    assert "image" not in plain
    assert "tool" not in plain


def test_the_same_request_gives_the_same_events_and_another_prompt_other_ones() -> None:
    assert say("[[demo: tokens=300]] one").batches == say("[[demo: tokens=300]] one").batches
    assert say("[[demo: tokens=300]] one").text != say("[[demo: tokens=300]] two").text


def test_the_last_user_message_directs_the_answer() -> None:
    directed = user("[[demo: text=directed]]")
    assert play(request(messages=[directed, Message(role="assistant", content="ok"), user("Hi")])).text != "directed"
    assert play(request(messages=[user("Hi"), directed, Message(role="assistant", content="ok")])).text == "directed"
    assert play(request(messages=[user([TextPart(text="a"), TextPart(text="[[demo: echo]] b")])])).text == "a\n b"


def test_directives_outside_a_users_message_are_not_followed() -> None:
    played = play(request(system_prompt="[[demo: hang]]", messages=[Message(role="system", content="[[demo: nope]]")]))
    assert played.finish == Finish("stop", "stop")


def test_a_model_is_named_and_an_unknown_one_refused() -> None:
    assert say("Hi").model == "demo-1"
    assert say("Hi", model="demo-fast").model == "demo-fast"
    error = say("Hi", model="gpt-4o").error
    assert error is not None
    assert error.code == "INVALID_MODEL"
    assert "demo-1, demo-fast, demo-reasoning" in error.message


def test_the_models_are_listed_and_each_answers() -> None:
    models = run_virtual(ScriptedProvider().list_models(ENDPOINT))
    assert [model.id for model in models] == ["demo-1", "demo-fast", "demo-reasoning"]
    for model in models:
        assert say("Hi", model=model.id).finish == Finish("stop", "stop")


def test_warming_and_closing_do_nothing_harmful() -> None:
    async def main() -> None:
        provider = ScriptedProvider()
        await provider.warm()
        await provider.aclose()

    run_virtual(main())


def test_the_reasoning_model_reasons_before_it_answers() -> None:
    played = say("Hi", model="demo-reasoning")
    kinds = [type(event) for event in played.of(ReasoningDelta | TextDelta)]
    assert kinds == sorted(kinds, key=[ReasoningDelta, TextDelta].index)
    assert ReasoningDelta in kinds
    assert played.usage is not None
    assert played.usage.reasoning_tokens
    assert say("Hi").reasoning == ""
    assert say("Hi [[demo: reasoning=0]]", model="demo-reasoning").reasoning == ""


def test_reasoning_options_make_any_model_reason_as_long_as_they_say() -> None:
    def reasoning(**options: Any) -> str:
        return say("Hi", reasoning=ReasoningOptions(**options)).reasoning

    assert 0 < len(reasoning(effort="low")) < len(reasoning(effort="medium")) < len(reasoning(effort="high"))
    assert reasoning(effort="high").startswith(reasoning(budget_tokens=3))
    usage = say("Hi", reasoning=ReasoningOptions(budget_tokens=3)).usage
    assert usage is not None
    assert usage.reasoning_tokens == 3


# --- usage, ends ---


def test_usage_is_a_quarter_of_the_prompts_characters_and_the_tokens_sent() -> None:
    directive = "[[demo: tokens=42]]"
    said = "x" * (401 - len(directive)) + directive
    assert say(said).usage == UsageReport(prompt_tokens=101, completion_tokens=42)
    messages = [
        user("four"),
        Message(role="assistant", content="", tool_calls=[ToolCall(id="1", name="ab", arguments="{}")]),
    ]
    usage = play(request(system_prompt="8" * 8, messages=messages)).usage
    assert usage is not None
    assert usage.prompt_tokens == 4


def test_the_counts_of_the_deltas_add_up_to_the_completion() -> None:
    for text in ("Hi", "[[demo: tokens=500]]", "[[demo: tokens=3000 rate=max]]", "[[demo: unicode]]"):
        played = say(text)
        assert played.usage is not None
        assert sum(delta.count for delta in played.of(TextDelta)) == played.usage.completion_tokens


def test_max_tokens_ends_the_answer_as_length_and_only_if_it_is_reached() -> None:
    assert sum(delta.count for delta in say("[[demo: tokens=50]]", max_tokens=7).of(TextDelta)) == 7
    assert say("[[demo: tokens=50]]", max_tokens=7).finish == Finish("length", "length")
    assert say("[[demo: tokens=50]]", max_tokens=50).finish == Finish("stop", "stop")
    cut = say('[[demo: reasoning=5 text="a b c d" toolCall=weather{"city":"Oslo"}]]', max_tokens=7)
    assert (len(cut.reasoning.split()), cut.text, cut.calls) == (5, "a b", [])
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 7


def test_max_tokens_cuts_the_arguments_of_a_tool_call() -> None:
    cut = say('[[demo: toolCall=weather{"city":"Oslo"}]]', max_tokens=3)
    assert cut.calls == [("weather", '{"city')]
    assert cut.finish == Finish("length", "length")


def test_a_stop_sequence_ends_the_text_before_it_also_across_tokens() -> None:
    played = say('[[demo: text="one two three four" toolCall=time]]', stop=["never", "o thr", "four"])
    assert played.text == "one tw"
    assert played.calls == []
    assert played.finish == Finish("stop", "stop")
    assert say("[[demo: text=one]]", stop=["one"]).text == ""
    assert say("[[demo: text=one]]", stop=["two"]).text == "one"


def test_stop_sequences_do_not_look_into_reasoning() -> None:
    played = say('[[demo: reasoning="one two" text="three"]]', stop=["two"])
    assert (played.reasoning, played.text) == ("one two", "three")


# --- JSON and tools ---


def test_a_json_format_gives_a_json_object() -> None:
    assert "“Hi”" in json.loads(say("Hi", response_format=JsonFormat()).text)["answer"]


def test_a_json_schema_gives_a_value_that_fits_it() -> None:
    shape = JsonSchemaFormat(
        name="x", schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    assert json.loads(say("Hi", response_format=shape).text) == {"n": 0}


def test_a_directed_text_goes_before_a_format() -> None:
    assert say("[[demo: text=raw]]", response_format=JsonFormat()).text == "raw"


def test_a_schema_that_cannot_be_fitted_is_an_invalid_request() -> None:
    error = say("Hi", response_format=JsonSchemaFormat(name="x", schema={"$ref": "#/nowhere"})).error
    assert error is not None
    assert error.code == "INVALID_REQUEST"


@pytest.mark.parametrize(("choice", "name"), [("required", "time"), (NamedTool(name="weather"), "weather")])
def test_a_forced_tool_is_called_with_arguments_that_fit(choice: Any, name: str) -> None:
    played = say("Hi", tools=[TIME, WEATHER], tool_choice=choice)
    arguments = {"time": {}, "weather": {"city": "demo", "days": 1}}
    assert [(called, json.loads(given)) for called, given in played.calls] == [(name, arguments[name])]
    assert played.text == ""
    assert played.finish == Finish("tool_calls", "tool_calls")


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_tools_that_are_not_forced_are_not_called(choice: Any) -> None:
    assert say("Hi", tools=[WEATHER], tool_choice=choice).calls == []


@pytest.mark.parametrize(("choice", "tools"), [("required", None), (NamedTool(name="other"), [WEATHER])])
def test_forcing_a_tool_that_is_not_there_is_an_invalid_request(choice: Any, tools: Any) -> None:
    error = say("Hi", tools=tools, tool_choice=choice).error
    assert error is not None
    assert error.code == "INVALID_REQUEST"


# --- directives ---


def test_text_is_said_verbatim() -> None:
    assert say(r'[[demo: text="Line one\n\n  \"two\" ]] [[demo: x]] é\u00e9 "]]').text == (
        'Line one\n\n  "two" ]] [[demo: x]] éé '
    )
    assert say("[[demo: text=word]] ignored").text == "word"
    assert say('[[demo: text=""]]').text == ""
    assert say('[[demo: text=""]]').finish == Finish("stop", "stop")


def test_echo_says_the_rest_of_the_message() -> None:
    assert say("# Title\n\n[[demo: echo rate=max]]\n- a\n- b\n").text == "# Title\n\n\n- a\n- b"


def test_tokens_says_so_many_tokens_chosen_by_the_seed() -> None:
    def words(directives: str, **fields: Any) -> str:
        played = say(f"[[demo: {directives}]]", **fields)
        assert played.usage is not None
        assert played.usage.completion_tokens == 300
        return played.text

    assert words("tokens=300 seed=7") == words("seed=7 tokens=300 rate=max")
    assert words("tokens=300 seed=7") != words("tokens=300 seed=8")
    assert words("tokens=300", seed=7) == words("tokens=300 seed=7")
    assert words("tokens=300 seed=7", seed=9) == words("tokens=300 seed=7")
    assert words("tokens=300", seed=-(2**63)) != words("tokens=300", seed=5)


def test_meaningless_text_and_reasoning_begin_with_a_word_and_differ() -> None:
    played = say("[[demo: tokens=20 reasoning=20]]")
    assert played.text[0].isupper()
    assert played.reasoning[0].isupper()
    assert played.text != played.reasoning


def test_no_tokens_is_an_empty_answer_that_ends_well() -> None:
    played = say("[[demo: tokens=0]]")
    assert (played.text, played.finish) == ("", Finish("stop", "stop"))
    assert played.usage is not None
    assert played.usage.completion_tokens == 0


def test_unicode_is_cut_between_any_two_code_points() -> None:
    played = say("[[demo: unicode]]")
    assert played.text == UNICODE_SAMPLE
    assert all(len(delta.text) == 1 for delta in played.of(TextDelta))
    assert "\u200d" in played.text
    assert any("\u0590" <= letter <= "\u05ff" for letter in played.text)


def test_what_is_said_adds_up_in_a_fixed_order() -> None:
    played = say("[[demo: tokens=3 unicode text=first:]] [[demo: echo seed=1]] rest")
    assert played.text.startswith("first:rest" + UNICODE_SAMPLE)
    assert len(played.text.removeprefix("first:rest" + UNICODE_SAMPLE).split()) == 3


def test_reasoning_comes_first_as_text_or_as_a_number_of_tokens() -> None:
    assert say('[[demo: reasoning="Let me see" text=42]]').reasoning == "Let me see"
    played = say("[[demo: reasoning=12 tokens=5]]")
    assert played.usage == UsageReport(prompt_tokens=8, completion_tokens=17, reasoning_tokens=12)
    assert say('[[demo: reasoning="12"]]').reasoning == "12"


def test_tool_calls_are_streamed_in_pieces_exactly_as_typed() -> None:
    arguments = '{ "city": "Oslo ]] }", "days": [1, {"n": 2}] }'
    played = say(f"[[demo: text=Looking toolCall=weather{arguments} toolCall=time toolCall=weather{{}}]]")
    assert played.calls == [("weather", arguments), ("time", "{}"), ("weather", "{}")]
    assert len([delta for delta in played.of(ToolCallDelta) if delta.index == 0]) > 5
    assert len({delta.id for delta in played.of(ToolCallDelta) if delta.id}) == 3
    assert played.text == "Looking"
    assert played.finish == Finish("tool_calls", "tool_calls")


def test_a_tool_call_can_have_broken_or_empty_arguments() -> None:
    assert say(r'[[demo: toolCall=weather"{\"city\":" toolCall=time""]]').calls == [
        ("weather", '{"city":'),
        ("time", ""),
    ]


def test_answered_tool_calls_are_not_made_again() -> None:
    messages = [
        user('[[demo: toolCall=weather{"city":"Oslo"} rate=max]]'),
        Message(role="assistant", content="", tool_calls=[ToolCall(id="1", name="weather", arguments="{}")]),
        Message(role="tool", content="snow", tool_call_id="1"),
    ]
    played = play(request(messages=messages))
    assert played.calls == []
    assert "snow" in played.text
    assert play(request(messages=[*messages, user("[[demo: toolCall=time]]")])).calls == [("time", "{}")]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_finish_gives_another_reason(reason: Any) -> None:
    played = say(f"[[demo: text=Well finish={reason}]]")
    assert (played.text, played.finish) == ("Well", Finish(reason, reason))


def test_usage_can_be_given_in_part_and_left_out() -> None:
    assert say("[[demo: text=a usage=prompt:120,cached:100]]").usage == UsageReport(
        prompt_tokens=120, completion_tokens=1, cached_prompt_tokens=100
    )
    assert say("[[demo: usage=completion:45,reasoning:20,prompt:0,cached:0]]").usage == UsageReport(0, 45, 0, 20)
    silent = say("[[demo: text=a usage=none]]")
    assert (silent.usage, silent.text, silent.finish) == (None, "a", Finish("stop", "stop"))


def test_another_model_and_a_provider_state_can_be_reported() -> None:
    played = say('[[demo: model="demo 2" providerState={"signature": [1, {"x": null}]}]]')
    assert played.model == "demo 2"
    assert played.state == [{"signature": [1, {"x": None}]}]
    assert say("Hi").state == []
