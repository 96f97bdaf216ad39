"""`llm-sidecar models`: who can be used, and what they offer."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import run_to_end
from tests.llama_server import LlamaServer


def test_without_a_provider_it_says_who_is_ready_and_what_the_others_need(tmp_path: Path) -> None:
    said = run_to_end(tmp_path, "models", OPENAI_API_KEY="sk-canary-123456")
    assert said.returncode == 0
    lines = {line.split()[0]: line for line in said.stdout.splitlines()}
    assert lines["openai"].endswith("OpenAI, ready")
    assert lines["anthropic"].endswith("needs ANTHROPIC_API_KEY")
    assert lines["azure"].endswith("needs AZURE_API_KEY and AZURE_BASE_URL")
    assert lines["demo"].endswith("ready")
    assert "canary" not in said.stdout + said.stderr


def test_with_a_provider_it_lists_its_models(tmp_path: Path, llama_server: LlamaServer) -> None:
    said = run_to_end(tmp_path, "models", "llama.cpp", LLAMA_CPP_BASE_URL=llama_server.url)
    assert said.returncode == 0
    (line,) = said.stdout.splitlines()
    assert "context" in line


def test_as_json_the_answer_is_all_that_goes_to_stdout(tmp_path: Path) -> None:
    said = run_to_end(tmp_path, "models", "demo", "--json")
    assert next(model["id"] for model in json.loads(said.stdout)["data"]) == "demo-1"
    assert json.loads(run_to_end(tmp_path, "models", "--json").stdout)["providers"]


def test_a_provider_without_a_key_fails_in_words_that_help(tmp_path: Path) -> None:
    said = run_to_end(tmp_path, "models", "openai")
    assert said.returncode == 1
    assert said.stdout == ""
    assert "set OPENAI_API_KEY" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_server_that_is_not_running_is_said(tmp_path: Path) -> None:
    said = run_to_end(tmp_path, "models", "ollama", OLLAMA_BASE_URL="http://127.0.0.1:9")
    assert said.returncode == 1
    assert "is the server running?" in said.stderr
