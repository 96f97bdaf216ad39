"""Attaching: what a host that lost its place gets back, and that past and live fit together without a seam."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_sidecar.errors import ProviderError
from llm_sidecar.providers.events import ReasoningDelta, TextDelta, ToolCallDelta
from tests.services.host import TERMINALS, Host, Refused, play, settle, text_of


def replayed(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"method": event["method"], **event["params"]} for event in result["events"]]


async def story(host: Host, inference_id: str = "a") -> str:
    """An inference that has sent seven events and goes on."""
    _, call = await host.begin(inferenceId=inference_id)
    for event in (ReasoningDelta("hm"), TextDelta("one "), ToolCallDelta(0, "{}", "i", "n"), TextDelta("two")):
        call.send(event)
        await settle()
    return inference_id


def test_from_zero_everything_comes_again_as_it_was_sent() -> None:
    async def scenario(host: Host) -> None:
        a = await story(host)
        result = await host.attach(a, 0)
        assert replayed(result) == host.events(a)
        assert (result["terminal"], result["nextSeq"]) == (False, 6)

    play(scenario)


@pytest.mark.parametrize("from_seq", range(7))
def test_from_any_place_exactly_the_rest_comes(from_seq: int) -> None:
    async def scenario(host: Host) -> None:
        a = await story(host)
        result = await host.attach(a, from_seq)
        assert [event["seq"] for event in replayed(result)] == list(range(from_seq, 6))
        assert result["nextSeq"] == 6

    play(scenario)


@pytest.mark.parametrize("from_seq", [7, 8, 10**9])
def test_what_has_not_come_yet_is_a_gap(from_seq: int) -> None:
    async def scenario(host: Host) -> None:
        a = await story(host)
        with pytest.raises(Refused) as refused:
            await host.attach(a, from_seq)
        assert refused.value.code == "REPLAY_GAP"
        assert refused.value.data["details"] == {"firstSeq": 0, "nextSeq": 6}

    play(scenario)


def test_an_unknown_inference_cannot_be_attached_to() -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(Refused) as refused:
            await host.attach("nobody", 0)
        assert refused.value.code == "INFERENCE_NOT_FOUND"

    play(scenario)


@pytest.mark.parametrize("how", ["done", "failed", "cancelled"])
def test_a_finished_inference_is_replayed_with_its_terminal(how: str) -> None:
    async def scenario(host: Host) -> None:
        a = await story(host)
        call = host.provider.last
        if how == "done":
            call.finish()
        elif how == "failed":
            call.fail(ProviderError("SERVER_ERROR", "Failed."))
        else:
            assert await host.cancel(a)
        await settle()
        result = await host.attach(a, 3)
        events = replayed(result)
        assert events == host.events(a)[3:]
        assert events[-1]["method"] in TERMINALS
        assert (result["terminal"], result["nextSeq"]) == (True, 7)
        assert await host.attach(a, 7) == {"events": [], "terminal": True, "nextSeq": 7}

    play(scenario)


def test_live_events_follow_the_replay_without_a_seam() -> None:
    async def scenario(host: Host) -> None:
        a = await story(host)
        request = host.request("llm:inference:attach", inferenceId=a, fromSeq=2)
        host.send(request)
        host.provider.last.say(" three")
        host.provider.last.finish()
        await settle()
        live = host.received[host.received.index(host.response(request) or {}) + 1 :]
        result = host.result(request)
        numbers = [e["seq"] for e in replayed(result)] + [m["params"]["seq"] for m in live]
        assert numbers == list(range(2, 8))
        assert live[0]["params"]["seq"] == result["nextSeq"]

    play(scenario)


def test_attached_in_its_own_batch_it_has_no_past_and_a_whole_future() -> None:
    async def scenario(host: Host) -> None:
        attach = host.request("llm:inference:attach", inferenceId="a", fromSeq=0)
        host.send([host.inference(inferenceId="a"), attach])
        await settle()
        assert host.result(attach) == {"events": [], "terminal": False, "nextSeq": 0}
        assert [event["seq"] for event in host.events("a")] == [0]

    play(scenario)


@pytest.mark.parametrize("stalled_at", range(0, 12, 3))
@pytest.mark.parametrize("attach_at", range(0, 12, 2))
@pytest.mark.parametrize(
    "batching", [{}, {"token_batch_delay_ms": 50}, {"token_batch_delay_ms": 50, "token_batch_tokens": 2}]
)
def test_whenever_a_host_attaches_past_and_live_text_make_the_whole_answer(
    stalled_at: int, attach_at: int, batching: dict[str, int]
) -> None:
    """Text waits and merges while the host does not read; none of it may be missing or come twice."""

    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        attaching = host.request("llm:inference:attach", inferenceId=a, fromSeq=0)
        for step in range(12):
            if step == stalled_at:
                host.sink.stall()
            if step == attach_at:
                host.send(attaching)
            call.send(*([ToolCallDelta(0, ".")] if step % 5 == 4 else [TextDelta(f"<{step}>")]))
            if step % 2:
                await settle()
            else:
                await asyncio.sleep(0.03)
        host.sink.unstall()
        call.finish()
        await settle()
        live = host.received[host.received.index(host.response(attaching) or {}) + 1 :]
        past = replayed(host.result(attaching))
        events = past + [{"method": m["method"], **m["params"]} for m in live]
        assert [event["seq"] for event in events] == list(range(len(events)))
        assert text_of(events) == call.text == "".join(f"<{step}>" for step in range(12) if step % 5 != 4)
        assert events[-1]["method"] == "llm:done"

    play(scenario, **batching)


def test_an_answer_that_is_not_streamed_is_replayed_with_its_text() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(stream=False)
        call.say("all of it")
        call.finish()
        await settle()
        events = replayed(await host.attach(a, 0))
        assert [e["method"] for e in events] == ["llm:thinking", "llm:thinking", "llm:done"]
        assert events[-1]["text"] == "all of it"

    play(scenario)


# --- what is forgotten ---


def test_the_oldest_events_of_a_long_answer_leave_and_asking_for_them_is_a_gap() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        for number in range(50):
            call.say(f"{number:0100}")
            await settle()
        with pytest.raises(Refused) as refused:
            await host.attach(a, 0)
        assert refused.value.code == "REPLAY_GAP"
        first, following = (refused.value.data["details"][name] for name in ("firstSeq", "nextSeq"))
        assert following == 52
        assert 52 - 5_000 // 100 < first < 52
        kept = replayed(await host.attach(a, first))
        assert kept == host.events(a)[first:]
        with pytest.raises(Refused):
            await host.attach(a, first - 1)

    play(scenario, journal_bytes=5_000)


def test_a_finished_answer_that_fitted_its_journal_is_still_whole_after_its_terminal() -> None:
    """The terminal of a streamed answer does not hold the text: it must not weigh as if it did."""

    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        for _ in range(30):
            call.say("x" * 100)
            await settle()
        assert (await host.attach(a, 0))["nextSeq"] == 32
        call.finish()
        await settle()
        assert replayed(await host.attach(a, 0)) == host.events(a)

    play(scenario, journal_bytes=9_000)


def test_the_longest_finished_inference_is_forgotten_first() -> None:
    async def scenario(host: Host) -> None:
        for name in "abc":
            await host.begin(inferenceId=name)
        for index in (1, 0, 2):
            host.provider.calls[index].finish()
            await settle()
        with pytest.raises(Refused) as refused:
            await host.attach("b", 0)
        assert refused.value.code == "INFERENCE_NOT_FOUND"
        assert (await host.attach("a", 0))["terminal"]
        assert (await host.attach("c", 0))["terminal"]

    play(scenario, journal_finished=2)


def test_a_live_inference_is_never_forgotten_for_the_number_of_finished_ones() -> None:
    async def scenario(host: Host) -> None:
        await host.begin(inferenceId="live")
        for name in "abc":
            _, call = await host.begin(inferenceId=name)
            call.finish()
            await settle()
        assert (await host.attach("live", 0))["nextSeq"] == 2
        for name in "abc":
            with pytest.raises(Refused):
                await host.attach(name, 0)

    play(scenario, journal_finished=0)


def test_finished_inferences_leave_when_all_journals_together_are_too_large() -> None:
    async def scenario(host: Host) -> None:
        for name in "abcd":
            _, call = await host.begin(inferenceId=name)
            call.say("x" * 2_000)
            call.finish()
            await settle()
        for name in "ab":
            with pytest.raises(Refused) as refused:
                await host.attach(name, 0)
            assert refused.value.code == "INFERENCE_NOT_FOUND"
        for name in "cd":
            assert (await host.attach(name, 0))["terminal"]

    play(scenario, journal_total_bytes=6_000)


def test_live_inferences_alone_stay_within_the_bound_of_all_journals() -> None:
    async def scenario(host: Host) -> None:
        calls = [(await host.begin())[1] for _ in range(5)]
        for _ in range(20):
            for call in calls:
                call.say("x" * 500)
            await settle()
        assert host.service._journals.total_bytes <= host.limits.journal_total_bytes

    play(scenario, journal_bytes=8_000, journal_total_bytes=10_000)


def test_without_room_for_any_event_only_the_end_can_be_asked_for() -> None:
    async def scenario(host: Host) -> None:
        a = await story(host)
        with pytest.raises(Refused):
            await host.attach(a, 5)
        assert await host.attach(a, 6) == {"events": [], "terminal": False, "nextSeq": 6}

    play(scenario, journal_bytes=0)


def test_a_new_inference_of_an_ended_id_replaces_the_old_journal() -> None:
    async def scenario(host: Host) -> None:
        await story(host, "a")
        host.provider.last.finish()
        await settle()
        _, call = await host.begin(inferenceId="a")
        call.say("new")
        await settle()
        result = await host.attach("a", 0)
        assert text_of(replayed(result)) == "new"
        assert (result["terminal"], result["nextSeq"]) == (False, 3)

    play(scenario)


def test_an_old_inference_unread_while_its_id_begins_anew_disturbs_neither() -> None:
    async def scenario(host: Host) -> None:
        _, call = await host.begin(inferenceId="a")
        host.sink.stall()
        for text in ("held by the sink", "unread"):
            call.say(text)
            await settle()
        call.finish()
        await settle()
        again = host.inference(inferenceId="a")
        host.send(again)
        await settle()
        host.provider.last.accept()
        host.provider.last.say("new")
        await settle()
        host.sink.unstall()
        await settle()
        reply = host.received.index(host.response(again) or {})
        assert host.received[reply - 1]["method"] == "llm:done"
        assert replayed(await host.attach("a", 0)) == host.events("a")
        assert host.text("a") == "new"
        host.provider.last.finish()
        await settle()
        assert (await host.attach("a", 0))["terminal"]

    play(scenario)


def test_a_replay_that_is_written_after_its_id_began_anew_tells_no_wrong_events() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin(inferenceId="a")
        host.sink.stall()
        for text in ("held by the sink", "unread"):
            call.say(text)
            await settle()
        host.send(host.request("llm:cancel", inferenceId=a))
        attaching = host.request("llm:inference:attach", inferenceId=a, fromSeq=3)
        host.send(attaching)
        host.send(host.inference(inferenceId="a"))
        await settle()
        host.sink.unstall()
        await settle()
        response = host.response(attaching) or {}
        if "error" in response:
            assert response["error"]["data"]["code"] == "REPLAY_GAP"
        else:
            result = response["result"]
            assert [event["seq"] for event in replayed(result)] == list(range(3, result["nextSeq"]))

    play(scenario)


def test_a_replay_longer_than_a_line_may_be_is_refused_by_name_and_a_later_part_can_be_had() -> None:
    async def scenario(host: Host) -> None:
        a, call = await host.begin()
        for _ in range(40):
            call.say("x" * 500)
            await settle()
        with pytest.raises(Refused) as refused:
            await host.attach(a, 0)
        assert refused.value.code == "MESSAGE_TOO_LARGE"
        assert replayed(await host.attach(a, 35)) == host.events(a)[35:]

    play(scenario, max_message_bytes=8_000)
