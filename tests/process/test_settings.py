"""What a start is told: limits from the environment and from `config.toml`, options, and what is wrong with them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_sidecar.errors import InvalidParams
from llm_sidecar.limits import BOUNDS, Limits, camel, limits_from_environment
from llm_sidecar.settings import data_dir, load_limits
from tests.hosts import SIDECAR, Host, child_environment

HELLO = {"protocolVersion": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def in_force(host: Host, **limits: int) -> dict[str, int]:
    return dict(host.call("initialize", {**HELLO, "limits": limits})["limits"])


def test_the_later_word_counts_file_then_environment_then_handshake(spawn: Callable[..., Host], folder: Path) -> None:
    (folder / "config.toml").write_text("[limits]\nmaxBatchItems = 2\njournalFinished = 3\nmaxQueuedInferences = 4\n")
    environment = {"LLM_SIDECAR_JOURNAL_FINISHED": "30", "LLM_SIDECAR_MAX_QUEUED_INFERENCES": "40"}
    host = spawn(data_dir=folder, environment=environment)
    limits = in_force(host, maxQueuedInferences=400)
    assert limits == {
        **Limits().to_wire(),
        "maxBatchItems": 2,
        "journalFinished": 30,
        "maxQueuedInferences": 400,
    }


def test_a_limit_of_the_environment_is_one_that_holds(spawn: Callable[..., Host]) -> None:
    host = spawn(environment={"LLM_SIDECAR_MAX_BATCH_ITEMS": "1"})
    host.send([1, 2])
    assert host.read()["error"]["data"]["code"] == "MESSAGE_TOO_LARGE"


def test_the_option_names_the_data_folder_before_the_environment_does(
    spawn: Callable[..., Host], folder: Path, tmp_path: Path
) -> None:
    (folder / "config.toml").write_text("[limits]\nmaxBatchItems = 2\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text("[limits]\nmaxBatchItems = 3\n")
    for option in (("--data-dir", str(folder)), (f"--data-dir={folder}",)):
        host = spawn(*option, data_dir=tmp_path / "other")
        assert in_force(host)["maxBatchItems"] == 2
        host.close_stdin()
        assert host.wait() == 0


def test_a_sidecar_in_memory_reads_its_settings_and_creates_nothing(spawn: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[limits]\nmaxBatchItems = 2\n")
    assert in_force(spawn("--in-memory", data_dir=tmp_path))["maxBatchItems"] == 2
    host = spawn("--in-memory", data_dir=tmp_path / "not" / "there")
    host.call("initialize", HELLO)
    host.close_stdin()
    assert host.wait() == 0
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("name", BOUNDS)
def test_every_limit_has_a_name_in_the_environment(name: str) -> None:
    low, high = BOUNDS[name]
    limits = limits_from_environment(Limits(), {f"LLM_SIDECAR_{name.upper()}": str(high)})
    assert getattr(limits, name) == high
    for wrong in (str(low - 1), str(high + 1), "many", "", "1.5", "0x10", "NaN"):
        with pytest.raises(InvalidParams) as caught:
            limits_from_environment(Limits(), {f"LLM_SIDECAR_{name.upper()}": wrong})
        assert camel(name) in caught.value.message or name.upper() in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "[limits]\nmaxBatchItem = 5\n",
        "[limits]\nmaxBatchItems = 0\n",
        '[limits]\nmaxBatchItems = "5"\n',
        "[limits]\nmaxBatchItems = true\n",
        "[limits]\nmaxBatchItems = 5.0\n",
        "[limits]\nmax_batch_items = 5\n",
    ],
)
def test_a_wrong_limit_of_the_file_is_named(folder: Path, text: str) -> None:
    (folder / "config.toml").write_text(text)
    with pytest.raises(InvalidParams, match=r"config\.toml.*(maxBatchItem|max_batch_items)"):
        load_limits(str(folder), {})


@pytest.mark.parametrize(
    "data", [b"limits = 5\n", b"limits = [1]\n", b"[limits\n", b"\xff\xfe", b"[limits]\na = 1\na = 2\n"]
)
def test_a_file_that_cannot_be_understood_is_named(folder: Path, data: bytes) -> None:
    (folder / "config.toml").write_bytes(data)
    with pytest.raises(InvalidParams, match=r"config\.toml"):
        load_limits(str(folder), {})


@pytest.mark.parametrize("put_there", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_named_and_not_waited_for(folder: Path, put_there: Callable[[Path], None]) -> None:
    put_there(folder / "config.toml")
    with pytest.raises(InvalidParams, match=r"config\.toml"):
        load_limits(str(folder), {})


def test_the_data_folder_is_the_options_then_the_environments_then_the_platforms() -> None:
    assert data_dir("a", {"LLM_SIDECAR_HOME": "b"}) == "a"
    assert data_dir(None, {"LLM_SIDECAR_HOME": "b"}) == "b"
    assert data_dir(None, {"XDG_DATA_HOME": "c", "LLM_SIDECAR_HOME": ""}) == "c/llm-sidecar"


@pytest.mark.parametrize(
    ("options", "environment", "config", "name"),
    [
        ((), {"LLM_SIDECAR_MAX_BATCH_ITEMS": "many"}, "", "maxBatchItems"),
        ((), {"LLM_SIDECAR_LOG_LEVEL": "loud"}, "", "log level"),
        ((), {}, "[limits]\nmaxBatchItem = 5\n", "config.toml limits.maxBatchItem"),
        (("--log-level=loud",), {}, "", "log level"),
        (("--log-level",), {}, "", "--log-level"),
        (("--drian",), {}, "", "--drian"),
        (("--drain=yes",), {}, "", "--drain"),
        (("extra",), {}, "", "extra"),
    ],
)
def test_what_is_not_understood_stops_the_start_by_name(
    spawn: Callable[..., Host], folder: Path, options: tuple, environment: dict, config: str, name: str
) -> None:
    (folder / "config.toml").write_text(config)
    host = spawn(*options, data_dir=folder, environment=environment)
    assert host.read_to_end() == b""
    assert host.wait() == 2
    assert name in host.stderr()
    assert "Traceback" not in host.stderr()


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (("--help",), 0, "usage: llm-sidecar", ""),
        (("help",), 0, "usage: llm-sidecar", ""),
        (("--version",), 0, "llm-sidecar 0", ""),
        (("serve", "--help"), 0, "exit codes:", ""),
        (("nonsense",), 2, "", "nonsense"),
    ],
)
def test_the_command_line_explains_itself(tmp_path: Path, arguments: tuple, code: int, out: str, err: str) -> None:
    done = subprocess.run(
        [*SIDECAR, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=child_environment(tmp_path, {}),
    )
    assert (done.returncode, out in done.stdout, err in done.stderr) == (code, True, True)


@pytest.mark.parametrize(("level", "events"), [("info", True), ("error", False), ("off", False)])
def test_the_log_has_the_level_that_was_asked_for(spawn: Callable[..., Host], level: str, events: bool) -> None:
    host = spawn("--log-level", level)
    host.send({"jsonrpc": "2.0", "method": "nowhere"})
    host.close_stdin()
    assert host.wait() == 0
    assert bool(host.logs()) == events


def test_no_prompt_or_answer_is_in_the_log_at_any_level(spawn: Callable[..., Host]) -> None:
    host = spawn("--log-level=debug", "--dev")
    text = '[[demo: connect=0 firstToken=0 rate=max text="the answer is canary"]] the prompt is canary'
    host.infer(text, inferenceId="i", systemPrompt="canary", metadata={"a": "canary"})
    assert "canary" in host.answer("i").text
    host.infer(text.replace("rate=max", "rate=max error=SERVER_ERROR@2"), inferenceId="j", retry={"maxRetries": 0})
    assert host.answer("j").outcome == "SERVER_ERROR"
    host.close_stdin()
    host.wait()
    assert host.logs("inference ended")
    assert "canary" not in host.stderr()
