"""`llm-sidecar sessions`: list, show and export what is kept."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from llm_sidecar.client import SidecarProcess
from tests.cli.commands import run_to_end
from tests.hosts import child_environment

CALL = 'toolCall=weather{"city":"Oslo"}'
QUESTION = rf'[[demo: text="Hello **Ann**\u001b[31m!" {CALL} rate=max connect=0 firstToken=0]] I am Ann.'


def kept(home: Path) -> str:
    """A data folder with two sessions; its path."""
    folder = str(home / "kept")

    async def main() -> None:
        async with SidecarProcess.start(
            arguments=["--data-dir", folder], environment=child_environment(home, {})
        ) as sidecar:
            title = "A title of\ntwo lines" + " and many words" * 10
            await sidecar.request("llm:session:create", {"sessionId": "empty", "metadata": {"title": title}})
            config = {
                "sessionId": "talk",
                "providerId": "demo",
                "systemPrompt": "Be kind.",
                "metadata": {"title": "Ann"},
            }
            await sidecar.request("llm:session:create", config)
            run = {"sessionId": "talk", "messages": [{"role": "user", "content": QUESTION}]}
            async with sidecar.session_run(run) as events:
                kinds = [type(event).__name__ async for event in events]
            assert kinds[-1] == "DoneEvent"

    asyncio.run(asyncio.wait_for(main(), 30))
    return folder


def test_the_latest_is_listed_first(tmp_path: Path) -> None:
    folder = kept(tmp_path)
    done = run_to_end(tmp_path, "sessions", "list", "--data-dir", folder)
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert first.startswith("talk   ")
    assert "2 messages" in first
    assert "“Ann”" in first
    assert second.startswith("empty  ")
    assert "  “A title of two lines and many words and many wo…”, 2" in second
    listed = json.loads(run_to_end(tmp_path, "sessions", "list", "--json", "--data-dir", folder).stdout)
    assert [info["sessionId"] for info in listed] == ["talk", "empty"]


def test_what_was_said_is_shown_and_exported(tmp_path: Path) -> None:
    folder = kept(tmp_path)
    shown = run_to_end(tmp_path, "sessions", "show", "talk", "--data-dir", folder).stdout
    assert "\x1b" not in shown
    exported = run_to_end(tmp_path, "sessions", "export", "talk", "--data-dir", folder).stdout
    for text in ("# Ann", "## System prompt\n\nBe kind.", "I am Ann.", "## Assistant\n\nHello **Ann**"):
        assert text in shown
        assert text in exported
    assert 'Calls `weather`:\n\n```json\n{"city":"Oslo"}\n```' in exported
    exported = run_to_end(tmp_path, "sessions", "export", "talk", "--format", "json", "--data-dir", folder).stdout
    whole = json.loads(exported)
    assert whole["session"]["systemPrompt"] == "Be kind."
    assert [message["role"] for message in whole["messages"]] == ["user", "assistant"]
    assert whole["messages"][0]["content"] == QUESTION


def test_what_is_not_there_is_an_error_for_people(tmp_path: Path) -> None:
    new = tmp_path / "new"
    done = run_to_end(tmp_path, "sessions", "list", "--data-dir", str(new))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no folder '{new}'" in done.stderr
    assert not new.exists()
    new.mkdir()
    done = run_to_end(tmp_path, "sessions", "show", "nobody", "--data-dir", str(new))
    assert done.returncode == 1
    assert "SESSION_NOT_FOUND" in done.stderr
    assert not done.stdout
    assert run_to_end(tmp_path, "sessions").returncode == 2
    done = run_to_end(tmp_path, "sessions", "list", "--data-dir", str(new))
    assert (done.returncode, done.stdout) == (0, "")
    assert "none is kept here" in done.stderr
