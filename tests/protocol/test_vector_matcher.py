"""The matcher language: what it accepts and, above all, what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.matcher import difference, matches
from conformance.sequence import mismatch


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


@pytest.mark.parametrize(
    ("matcher", "value", "expected"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ("a.b[1]", "is 3, expected 2")),
        ({"a": {"b": 1}}, {"a": {}}, ("a.b", "is missing, expected 1")),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, ("a.c", "is 2, expected no such field")),
        ({"a": {"$optional": 1}}, {}, None),
        ({"a": {"$atLeast": 1}}, {"a": 0}, ("a", 'is 0, expected {"$atLeast": 1}')),
        ([1], [1, 1], ("", "is [1, 1], expected [1]")),
    ],
)
def test_a_difference_names_the_place(matcher: Any, value: Any, expected: tuple[str, str] | None) -> None:
    assert difference(matcher, value) == expected


def test_a_mismatch_says_what_came_and_what_was_expected() -> None:
    wanted: list[Any] = [{"id": 1, "result": {"success": True}}, {"$many": {"method": "tick"}}, {"method": "end"}]
    first = {"id": 1, "result": {"success": True}}
    assert mismatch(wanted, [{"id": 1, "result": {"success": False}}]) == (
        'line 1: `result.success` is false, expected true; the line is {"id": 1, "result": {"success": false}}'
    )
    assert mismatch(wanted, [first, {"method": "tock"}]) == (
        'line 2: came {"method": "tock"}; expected {"method": "tick"} or {"method": "end"}'
    )
    assert mismatch(wanted, [first]) == 'it ends after 1 line; expected {"method": "tick"} or {"method": "end"}'
    assert mismatch([first], [first, first]) == f"line 2: came {json.dumps(first)}; expected the end"


def test_what_has_only_begun_may_end_early_but_not_be_wrong() -> None:
    assert mismatch([1, 2], [1], is_whole=False) is None
    assert mismatch([1, 2], [2], is_whole=False) is not None
