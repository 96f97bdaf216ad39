"""Sessions, at the pipe of a real sidecar."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Host

Spawn = Callable[..., Host]
FAST = "connect=0 firstToken=0 rate=max"


def say(host: Host, session: str, text: str, **params: Any) -> Any:
    """Run a turn to its terminal."""
    accepted = host.call("llm:session:run", {"sessionId": session, "messages": [message(text)], **params})
    return host.answer(accepted["inferenceId"])


def message(text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": text, **more}


def history(host: Host, session: str) -> list[tuple[str, str, str]]:
    """Role, content and state of every message."""
    page = host.call("llm:session:history", {"sessionId": session, "limit": 200})
    return [(m["role"], m["content"], m.get("state", "complete")) for m in page["messages"]]


def create(host: Host, session: str = "s", **config: Any) -> Any:
    return host.call("llm:session:create", {"sessionId": session, "providerId": "demo", **config})


def test_a_conversation_goes_on_after_a_restart(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn(data_dir=tmp_path / "one")
    info = create(host, systemPrompt="Be brief.", metadata={"title": "T"})
    assert info["isActive"]
    assert (info["messageCount"], info["totalTokens"], info["totalCost"]) == (0, 0, None)
    answer = say(host, "s", f"[[demo: text=Hello {FAST}]]", inferenceId="i1")
    assert answer.outcome == "done"
    assert {params["sessionId"] for _, params in answer.events} == {"s"}
    assert "persisted" not in answer.terminal
    host.close_stdin()
    assert host.wait() == 0

    host = spawn(data_dir=tmp_path / "one")
    info = host.call("llm:session:get", {"sessionId": "s"})
    assert not info["isActive"]
    assert info["messageCount"] == 2
    assert info["totalTokens"] == answer.terminal["totalTokens"]
    assert (info["systemPrompt"], info["metadata"]) == ("Be brief.", {"title": "T"})
    again = say(host, "s", f"[[demo: {FAST}]] and now?")
    assert again.terminal["usage"]["promptTokens"] > answer.terminal["usage"]["promptTokens"]
    assert "system prompt" in again.text
    assert host.call("llm:session:get", {"sessionId": "s"})["isActive"]
    assert [role for role, _, _ in history(host, "s")] == ["user", "assistant"] * 2


def test_a_failed_turn_leaves_nothing_but_its_cost(spawn: Spawn) -> None:
    host = spawn()
    create(host)
    answer = say(host, "s", f'[[demo: text="one two three" {FAST} error=SERVER_ERROR@2]]')
    assert answer.outcome == "SERVER_ERROR"
    assert answer.terminal["partialText"]
    assert history(host, "s") == []
    info = host.call("llm:session:get", {"sessionId": "s"})
    assert (info["messageCount"], info["totalTokens"]) == (0, answer.terminal["usage"]["totalTokens"])
    assert say(host, "s", f"[[demo: text=fine {FAST}]]").outcome == "done"


def test_a_cancelled_turn_keeps_what_came(spawn: Spawn) -> None:
    host = spawn()
    create(host)
    host.call("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message("[[demo: tokens=5000]]")]})
    host.read_until(lambda m: m.get("method") == "llm:token")
    host.call("llm:cancel", {"inferenceId": "i"})
    # The token taken above is not in the answer below.
    host.read_until(lambda m: m.get("method") == "llm:done")
    (_, (role, text, state)) = history(host, "s")
    assert (role, state) == ("assistant", "cancelled")
    assert text


def test_a_cancel_that_follows_at_once_finds_the_run_and_costs_nothing(spawn: Spawn) -> None:
    host = spawn()
    create(host)
    for number in range(20):
        run = host.ask("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message(f"hi {number}")]})
        cancel = host.ask("llm:cancel", {"inferenceId": "i"})
        assert host.response(run)["result"] == {"inferenceId": "i"}
        assert host.response(cancel)["result"] == {"success": True}
        answer = host.answer("i")
        assert answer.outcome == "cancelled"
        assert answer.terminal["totalTokens"] == 0
    assert history(host, "s")[:2] == [("user", "hi 0", "complete"), ("assistant", "", "cancelled")]
    assert host.call("llm:session:get", {"sessionId": "s"})["totalTokens"] == 0
    # The twenty questions nobody answered are asked together with the next one.
    assert say(host, "s", f"[[demo: {FAST} echo]] now").text.startswith("hi 0\n\nhi 1")


def test_a_second_run_meanwhile_is_refused(spawn: Spawn) -> None:
    host = spawn()
    create(host)
    hang = [message("[[demo: hang]]")]
    first = host.ask("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": hang})
    at_once = host.ask("llm:session:run", {"sessionId": "s", "messages": [message("b")]})
    assert host.response(at_once)["error"]["data"]["code"] == "SESSION_BUSY"
    assert "result" in host.response(first)
    refused = host.refusal("llm:session:run", {"sessionId": "s", "messages": [message("c")]})
    assert (refused["data"]["code"], refused["data"]["retryable"]) == ("SESSION_BUSY", True)
    assert host.call("llm:session:get", {"sessionId": "s"})["isRunning"]
    create(host, "t")
    same_id = host.refusal("llm:session:run", {"sessionId": "t", "inferenceId": "i", "messages": [message("d")]})
    assert same_id["data"]["code"] == "INFERENCE_EXISTS"
    assert history(host, "t") == []
    host.call("llm:cancel", {"inferenceId": "i"})
    assert host.answer("i").outcome == "cancelled"
    host.call("llm:session:destroy", {"sessionId": "s"})
    create(host)
    assert say(host, "s", f"[[demo: {FAST}]] go on", inferenceId="i").outcome == "done"


def test_what_is_refused_leaves_no_turn(spawn: Spawn) -> None:
    host = spawn(environment={"LLM_SIDECAR_MAX_CONCURRENT_INFERENCES": "1"})
    create(host)
    create(host, "t", providerId="openai")
    host.infer("[[demo: hang]]", inferenceId="hanging")
    host.read_until(lambda m: m.get("method") == "llm:thinking")
    refused = host.refusal("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message("a")]})
    assert refused["data"]["code"] == "RATE_LIMIT"
    refused = host.refusal("llm:session:run", {"sessionId": "t", "inferenceId": "i", "messages": [message("a")]})
    assert refused["data"]["code"] == "API_KEY_MISSING"
    for session in ("s", "t"):
        info = host.call("llm:session:get", {"sessionId": session})
        assert (info["messageCount"], info.get("isRunning", False)) == (0, False)
    host.call("llm:cancel", {"inferenceId": "hanging"})
    assert say(host, "s", f"[[demo: {FAST}]]", inferenceId="i").outcome == "done"


def test_a_request_that_is_taken_back_leaves_no_turn(spawn: Spawn) -> None:
    host = spawn()
    create(host)
    for number in range(20):
        asked = host.ask("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message(f"{number}")]})
        host.send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": asked}})
        response = host.response(asked)
        if "error" in response:
            assert response["error"]["data"]["code"] == "CANCELLED"
        else:
            host.call("llm:cancel", {"inferenceId": "i"})
            host.answer("i")
    kept = history(host, "s")
    assert all(state == "cancelled" for role, _, state in kept if role == "assistant")
    assert say(host, "s", f"[[demo: {FAST}]]").outcome == "done"


def test_sessions_have_names_of_any_characters_and_one_owner(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn(data_dir=tmp_path / "one")
    names = ["a", "A", "é", "e\u0301", "\x00", "a\x00b", "'; DROP TABLE sessions; --", "x" * 100, "🦆" * 100, " "]
    for name in names:
        create(host, name)
    assert {info["sessionId"] for info in host.call("llm:session:list")["sessions"]} == set(names)
    assert host.refusal("llm:session:create", {"sessionId": "a"})["data"]["code"] == "SESSION_EXISTS"
    for name in ("", "x" * 101):
        assert host.refusal("llm:session:create", {"sessionId": name})["data"]["code"] == "VALIDATION_ERROR"
    host.close_stdin()
    host.wait()
    host = spawn(data_dir=tmp_path / "one")
    for name in names:
        assert host.refusal("llm:session:create", {"sessionId": name})["data"]["code"] == "SESSION_EXISTS"
        assert host.call("llm:session:destroy", {"sessionId": name}) == {"success": True}
        assert host.call("llm:session:destroy", {"sessionId": name}) == {"success": False}
    assert host.call("llm:session:list") == {"sessions": [], "nextCursor": None}


def test_limits_of_live_sessions(spawn: Spawn) -> None:
    host = spawn(environment={"LLM_SIDECAR_MAX_SESSIONS": "3", "LLM_SIDECAR_MAX_SESSIONS_PER_WINDOW": "2"})
    create(host, "a", windowId="w")
    create(host, "b", windowId="w", ephemeral=True)
    refused = host.refusal("llm:session:create", {"sessionId": "c", "windowId": "w"})
    assert refused["data"]["details"] == {"scope": "window", "limit": 2}
    create(host, "c", windowId="v")
    refused = host.refusal("llm:session:create", {"sessionId": "d"})
    assert refused["data"]["code"] == "SESSION_LIMIT"
    assert refused["data"]["details"] == {"scope": "sidecar", "limit": 3}
    assert host.refusal("llm:session:get", {"sessionId": "d"})["data"]["code"] == "SESSION_NOT_FOUND"
    host.call("llm:session:run", {"sessionId": "a", "inferenceId": "i", "messages": [message("[[demo: hang]]")]})
    closed = host.call("llm:window:closed", {"windowId": "w"})
    assert closed == {"cancelled": 1, "released": 2, "destroyed": 1}
    assert host.answer("i").outcome == "cancelled"
    assert [info["sessionId"] for info in host.call("llm:session:list")["sessions"]] == ["a", "c"]
    assert not host.call("llm:session:get", {"sessionId": "a"})["isActive"]
    status = host.call("llm:get-status")
    assert (status["totalSessions"], status["activeSessions"]) == (2, 1)
    assert host.call("llm:window:closed", {"windowId": "w"}) == {"cancelled": 0, "released": 0, "destroyed": 0}


@pytest.mark.parametrize("is_killed", [True, False])
def test_an_ephemeral_session_ends_with_the_process_at_the_latest(
    spawn: Spawn, tmp_path: Path, is_killed: bool
) -> None:
    host = spawn(data_dir=tmp_path / "one")
    for name in ("a", "b"):
        create(host, name, windowId="w", ephemeral=True)
    create(host, "without a window", ephemeral=True)
    create(host, "kept")
    say(host, "a", f"[[demo: text=secret {FAST}]]")
    host.call("llm:session:fork", {"sessionId": "a", "newSessionId": "fork"})
    host.call("llm:session:destroy", {"sessionId": "b"})
    if is_killed:
        host.signal(signal.SIGKILL)
        host.wait()
    else:
        host.close_stdin()
        assert host.wait() == 0
        with closing(sqlite3.connect(tmp_path / "one" / "llm-sidecar.sqlite3")) as connection:
            assert connection.execute("SELECT session_id FROM sessions").fetchall() == [("kept",)]
    host = spawn(data_dir=tmp_path / "one")
    assert [info["sessionId"] for info in host.call("llm:session:list")["sessions"]] == ["kept"]
    assert host.call("llm:get-status")["totalSessions"] == 1
    assert host.refusal("llm:session:history", {"sessionId": "a"})["data"]["code"] == "SESSION_NOT_FOUND"


def test_a_question_that_was_cancelled_before_its_answer_began_can_be_asked_again(spawn: Spawn) -> None:
    """The model reads it once, then, and what is said instead of it together with it."""
    host = spawn()
    create(host)
    question = "Are you there? [[demo: firstToken=3600000 connect=0]]"
    used = []
    for text in (question, question, "And now?"):
        host.call("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message(text)]})
        host.read_until(lambda m: m.get("method") == "llm:thinking" and m["params"]["status"] == "processing")
        host.call("llm:cancel", {"inferenceId": "i"})
        done = host.read_until(lambda m: m.get("method") == "llm:done")["params"]
        assert done["cancelled"]
        used.append(done["usage"]["promptTokens"])
    assert used[0] == used[1] < used[2]
    assert say(host, "s", f"[[demo: text=Yes {FAST}]]").text == "Yes"
    assert len(history(host, "s")) == 8


def test_destroying_a_session_ends_its_answer(spawn: Spawn) -> None:
    host = spawn()
    create(host)
    host.call("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message("[[demo: hang]]")]})
    destroyed = host.ask("llm:session:destroy", {"sessionId": "s"})
    created = host.ask("llm:session:create", {"sessionId": "s", "providerId": "demo"})
    assert host.response(destroyed)["result"] == {"success": True}
    assert "result" in host.response(created)
    assert host.answer("i").outcome == "cancelled"
    assert history(host, "s") == []
    assert say(host, "s", f"[[demo: {FAST}]]").outcome == "done"
    assert len(history(host, "s")) == 2


def test_a_session_destroyed_before_its_run_began_is_not_run(spawn: Spawn) -> None:
    host = spawn()
    for _ in range(20):
        create(host)
        run = host.ask(
            "llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message("[[demo: hang]]")]}
        )
        host.ask("llm:session:destroy", {"sessionId": "s"})
        response = host.response(run)
        if "error" in response:
            assert response["error"]["data"]["code"] == "SESSION_NOT_FOUND"
        else:
            assert host.answer("i").outcome == "cancelled"
    assert host.call("llm:session:list")["sessions"] == []


def test_a_fork_has_its_own_way(spawn: Spawn) -> None:
    host = spawn()
    create(host, metadata={"title": "T"})
    for word in ("one", "two", "three"):
        say(host, "s", f"[[demo: text={word} {FAST}]]")
    ids = [m["messageId"] for m in host.call("llm:session:history", {"sessionId": "s"})["messages"]]
    whole = host.call("llm:session:fork", {"sessionId": "s"})
    assert (whole["messageCount"], whole["totalTokens"], whole["metadata"]) == (6, 0, {"title": "T"})
    assert history(host, whole["sessionId"]) == history(host, "s")
    fork = host.call("llm:session:fork", {"sessionId": "s", "atMessageId": ids[2], "newSessionId": "f"})
    assert fork["messageCount"] == 3
    assert [content for _, content, _ in history(host, "f")][1] == "one"
    say(host, "f", "well?", providerId="demo", modelId="demo-fast")
    assert len(history(host, "f")) == 5
    assert len(history(host, "s")) == 6
    host.call("llm:session:destroy", {"sessionId": "s"})
    assert len(history(host, "f")) == 5
    for wrong in ("m1", "m999999", "x", "m" + "9" * 40):
        refused = host.refusal("llm:session:fork", {"sessionId": "f", "atMessageId": wrong})
        assert refused["data"]["code"] == "VALIDATION_ERROR"
    assert host.refusal("llm:session:fork", {"sessionId": "gone"})["data"]["code"] == "SESSION_NOT_FOUND"
    refused = host.refusal("llm:session:fork", {"sessionId": "f", "newSessionId": "f"})
    assert refused["data"]["code"] == "SESSION_EXISTS"


def test_pages_follow_one_another_and_fit_one_line(spawn: Spawn) -> None:
    host = spawn(environment={"LLM_SIDECAR_MAX_MESSAGE_BYTES": "16384", "LLM_SIDECAR_MAX_SESSIONS": "100"})
    for number in range(12):
        create(host, f"s{number}", metadata={"note": "n" * 3_000})
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while cursor is not None:
        page = host.call("llm:session:list", cursor)
        assert len(page["sessions"]) <= 4
        seen += [info["sessionId"] for info in page["sessions"]]
        cursor = {"cursor": page["nextCursor"]} if page["nextCursor"] else None  # type: ignore[assignment]
    assert seen == [f"s{number}" for number in reversed(range(12))]
    for number in range(5):
        say(host, "s0", f"{number}" + "x" * 6_000, modelId="demo-fast", providerId="demo")
    texts: list[str] = []
    cursor = {"sessionId": "s0"}
    while cursor is not None:
        page = host.call("llm:session:history", cursor)
        texts += [m["content"][:1] for m in page["messages"] if m["role"] == "user"]
        cursor = {"sessionId": "s0", "cursor": page["nextCursor"]} if page["nextCursor"] else None  # type: ignore
    assert texts == ["0", "1", "2", "3", "4"]
    for method, params in (("llm:session:list", {}), ("llm:session:history", {"sessionId": "s0"})):
        for wrong in ("x", "m", "9" * 50, "-1", "٣"):
            assert host.refusal(method, {**params, "cursor": wrong})["data"]["code"] == "VALIDATION_ERROR"


def test_a_page_fits_however_long_the_name_of_the_model_is_that_would_answer(spawn: Spawn) -> None:
    host = spawn(environment={"LLM_SIDECAR_MAX_MESSAGE_BYTES": "10000"})
    where = {"providerType": "ollama", "endpointUrl": "http://127.0.0.1:9", "modelId": "🙂" * 300}
    host.call("llm:profiles:create", {"name": "Long", **where})
    for number in range(8):
        host.call("llm:session:create", {"sessionId": f"s{number}"})
    seen: list[str] = []
    cursor: dict[str, Any] | None = {}
    while cursor is not None:
        page = host.call("llm:session:list", cursor)
        assert {info["modelId"] for info in page["sessions"]} == {"🙂" * 300}
        seen += [info["sessionId"] for info in page["sessions"]]
        cursor = {"cursor": page["nextCursor"]} if page["nextCursor"] else None
    assert seen == [f"s{number}" for number in reversed(range(8))]


def test_a_message_that_fits_no_line_is_listed_without_its_content(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn(data_dir=tmp_path / "one")
    create(host)
    say(host, "s", "x" * 90_000, modelId="demo-fast", providerId="demo")
    say(host, "s", "short", modelId="demo-fast", providerId="demo")
    host.close_stdin()
    host.wait()
    host = spawn(data_dir=tmp_path / "one", environment={"LLM_SIDECAR_MAX_MESSAGE_BYTES": "16384"})
    first, _, third, _ = host.call("llm:session:history", {"sessionId": "s"})["messages"]
    assert first["content"] == ""
    assert first["omittedBytes"] > 90_000
    assert third["content"] == "short"


def test_the_text_of_a_running_turn_survives_a_kill(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn(data_dir=tmp_path / "one", environment={"LLM_SIDECAR_SESSION_CHECKPOINT_MS": "50"})
    create(host)
    text = '[[demo: reasoning=3 tokens=2000 toolCall=weather{"city":"Oslo"}]] Go'
    host.call("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message(text)]})
    saved = ""
    while len(saved) < 50:
        _, (_, saved, state) = history(host, "s")
        assert state == "running"
    host.signal(signal.SIGKILL)
    host.wait()
    host = spawn(data_dir=tmp_path / "one")
    (_, question, _), (_, kept, state) = history(host, "s")
    assert (question, state) == (text, "interrupted")
    assert kept.startswith(saved)
    assert not host.call("llm:session:get", {"sessionId": "s"}).get("isRunning")
    assert say(host, "s", f"[[demo: {FAST}]] go on").outcome == "done"


def test_a_turn_cut_off_by_the_exit_keeps_what_came(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn(data_dir=tmp_path / "one")
    create(host)
    host.call("llm:session:run", {"sessionId": "s", "inferenceId": "i", "messages": [message("[[demo: tokens=5000]]")]})
    token = host.read_until(lambda m: m.get("method") == "llm:token")["params"]["token"]
    host.close_stdin()
    assert host.read_until(lambda m: m.get("method") == "llm:error")["params"]["code"] == "SHUTTING_DOWN"
    host.wait()
    host = spawn(data_dir=tmp_path / "one")
    _, (_, kept, state) = history(host, "s")
    assert state == "interrupted"
    assert kept.startswith(token)


def test_a_turn_longer_than_a_hundred_messages_of_history_is_answered(spawn: Spawn) -> None:
    host = spawn()
    create(host)
    for _ in range(3):
        messages = [message("x", role) for _ in range(25) for role in ("user", "assistant")]
        host.answer(
            host.call(
                "llm:session:run",
                {"sessionId": "s", "modelId": "demo-fast", "providerId": "demo", "messages": [*messages, message("y")]},
            )["inferenceId"]
        )
    assert host.call("llm:session:get", {"sessionId": "s"})["messageCount"] == 3 * 52


@pytest.mark.parametrize("policy", ["error", "truncate"])
def test_a_context_that_is_too_long(spawn: Spawn, policy: str) -> None:
    """The demo refuses as often as it is told to: with `truncate` each time a shorter one is tried."""
    host = spawn()
    create(host, contextPolicy=policy)
    for _ in range(4):
        say(host, "s", "x" * 400, modelId="demo-fast", providerId="demo")
    answer = say(host, "s", f"[[demo: {FAST} text=fine error=CONTEXT_LENGTH_EXCEEDED failFirst=2]]")
    if policy == "error":
        assert answer.outcome == "CONTEXT_LENGTH_EXCEEDED"
        assert host.call("llm:session:get", {"sessionId": "s"})["messageCount"] == 8
        return
    assert answer.text == "fine"
    retries = [p for name, p in answer.events if name == "llm:thinking" and p["status"] == "retrying"]
    assert [p["code"] for p in retries] == ["CONTEXT_LENGTH_EXCEEDED"] * 2
    assert answer.terminal["usage"]["promptTokens"] < 300
    assert host.call("llm:session:get", {"sessionId": "s"})["messageCount"] == 10
    answer = say(host, "s", f"[[demo: {FAST} error=CONTEXT_LENGTH_EXCEEDED]]")
    assert answer.outcome == "CONTEXT_LENGTH_EXCEEDED"
    assert host.call("llm:session:get", {"sessionId": "s"})["messageCount"] == 10


def test_a_wall_clock_that_jumps_back_changes_no_order(spawn: Spawn, tmp_path: Path) -> None:
    host = spawn(data_dir=tmp_path / "one")
    create(host)
    say(host, "s", f"[[demo: text=first {FAST}]]")
    host.close_stdin()
    host.wait()
    with sqlite3.connect(tmp_path / "one" / "llm-sidecar.sqlite3") as connection:
        year = 365 * 86_400_000
        connection.execute("UPDATE messages SET created_at = created_at + ?", (year,))
        connection.execute(
            "UPDATE sessions SET created_at = created_at + ?, last_activity = last_activity + ?", (year,) * 2
        )
    connection.close()
    host = spawn(data_dir=tmp_path / "one")
    create(host, "t")
    say(host, "s", f"[[demo: text=second {FAST}]]")
    answers = [content for role, content, _ in history(host, "s") if role == "assistant"]
    assert answers == ["first", "second"]
    assert [info["sessionId"] for info in host.call("llm:session:list")["sessions"]] == ["s", "t"]


def test_without_a_data_folder_sessions_last_as_long_as_the_process(spawn: Spawn) -> None:
    host = spawn("--data-dir", ":memory:")
    create(host)
    assert say(host, "s", f"[[demo: {FAST}]] hi").outcome == "done"
    assert len(history(host, "s")) == 2


def test_metadata_is_bounded_and_providers_are_known(spawn: Spawn) -> None:
    host = spawn()
    refused = host.refusal("llm:session:create", {"metadata": {"x": "y" * 70_000}})
    assert refused["data"]["details"]["fields"][0]["path"] == "metadata"
    assert host.refusal("llm:session:create", {"providerId": "nobody"})["data"]["code"] == "INVALID_PROVIDER"
    profile = "00000000-0000-4000-8000-000000000000"
    assert host.refusal("llm:session:create", {"profileId": profile})["data"]["code"] == "PROFILE_NOT_FOUND"
    assert host.call("llm:session:create", {"providerId": "openai"})["sessionId"]


def test_a_session_says_who_answers_it(spawn: Spawn, tmp_path: Path) -> None:
    """What it names; else who answered last; else who would answer now."""
    host = spawn()

    def who(method: str, **params: Any) -> tuple[str | None, str | None]:
        info = host.call(method, params)
        return info["providerId"], info["modelId"]

    assert who("llm:session:create", sessionId="bare") == (None, None), "no profile is active"
    assert who("llm:session:create", sessionId="s", providerId="openai") == ("openai", "gpt-4o-mini")
    assert who("llm:session:create", providerId="openai", modelId="m") == ("openai", "m")
    assert who("llm:session:create", providerId="ollama") == ("ollama", None), "its server's first model"
    profile = {"name": "P", "providerType": "anthropic", "modelId": "claude-x"}
    profile_id = host.call("llm:profiles:create", profile)["profile"]["id"]
    assert who("llm:session:create", sessionId="p", profileId=profile_id) == ("anthropic", "claude-x")
    assert who("llm:session:get", sessionId="bare") == ("anthropic", "claude-x"), "the active profile"
    say(host, "bare", f"[[demo: {FAST}]]", providerId="demo")
    assert who("llm:session:get", sessionId="bare") == ("demo", "demo-1")
    say(host, "s", f"[[demo: {FAST}]]", providerId="demo")
    assert who("llm:session:get", sessionId="s") == ("openai", "gpt-4o-mini"), "another one's model is not its own"
    say(host, "p", f"[[demo: {FAST}]]", providerId="demo")
    assert who("llm:session:get", sessionId="p") == ("anthropic", "claude-x"), "its profile goes before who answered"
    assert who("llm:session:create", profileId=profile_id, providerId="demo") == ("anthropic", "claude-x")
    assert who("llm:session:fork", sessionId="p") == ("anthropic", "claude-x")
    listed = {info["sessionId"]: info["modelId"] for info in host.call("llm:session:list")["sessions"]}
    assert (listed["bare"], listed["s"], listed["p"]) == ("demo-1", "gpt-4o-mini", "claude-x")
