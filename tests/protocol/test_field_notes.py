"""What is written after a field in the source is said of it everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import llm_sidecar.messages
from llm_sidecar.protocol import pages, typescript
from llm_sidecar.protocol.field_notes import field_notes
from llm_sidecar.protocol.schemas import schemas, standalone_schemas

NOTE = "US dollars at list price for `usage`; null where the price is not known, 0 for an answer from the cache."


def test_a_note_is_in_the_schema_the_types_and_the_page_of_its_field() -> None:
    assert field_notes("DoneEvent")["cost"] == NOTE
    assert schemas("#/{name}").components["DoneEvent"]["properties"]["cost"]["description"] == NOTE
    assert standalone_schemas()["DoneEvent"]["$defs"]["DoneEvent"]["properties"]["cost"]["description"] == NOTE
    assert f"  /** {NOTE} */\n  cost: number | null;\n" in typescript.source()
    assert any(NOTE in text for text in pages.pages({}).values())


def test_the_notes_of_a_base_are_those_of_what_is_made_of_it() -> None:
    assert field_notes("DoneEvent")["seq"] == field_notes("InferenceEvent")["seq"] == field_notes("TokenEvent")["seq"]


@pytest.mark.parametrize("shape", ["NoSuchShape", "NoParams"])
def test_what_has_no_notes_has_none(shape: str) -> None:
    assert field_notes(shape) == {}


def test_every_text_after_a_field_is_a_note_of_it() -> None:
    """(One that stands elsewhere would be lost in silence.)"""
    folder = Path(llm_sidecar.messages.__file__).parent
    found = 0
    for path in folder.glob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) in ("Params", "Shape") for base in node.bases):
                texts = [item for item in node.body[1:] if isinstance(item, ast.Expr)]
                assert len(field_notes(node.name)) == len(texts), node.name
                found += len(texts)
    assert found > 50
