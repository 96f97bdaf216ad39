"""`llm-sidecar demo`, in a pipe and on a terminal."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.cli.commands import Terminal, environment, run_to_end
from tests.hosts import SIDECAR

ENDLESS = "[[demo: tokens=100000 rate=50]]"


def test_in_a_pipe_the_answer_and_its_summary_are_plain_text(tmp_path: Path) -> None:
    ended = run_to_end(tmp_path, "demo", "--model", "demo-fast", "--prompt", '[[demo: text="**Hello** there."]]')
    assert ended.returncode == 0
    answer, empty, *summary = ended.stdout.splitlines()
    assert answer == "**Hello** there."
    assert empty == ""
    rows = dict(line.split(None, 1) for line in summary)
    assert rows["finish"] == "stop"
    assert rows["model"] == "demo · demo-fast"
    assert rows["cost"] == "free"
    assert "reported" in rows["tokens"]
    assert "first token" in rows["time"]
    assert rows["sidecar"].startswith("ready ")
    assert "\x1b" not in ended.stdout + ended.stderr


def test_force_color_puts_no_control_codes_into_a_pipe(tmp_path: Path) -> None:
    ended = run_to_end(tmp_path, "demo", "--model", "demo-fast", FORCE_COLOR="1", TTY_COMPATIBLE="1")
    assert ended.returncode == 0
    assert "\x1b" not in ended.stdout + ended.stderr


def test_an_escape_sequence_in_an_answer_does_not_reach_the_terminal(tmp_path: Path) -> None:
    prompt = r'[[demo: text="before \u001b]0;owned\u0007 after"]]'
    ended = run_to_end(tmp_path, "demo", "--model", "demo-fast", "--prompt", prompt)
    assert "before \ufffd]0;owned\ufffd after" in ended.stdout
    with Terminal(tmp_path, "demo", "--model", "demo-fast", "--prompt", prompt) as terminal:
        assert terminal.wait_for_exit() == 0
    assert "\x1b]0;" not in terminal.output


def test_a_failed_answer_keeps_what_came_and_says_why(tmp_path: Path) -> None:
    prompt = "[[demo: text=partly error=SERVER_ERROR@1]]"
    ended = run_to_end(tmp_path, "demo", "--model", "demo-fast", "--prompt", prompt)
    assert ended.returncode == 1
    assert ended.stdout.startswith("partly\n")
    assert "SERVER_ERROR" in ended.stdout
    assert "[SERVER_ERROR]" in ended.stderr


def test_a_refused_question_is_a_sentence_with_its_code_and_a_hint(tmp_path: Path) -> None:
    ended = run_to_end(tmp_path, "demo", "--provider", "openai")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "set OPENAI_API_KEY. [API_KEY_MISSING]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_settings_that_stop_the_sidecar_are_shown(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[limits]\njournalBytes = 'many'\n")
    ended = run_to_end(tmp_path, "demo")
    assert ended.returncode == 1
    assert "exit code 2" in ended.stderr
    assert "journalBytes" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [("demo", "--prompt", ENDLESS), ("doctor", "--json")])
def test_a_reader_that_is_gone_ends_it_quietly(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with subprocess.Popen(
        [*SIDECAR, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path, {}),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaints = process.stderr.read().decode()
    assert process.returncode == 1
    assert "Error" not in complaints


def test_on_a_terminal_it_draws_and_leaves_the_whole_answer_and_the_summary(tmp_path: Path) -> None:
    prompt = '[[demo: text="Some **bold** words."]]'
    with Terminal(tmp_path, "demo", "--prompt", prompt) as terminal:
        assert terminal.wait_for_exit() == 0
    end = terminal.shown[terminal.shown.rindex("╭─ demo") :]
    assert "│ Some bold words." in end
    assert "finish   stop" in end
    assert "cost     free" in end
    assert "tokens/s" in end
    assert terminal.output.count("\x1b[?25l") == terminal.output.count("\x1b[?25h"), "the cursor stays hidden"


def test_an_answer_longer_than_the_window_is_left_behind_whole(tmp_path: Path) -> None:
    text = "\\n\\n".join(f"paragraph {number}" for number in range(40))
    with Terminal(
        tmp_path, "demo", "--model", "demo-fast", "--prompt", f'[[demo: text="{text}"]]', height=12
    ) as terminal:
        assert terminal.wait_for_exit() == 0
    end = terminal.shown[terminal.shown.rindex("╭─ demo-fast") :]
    assert [f"paragraph {number}" in end for number in range(40)] == [True] * 40


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_terminal_gets_no_line_wider_than_itself(width: int, tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", "--model", "demo-fast", width=width) as terminal:
        assert terminal.wait_for_exit() == 0
    widths = [len(line) for line in terminal.shown.splitlines()]
    assert 0 < max(widths) <= width


@pytest.mark.parametrize(("no_color", "has_colours"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_respected(no_color: dict[str, str], has_colours: bool, tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", "--model", "demo-fast", **no_color) as terminal:
        assert terminal.wait_for_exit() == 0
    styles = {int(number) for style in re.findall(r"\x1b\[([0-9;]+)m", terminal.output) for number in style.split(";")}
    assert any(number >= 30 for number in styles) == has_colours


def test_a_dumb_terminal_gets_plain_text(tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", "--model", "demo-fast", TERM="dumb") as terminal:
        assert terminal.wait_for_exit() == 0
    assert "\x1b" not in terminal.output
    assert "Hello!" in terminal.shown


def test_ctrl_c_cancels_and_shows_the_usage_so_far(tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", "--prompt", ENDLESS) as terminal:
        terminal.wait_for("tokens/s")
        terminal.type("\x03")
        assert terminal.wait_for_exit() == 130
    assert "finish   cancelled" in terminal.shown
    assert ", partial" in terminal.shown
    assert "^C" not in terminal.shown
    assert "Traceback" not in terminal.shown


def test_a_sidecar_that_dies_is_named_and_the_terminal_left_in_order(tmp_path: Path) -> None:
    with Terminal(tmp_path, "demo", "--prompt", ENDLESS) as terminal:
        terminal.wait_for("tokens/s")
        (sidecar,) = psutil.Process(terminal.pid).children()
        sidecar.kill()
        assert terminal.wait_for_exit() == 1
    assert "The sidecar ended by signal 9. [SHUTTING_DOWN]" in terminal.shown
    assert terminal.output.rindex("\x1b[?25h") > terminal.output.rindex("\x1b[?25l")
    assert "Traceback" not in terminal.shown
