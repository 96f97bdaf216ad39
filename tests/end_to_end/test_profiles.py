"""Profiles through the pipe: stored, used, changed, lost and found again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.profiles_at_the_pipe import KEY, QUESTION, answering, ask, create, greet
from tests.end_to_end.providers_at_the_pipe import listening
from tests.hosts import Host
from tests.providers.fault_server import answer, saying

Spawn = Callable[..., Host]
NOBODY = "0f1cbd1e-3c39-4d0e-9f5a-4f2f6a4a7f10"


def codes(refusal: Any) -> list[str]:
    return [field["path"] for field in refusal["data"]["details"]["fields"]]


def test_a_stored_profile_answers_with_its_key_and_model_also_after_a_restart(spawn: Spawn, tmp_path: Path) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host)
        profile = create(host, server.url)
        assert profile["apiKey"] == "***REDACTED***"
        assert ask(host, profileId=profile["id"]).terminal["profileId"] == profile["id"]
        host.close_stdin()
        assert host.wait() == 0
        again = spawn(data_dir=tmp_path / "data")
        greet(again)
        told = ask(again)
        assert told.text == "Hello!"
        assert told.terminal["profileId"] == profile["id"], "the active one, where nothing is named"
        keys = [request.headers["authorization"] for request in server.requests]
        assert keys == [f"Bearer {KEY}"] * 2
        assert all(request.json["model"] == "m" for request in server.requests)


def test_generate_text_and_chat_completions_take_a_profile(spawn: Spawn) -> None:
    with listening(answering("Yes.")) as server:
        host = spawn()
        greet(host)
        profile = create(host, server.url)
        text = host.call("llm:generate-text", {"prompt": "Hi", "profileId": profile["id"]})
        assert (text["text"], text["profileId"]) == ("Yes.", profile["id"])
        chat = host.call("llm:chat:completions", {"request": {"model": "m2", "messages": QUESTION}})
        assert chat["choices"][0]["message"]["content"] == "Yes."
        assert server.requests[-1].json["model"] == "m2"


def test_each_run_of_a_session_uses_the_key_once(spawn: Spawn) -> None:
    """Also one so long that the model's context window is looked up first."""
    with listening(answering()) as server:
        host = spawn()
        greet(host)
        profile = create(host, server.url, modelId="gpt-4o-mini")
        host.call("llm:session:create", {"sessionId": "s", "profileId": profile["id"]})
        for number, text in enumerate(("short", "long " * 10_000), 1):
            params = {"sessionId": "s", "messages": [{"role": "user", "content": text}]}
            assert host.answer(host.call("llm:session:run", params)["inferenceId"]).text == "Hello!"
            (used,) = [entry for entry in host.call("llm:audit:list")["entries"] if entry["action"] == "key.used"]
            assert used.get("repeated", 1) == len(server.requests) == number


def test_a_fallback_may_be_a_profile(spawn: Spawn) -> None:
    with listening(saying(answer(401, b'{"error":{"message":"no"}}'))) as bad, listening(answering()) as good:
        host = spawn()
        greet(host)
        first = create(host, bad.url, name="First")
        second = create(host, good.url, name="Second", apiKey="sk-second-0123456789")
        told = ask(host, profileId=first["id"], fallbackProfileIds=[second["id"]])
        assert told.terminal["profileId"] == second["id"]
        assert good.requests[0].headers["authorization"] == "Bearer sk-second-0123456789"


def test_every_broken_rule_is_named_and_no_value_is_told(spawn: Spawn) -> None:
    host = spawn()
    greet(host)
    good: dict[str, Any] = {"name": "n", "providerType": "openai", "apiKey": KEY}
    table: list[tuple[dict[str, Any], list[str]]] = [
        ({**good, "name": "   "}, ["name"]),
        ({**good, "name": "x" * 101}, ["name"]),
        ({**good, "apiKey": KEY * 20}, ["apiKey"]),
        ({**good, "apiKey": " \t"}, ["apiKey"]),
        ({**good, "apiKey": f"{KEY}\nX: y"}, ["apiKey"]),
        ({**good, "apiKey": [KEY]}, ["apiKey"]),
        ({**good, "name": KEY}, ["name"]),
        ({**good, "modelId": f"m-{KEY}"}, ["modelId"]),
        ({**good, "endpointUrl": f"https://api.example.com/{KEY}"}, ["endpointUrl"]),
        ({**good, "endpointUrl": f"https://u:{KEY}@api.example.com"}, ["endpointUrl", "endpointUrl"]),
        ({**good, "endpointUrl": "http://203.0.113.7"}, ["endpointUrl"]),
        ({**good, "endpointUrl": "ftp://x"}, ["endpointUrl"]),
        ({**good, "providerType": "demo"}, ["providerType"]),
        ({**good, "providerType": "azure"}, ["consentTimestamp", "endpointUrl"]),
        ({**good, "providerType": "openai-compatible", "endpointUrl": "https://x.example"}, ["consentTimestamp"]),
        ({**good, "surprise": KEY}, ["surprise"]),
        ({"providerType": "openai"}, ["name"]),
    ]
    for params, paths in table:
        refusal = host.refusal("llm:profiles:create", params)
        assert refusal["data"]["code"] == "VALIDATION_ERROR", params
        assert sorted(codes(refusal)) == sorted(paths), params
        assert "canary" not in json.dumps(refusal)
    for method in ("update", "delete", "activate"):
        assert codes(host.refusal(f"llm:profiles:{method}", {"id": "not-a-uuid"})) == ["id"]
        assert host.refusal(f"llm:profiles:{method}", {"id": NOBODY})["data"]["code"] == "PROFILE_NOT_FOUND"
    assert host.call("llm:profiles:list")["profiles"] == []
    assert "canary" not in host.stderr()


@pytest.mark.parametrize("method", ["llm:profiles:create", "llm:vault:unlock", "llm:inference", "ping"])
def test_a_key_where_the_name_of_a_field_belongs_is_not_told(spawn: Spawn, method: str) -> None:
    for key in (KEY, "AIzaSyA0123456789abcdefghijklmnopqrstuv", "0123456789abcdef0123456789abcdef"):
        host = spawn("--log-level", "debug")
        refusal = host.refusal(method, {key: 1})
        assert "…" in codes(refusal)
        assert key not in json.dumps(refusal) + host.stderr()


def test_a_key_may_come_later_and_is_missed_only_by_use(spawn: Spawn) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host)
        profile = create(host, server.url, apiKey=None)
        assert profile["apiKey"] is None
        refusal = host.refusal("llm:inference", {"messages": QUESTION})
        assert refusal["data"]["code"] == "API_KEY_MISSING"
        host.call("llm:profiles:update", {"id": profile["id"], "apiKey": f"  {KEY}\n"})
        assert ask(host).text == "Hello!"
        host.call("llm:profiles:update", {"id": profile["id"], "apiKey": None})
        assert host.refusal("llm:inference", {"messages": QUESTION})["data"]["code"] == "API_KEY_MISSING"
        assert host.call("llm:vault:status")["records"] == 0


@pytest.mark.parametrize("with_key", [False, True])
def test_another_origin_drops_the_key_unless_a_new_one_comes_with_it(spawn: Spawn, with_key: bool) -> None:
    with listening(answering()) as first, listening(answering()) as second:
        host = spawn()
        greet(host)
        profile = create(host, first.url)
        same = host.call("llm:profiles:update", {"id": profile["id"], "endpointUrl": f"{first.url}/v1"})["profile"]
        assert same["apiKey"] is not None, "the same origin"
        new = {"apiKey": "sk-new-0123456789ab"} if with_key else {}
        moved = host.call("llm:profiles:update", {"id": profile["id"], "endpointUrl": second.url, **new})["profile"]
        assert moved["apiKey"] == ("***REDACTED***" if with_key else None)
        assert host.call("llm:vault:status")["records"] == int(with_key)
        if with_key:
            ask(host)
        assert KEY not in str([request.headers for request in second.requests])
        actions = [entry["action"] for entry in host.call("llm:audit:list")["entries"]]
        assert ("key.dropped" in actions) is not with_key


def test_a_form_that_sends_back_what_it_was_shown_changes_no_key(spawn: Spawn) -> None:
    with listening(answering()) as server:
        host = spawn()
        greet(host)
        shown = create(host, server.url)
        named = {name: shown[name] for name in ("id", "endpointUrl", "apiKey", "modelId", "allowInsecure")}
        changed = host.call("llm:profiles:update", {**named, "name": "Other"})["profile"]
        assert (changed["name"], changed["apiKey"]) == ("Other", "***REDACTED***")
        ask(host)
        assert f"Bearer {KEY}" in server.requests[-1].headers.values()
        moved = host.call("llm:profiles:update", {**named, "endpointUrl": "https://api.example.com"})["profile"]
        assert moved["apiKey"] is None, "it is no new key for another origin"
        new = {"name": "New", "providerType": "llama.cpp", "endpointUrl": server.url}
        assert codes(host.refusal("llm:profiles:create", {**new, "apiKey": "***REDACTED***"})) == ["apiKey"]
        assert codes(host.refusal("llm:profiles:create", {**new, "apiKey": " "})) == ["apiKey"]
        assert host.call("llm:profiles:create", {**new, "apiKey": ""})["profile"]["apiKey"] is None


def test_one_profile_is_active_and_another_takes_its_place(spawn: Spawn) -> None:
    host = spawn()
    greet(host)
    a, b, c = (create(host, "https://api.example.com", name=name)["id"] for name in "abc")
    assert host.call("llm:profiles:list")["activeProfileId"] == a, "the first"
    assert host.call("llm:profiles:activate", {"id": b})["deactivatedProfileId"] == a
    assert host.call("llm:profiles:activate", {"id": b})["deactivatedProfileId"] is None
    active = [profile["id"] for profile in host.call("llm:profiles:list")["profiles"] if profile["isActive"]]
    assert active == [b]
    for alternate in (NOBODY, b):
        refusal = host.refusal("llm:profiles:delete", {"id": b, "activateAlternateId": alternate})
        assert refusal["data"]["code"] == "ALTERNATE_NOT_FOUND"
    deleted = {"deletedId": b, "newActiveProfileId": c, "requiresUserSelection": False}
    assert host.call("llm:profiles:delete", {"id": b, "activateAlternateId": c}) == deleted
    assert host.call("llm:profiles:delete", {"id": c})["requiresUserSelection"] is True
    assert host.call("llm:profiles:list")["activeProfileId"] is None
    assert host.call("llm:profiles:delete", {"id": a})["requiresUserSelection"] is False, "there is none to choose"


def test_a_name_that_is_taken_is_a_warning(spawn: Spawn) -> None:
    host = spawn()
    greet(host)
    create(host, "https://api.example.com", name="Work")
    again = host.call("llm:profiles:create", {"name": " work ", "providerType": "ollama"})
    assert [warning["code"] for warning in again["warnings"]] == ["DUPLICATE_NAME_WARNING"]
    assert again["warning"]
    renamed = host.call("llm:profiles:update", {"id": again["profile"]["id"], "name": "Home"})
    assert "warning" not in renamed


def test_no_more_profiles_than_the_limit_are_kept(spawn: Spawn) -> None:
    host = spawn(environment={"LLM_SIDECAR_MAX_PROFILES": "2"})
    greet(host)
    for name in "ab":
        host.call("llm:profiles:create", {"name": name, "providerType": "ollama"})
    refusal = host.refusal("llm:profiles:create", {"name": "c", "providerType": "ollama"})
    assert refusal["data"]["code"] == "VALIDATION_ERROR"
    assert len(host.call("llm:profiles:list")["profiles"]) == 2


def test_a_row_edited_by_hand_gets_no_key(spawn: Spawn, tmp_path: Path) -> None:
    with listening(answering()) as server, listening(answering()) as thief:
        host = spawn()
        greet(host)
        create(host, server.url)
        host.close_stdin()
        host.wait()
        with sqlite3.connect(tmp_path / "data" / "llm-sidecar.sqlite3") as database:
            database.execute("UPDATE profiles SET endpoint_url = ?", (thief.url,))
        again = spawn(data_dir=tmp_path / "data")
        greet(again)
        refusal = again.refusal("llm:inference", {"messages": QUESTION})
        assert refusal["data"]["code"] == "VAULT_TAMPERED"
        assert thief.requests == []


def test_a_test_prompt_says_what_came_of_it(spawn: Spawn) -> None:
    with listening(answering("A" * 2_000)) as server:
        host = spawn()
        greet(host)
        profile = create(host, server.url)
        result = host.call("llm:profiles:test", {})
    assert result["success"] is True
    assert result["responseText"] == "A" * 500
    assert (result["profileId"], result["modelName"], result["errorCode"]) == (profile["id"], "m", None)
    assert result["totalTimeMs"] >= result["latencyMs"] >= 0
    failed = host.call("llm:profiles:test", {"profileId": profile["id"], "promptText": "Still there?"})
    assert (failed["success"], failed["errorCode"]) == (False, "ECONNREFUSED")
    assert failed["errorMessage"] == f"Unable to connect to {server.url}; is the server running?"
    assert failed["promptText"] == "Still there?"
    rows = host.call("llm:usage:list")["rows"]
    assert len(rows) == 2
    assert host.refusal("llm:profiles:test", {"profileId": NOBODY})["data"]["code"] == "PROFILE_NOT_FOUND"


def test_failures_of_a_test_prompt_are_results_with_their_codes(spawn: Spawn) -> None:
    with listening(saying(answer(401, json.dumps({"error": {"message": f"bad key {KEY}"}}).encode()))) as server:
        host = spawn()
        greet(host)
        assert host.refusal("llm:profiles:test", {})["data"]["code"] == "NO_ACTIVE_PROFILE"
        create(host, server.url)
        assert host.call("llm:profiles:test", {})["errorCode"] == "AUTH_ERROR"
        without_key = create(host, server.url, apiKey=None)
        result = host.call("llm:profiles:test", {"profileId": without_key["id"]})
        assert (result["success"], result["errorCode"]) == (False, "API_KEY_MISSING")


def test_ten_test_prompts_a_minute(spawn: Spawn) -> None:
    host = spawn()
    greet(host)
    host.call("llm:profiles:create", {"name": "n", "providerType": "ollama", "endpointUrl": "http://127.0.0.1:9"})
    for _ in range(10):
        assert host.call("llm:profiles:test", {})["errorCode"] == "ECONNREFUSED", "no circuit is in the way"
    refusal = host.refusal("llm:profiles:test", {})
    assert refusal["data"]["code"] == "RATE_LIMIT"
    assert 0 < refusal["data"]["retryAfterMs"] <= 6_000


def test_a_silent_server_fails_a_test_prompt_in_time(spawn: Spawn) -> None:
    async def silent(_: Any) -> None:
        pass

    with listening(silent) as server:
        host = spawn(environment={"LLM_SIDECAR_TEST_PROMPT_TIMEOUT_MS": "200"})
        greet(host)
        create(host, server.url)
        result = host.call("llm:profiles:test", {})
        assert (result["success"], result["errorCode"]) == (False, "TIMEOUT")
        assert result["totalTimeMs"] >= 200
