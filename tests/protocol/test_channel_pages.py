"""`protocol/channels/`: a page for each channel, and every link leads somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from llm_sidecar.errors import ERROR_KINDS
from llm_sidecar.messages.catalogue import METHODS, NOTIFICATIONS
from llm_sidecar.protocol import examples
from llm_sidecar.protocol.markdown import anchor, table
from llm_sidecar.protocol.pages import file_of, pages, title_of
from llm_sidecar.protocol.shown import conversations_by_channel
from tests.protocol.conformance_runs import CONVERSATIONS, PROTOCOL

_SHOWN = conversations_by_channel(PROTOCOL / "vectors")
_PAGES = pages(_SHOWN)
_CHANNELS = {**METHODS, **NOTIFICATIONS}


@pytest.mark.parametrize("name", _CHANNELS)
def test_a_page_tells_all_of_its_channel(name: str) -> None:
    text = _PAGES[file_of(name)]
    assert text.startswith(f"# `{name}`\n")
    assert _CHANNELS[name].summary in text
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    told = [example.get("result", example.get("params")) for example in shown]
    if name in NOTIFICATIONS:
        assert told == [examples.SIDECAR[name]]
    else:
        example = examples.HOST[name]
        assert told == [example.params, *([] if METHODS[name].is_notification else [example.result])]
    for other in METHODS[name].leads_to if name in METHODS else ():
        assert f"]({file_of(other)})" in text
        assert f"]({file_of(name)})" in _PAGES[file_of(other)]
    for code in METHODS[name].errors if name in METHODS else ():
        assert f"| [`{code}`](" in text
        assert ERROR_KINDS[code].summary in text


def test_every_channel_has_a_file_of_its_own_and_a_line_in_the_index() -> None:
    files = [file_of(name).lower() for name in _CHANNELS]
    assert len({*files, "readme.md", "shapes.md", "errors.md"}) == len(_CHANNELS) + 3
    lines = [line for line in _PAGES["README.md"].splitlines() if line.startswith("| [")]
    assert sorted(re.findall(r"^\| \[`(.*?)`\]", "\n".join(lines), re.MULTILINE)) == sorted(_CHANNELS)
    assert all(f"## {title_of(item)}\n" in _PAGES["README.md"] for item in _CHANNELS.values())


def test_every_notification_follows_something() -> None:
    led_to = {name for method in METHODS.values() for name in method.leads_to}
    assert led_to == NOTIFICATIONS.keys()


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_what_follows_in_a_conversation_is_what_the_catalogue_says(name: str) -> None:
    sent = re.findall(r'\\?"method\\?": ?\\?"(.*?)\\?"', json.dumps(CONVERSATIONS[name].send))
    may_follow = {other for method in sent if method in METHODS for other in METHODS[method].leads_to}
    told = set(re.findall(r'"method": "(.*?)"', json.dumps(CONVERSATIONS[name].expect)))
    assert told & NOTIFICATIONS.keys() <= may_follow


def test_the_conversations_that_show_a_channel_are_found_at_any_depth() -> None:
    assert ("cancel.json", "an answer that waits for its turn is cancelled") in _SHOWN["llm:cancel"]
    assert "inference.json" in {file for file, _ in _SHOWN["llm:token"]}
    assert {"llm:job:done", "llm:chat:chunk", "initialize"} <= _SHOWN.keys()


def test_without_vectors_no_page_speaks_of_them(tmp_path: Path) -> None:
    assert conversations_by_channel(tmp_path / "vectors") == {}
    assert not any("vectors" in text for text in pages({}).values())


def _anchors(path: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize("path", sorted(PROTOCOL.rglob("*.md")), ids=lambda path: str(path.relative_to(PROTOCOL)))
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        file, _, heading = target.partition("#")
        aim = path.parent / file if file else path
        assert aim.exists(), f"{path.name} links to {target}"
        assert not heading or heading in _anchors(aim), f"{path.name} links to {target}"


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("`llm:session:create`", "llmsessioncreate"),
        ("Usage, budgets, audit", "usage-budgets-audit"),
        ("a_b-c", "a_b-c"),
    ],
)
def test_an_anchor_is_what_github_makes_of_a_heading(heading: str, expected: str) -> None:
    assert anchor(heading) == expected


def test_a_cell_cannot_end_its_table() -> None:
    assert table(["a", ""], [["x | y", ""]]) == "| a | |\n|---|---|\n| x \\| y | |\n"
