"""The matcher language: what it accepts and, above all, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.protocol.vector_matcher import matches, mismatch


@pytest.mark.parametrize(
    ("matcher", "value"),
    [
        (1, 1),
        ({"a": {"$any": True}}, {"a": None}),
        ({"a": 1, "$more": True}, {"a": 1, "b": 2}),
        ({"a": 1, "b": {"$optional": 2}}, {"a": 1}),
        ({"a": 1, "b": {"$optional": 2}}, {"a": 1, "b": 2}),
        ({"$type": "integer"}, 3),
        ({"$type": "number"}, 3.5),
        ({"$type": "null"}, None),
        ({"$regex": "a+"}, "aa"),
        ({"$atLeast": 1}, 1),
        ({"$inAnyOrder": [1, {"$type": "integer"}]}, [2, 1]),
        ({"$includes": "b"}, ["a", "b"]),
        ([1, {"$any": True}], [1, 2]),
    ],
)
def test_a_matcher_accepts(matcher: Any, value: Any) -> None:
    assert matches(matcher, value)


@pytest.mark.parametrize(
    ("matcher", "value"),
    [
        (1, 2),
        (1, True),
        (1, 1.0),
        (None, False),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, {}),
        ({"a": {"$any": True}}, {}),
        ({"a": 1, "b": {"$optional": 2}}, {"a": 1, "b": 3}),
        ({"$more": True}, []),
        ({"$type": "integer"}, True),
        ({"$type": "integer"}, 3.5),
        ({"$type": "object"}, []),
        ({"$regex": "a+"}, "ab"),
        ({"$regex": "a+"}, 1),
        ({"$atLeast": 1}, 0),
        ({"$atLeast": 1}, True),
        ({"$inAnyOrder": [1, 2]}, [1, 2, 3]),
        ({"$inAnyOrder": [1, 2]}, [1, 1]),
        ({"$includes": "b"}, "b"),
        ({"$includes": "b"}, ["a"]),
        ([1], [1, 1]),
    ],
)
def test_a_matcher_refuses(matcher: Any, value: Any) -> None:
    assert not matches(matcher, value)


@pytest.mark.parametrize("matcher", [{"$nope": 1}, {"$any": True, "a": 1}, {"$type": "string", "$regex": "a"}])
def test_a_misspelt_matcher_is_not_taken_for_a_value(matcher: Any) -> None:
    with pytest.raises(ValueError, match="not a matcher"):
        matches(matcher, {})


@pytest.mark.parametrize(
    ("sequence", "lines"),
    [
        ([1, 2], [1, 2]),
        ([{"$many": 1}, 2], [2]),
        ([{"$many": 1}, 2], [1, 1, 2]),
        ([{"$many": {"$any": True}}, 2], [2, 1, 2]),
        ([{"$many": 1}], []),
        ([{"$interleaved": [[1, 2], ["a", "b"]]}, "end"], [1, "a", 2, "b", "end"]),
        ([{"$interleaved": [[1, 2], ["a", "b"]]}, "end"], ["a", "b", 1, 2, "end"]),
        ([{"$interleaved": [[{"$many": 1}], ["a"]]}], [1, "a", 1]),
        ([{"$interleaved": [[1, 2], [1, 3]]}], [1, 1, 3, 2]),
    ],
)
def test_a_sequence_accepts(sequence: list[Any], lines: list[Any]) -> None:
    assert mismatch(sequence, lines) is None


@pytest.mark.parametrize(
    ("sequence", "lines"),
    [
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ([1, 2], [1]),
        ([], [1]),
        ([{"$many": 1}, 2], [1, 1]),
        ([{"$many": 1}, 2], [3, 2]),
        ([{"$interleaved": [[1, 2], ["a"]]}], [2, "a", 1]),
        ([{"$interleaved": [[1, 2], ["a"]]}, "end"], [1, "a", "end"]),
        ([{"$interleaved": [[1], ["a"]]}], [1]),
    ],
)
def test_a_sequence_refuses(sequence: list[Any], lines: list[Any]) -> None:
    assert mismatch(sequence, lines) is not None
