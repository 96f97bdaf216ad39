"""No secret that is live in the process goes into a row."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_sidecar import redaction
from llm_sidecar.redaction import hide
from llm_sidecar.storage.opening import connect

KEY = 'sk-canary"\\0123456789'
"""With characters that JSON escapes."""
STORAGE = Path(__file__).parents[2] / "llm_sidecar" / "storage"


@pytest.fixture(autouse=True)
def one_secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_hidden", redaction._Hidden())
    hide(KEY)
    hide("ollama")
    return None


def test_a_secret_is_masked_in_text_and_in_json_and_found_where_it_was_stored(tmp_path: Path) -> None:
    connection = connect(str(tmp_path / "x"))
    connection.execute("CREATE TABLE t (a TEXT, b BLOB, c INTEGER)")
    rows: list[tuple[Any, ...]] = [(f"<{KEY}> ollama", msgspec.json.encode({KEY: [KEY, "ollama"]}), 7), (KEY, None, 8)]
    connection.execute("INSERT INTO t VALUES (?, ?, ?)", rows[0])
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows[1:])
    stored = connection.execute("SELECT * FROM t").fetchall()
    assert stored == [("<***> ollama", b'{"***":["***","ollama"]}', 7), ("***", None, 8)]
    assert connection.execute("SELECT c FROM t WHERE a = ?", (KEY,)).fetchall() == [(8,)]
    assert connection.execute("SELECT c FROM t WHERE a = :a", {"a": KEY}).fetchall() == [(8,)]
    connection.close()
    assert not [path.name for path in tmp_path.iterdir() if b"canary" in path.read_bytes()]


def test_there_is_no_other_way_into_the_database() -> None:
    used = {
        node.attr
        for path in STORAGE.glob("*.py")
        if path.name != "migrations.py"  # its script is ours, without values
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert {"execute", "executemany"} <= used
    assert not used & {"cursor", "executescript", "blobopen", "deserialize", "create_function", "iterdump"}
