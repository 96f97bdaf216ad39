"""`llm-sidecar chat`, fed by a pipe and by a person."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from tests.cli.commands import Terminal, run_to_end

PROMPT = "❯ "


class Recorder(ThreadingHTTPServer):
    """An OpenAI-compatible server that remembers what it was asked, and answers `answer 1`, `answer 2`, …"""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecorderHandler)
        self.requests: list[dict[str, object]] = []
        self.authorizations: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class RecorderHandler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        self.server.requests.append(msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.authorizations.append(self.headers["Authorization"])
        delta = {"choices": [{"index": 0, "delta": {"content": f"answer {len(self.server.requests)}"}}]}
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        body = (
            b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in (delta, end)) + b"data: [DONE]\n\n"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_line_of_a_pipe_is_answered_and_only_answers_go_to_stdout(tmp_path: Path) -> None:
    questions = "[[demo: text=one]]\n\n[[demo: text=two]]"
    ended = run_to_end(tmp_path, "chat", "--provider", "demo", "--model", "demo-fast", stdin=questions)
    assert ended.returncode == 0
    assert ended.stdout == "one\ntwo\n"
    assert ended.stderr == "demo · demo-fast: as you asked\n"


def test_the_conversation_is_sent_again_with_every_question(tmp_path: Path, recorder: Recorder) -> None:
    ended = run_to_end(
        tmp_path,
        "chat",
        *("--provider", "openai-compatible", "--model", "m", "--system", "Be brief."),
        stdin="first\nsecond\n",
        OPENAI_COMPATIBLE_BASE_URL=recorder.url,
    )
    assert ended.stdout == "answer 1\nanswer 2\n"
    assert recorder.requests[1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer 1"},
        {"role": "user", "content": "second"},
    ]
    assert recorder.requests[1]["model"] == "m"


def add_profile(home: Path, recorder: Recorder, *options: str, stdin: str) -> None:
    add = ("add", "Work", "--provider", "openai", "--url", recorder.url, "--model", "m")
    assert run_to_end(home, "profiles", *options, *add, stdin=stdin).returncode == 0


def test_the_active_profile_answers_with_its_key_and_model(tmp_path: Path, recorder: Recorder) -> None:
    key = "sk-canary-4f1d9c"
    add_profile(tmp_path, recorder, stdin=f"{key}\n")
    for options, model in (((), "m"), (("--model", "n"), "n")):
        ended = run_to_end(tmp_path, "chat", *options, stdin="hi\n", DEEPSEEK_API_KEY="sk-another")
        assert ended.stderr == f"openai · {model}: Work is your active profile\n"
        assert recorder.requests[-1]["model"] == model
    assert recorder.authorizations == [f"Bearer {key}"] * 2


def test_a_profile_that_cannot_answer_is_passed_over_and_that_is_said(tmp_path: Path, recorder: Recorder) -> None:
    """Who takes its place is up to the machine: nobody is asked anything."""
    add_profile(tmp_path, recorder, "--passphrase", stdin="sk-canary-4f1d9c\ncorrect horse\n")
    locked = run_to_end(tmp_path, "chat")
    assert "; the key of the active profile, Work, is locked" in locked.stderr
    given = run_to_end(tmp_path, "chat", "--passphrase", stdin="correct horse\nhi\n")
    assert given.stderr == "openai · m: Work is your active profile\n"
    assert given.stdout == "answer 1\n"
    run_to_end(tmp_path, "profiles", "--passphrase", "remove", "Work", stdin="correct horse\n")
    add = ("profiles", "add", "Bare", "--provider", "openai", "--no-key")
    assert run_to_end(tmp_path, *add).returncode == 0
    assert "; the active profile, Bare, has no key" in run_to_end(tmp_path, "chat").stderr


def test_profiles_that_another_program_has_are_said_to_be_out_of_reach(tmp_path: Path, recorder: Recorder) -> None:
    add_profile(tmp_path, recorder, stdin="sk-canary-4f1d9c\n")
    with Terminal(tmp_path, "chat", "--provider", "demo") as terminal:
        terminal.wait_for_prompt(PROMPT)
        ended = run_to_end(tmp_path, "chat")
    assert ended.returncode == 0
    assert "; your profiles are in another program's hands" in ended.stderr


def test_a_failed_question_leaves_no_trace_and_the_next_is_answered(tmp_path: Path) -> None:
    ended = run_to_end(
        tmp_path, "chat", "--provider", "demo", stdin="[[demo: error=AUTH_ERROR]]\n[[demo: text=next]]\n"
    )
    assert ended.returncode == 1
    assert ended.stdout == "next\n"
    assert "[AUTH_ERROR]" in ended.stderr
    assert "Check the provider's key" in ended.stderr


def test_a_key_is_used_and_never_shown(tmp_path: Path, recorder: Recorder) -> None:
    key = "sk-canary-4f1d9c"
    ended = run_to_end(
        tmp_path, "chat", "--provider", "deepseek", stdin="hi\n", DEEPSEEK_API_KEY=key, DEEPSEEK_BASE_URL=recorder.url
    )
    assert ended.stdout == "answer 1\n"
    assert recorder.authorizations == [f"Bearer {key}"]
    assert key not in ended.stdout + ended.stderr


def test_an_unknown_provider_is_named_with_those_that_exist(tmp_path: Path) -> None:
    ended = run_to_end(tmp_path, "chat", "--provider", "nobody", stdin="hi\n")
    assert ended.returncode == 1
    assert "[INVALID_PROVIDER]" in ended.stderr


def test_no_question_at_all_is_no_error(tmp_path: Path) -> None:
    assert run_to_end(tmp_path, "chat", "--provider", "demo").returncode == 0


@pytest.mark.parametrize("leaving", ["\x04", "/quit\r"])
def test_a_person_asks_reads_and_leaves(leaving: str, tmp_path: Path) -> None:
    with Terminal(tmp_path, "chat", "--provider", "demo", "--model", "demo-fast") as terminal:
        terminal.wait_for("as you asked; Ctrl-C stops an answer, Ctrl-D leaves")
        terminal.wait_for_prompt(PROMPT)
        terminal.type('[[demo: text="Glad to meet you."]]\r')
        terminal.wait_for("\n  Glad to meet you.")
        terminal.wait_for_prompt(PROMPT)
        terminal.type(leaving)
        assert terminal.wait_for_exit() == 0


def test_ctrl_c_stops_the_answer_and_not_the_chat(tmp_path: Path) -> None:
    with Terminal(tmp_path, "chat", "--provider", "demo") as terminal:
        terminal.wait_for_prompt(PROMPT)
        terminal.type("[[demo: tokens=100000]]\r")
        terminal.wait_for("tokens/s")
        terminal.type("\x03")
        terminal.wait_for_prompt(PROMPT)
        terminal.type("[[demo: text=alive]]\r")
        terminal.wait_for("\n  alive")
        terminal.wait_for_prompt(PROMPT)
        terminal.type("\x04")
        assert terminal.wait_for_exit() == 0
    assert "Traceback" not in terminal.shown


def test_ctrl_c_at_the_prompt_empties_the_line(tmp_path: Path) -> None:
    with Terminal(tmp_path, "chat", "--provider", "demo", "--model", "demo-fast") as terminal:
        terminal.wait_for_prompt(PROMPT)
        terminal.type("never mind")
        terminal.wait_for_prompt("never mind")
        terminal.type("\x03")
        terminal.wait_for_prompt(PROMPT)
        terminal.type("[[demo: text=heard]]\r")
        terminal.wait_for("\n  heard")
        terminal.wait_for_prompt(PROMPT)
        terminal.type("\x04")
        assert terminal.wait_for_exit() == 0


def test_an_error_is_shown_and_the_chat_goes_on(tmp_path: Path) -> None:
    with Terminal(tmp_path, "chat", "--provider", "demo") as terminal:
        terminal.wait_for_prompt(PROMPT)
        terminal.type("[[demo: error=INSUFFICIENT_QUOTA]]\r")
        terminal.wait_for("[INSUFFICIENT_QUOTA]")
        terminal.wait_for("balance")
        terminal.wait_for_prompt(PROMPT)
        terminal.type("\x04")
        assert terminal.wait_for_exit() == 0
