"""Sequences of lines: what `expect` says about all that comes, with `$many` and `$interleaved`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.faults import shown
from conformance.matcher import difference, matches, operator_of

_HEAD = {"", "id", "method"}
"""Where two messages differ that have nothing to do with each other."""


def mismatch(sequence: list[Any], lines: list[Any], *, is_whole: bool = True) -> str | None:
    """Why `lines` are not what `sequence` describes; None if they are. More may come where they are not the whole."""
    states = [sequence]
    for number, line in enumerate(lines, 1):
        following: list[list[Any]] = []
        for state in states:
            following += [rest for rest in _after(state, line) if rest not in following]
        if not following:
            return f"line {number}: {_why(states, line)}"
        states = following
    if is_whole and not any(_may_end(state) for state in states):
        return f"it ends after {in_words(len(lines))}; expected {_expected(states)}"
    return None


def in_words(number: int) -> str:
    """A number of lines."""
    return "1 line" if number == 1 else f"{number} lines"


def _after(sequence: list[Any], line: Any) -> list[list[Any]]:
    """What may still come once `line` has come."""
    if not sequence:
        return []
    head, *rest = sequence
    operator = operator_of(head) if isinstance(head, dict) else None
    if operator == "$many":
        here = [sequence] if matches(head["$many"], line) else []
        return here + _after(rest, line)
    if operator == "$interleaved":
        branches = head["$interleaved"]
        found = [
            [{"$interleaved": [*branches[:index], left, *branches[index + 1 :]]}, *rest]
            for index, branch in enumerate(branches)
            for left in _after(branch, line)
        ]
        return found + (_after(rest, line) if _may_end([head]) else [])
    return [rest] if matches(head, line) else []


def _may_end(sequence: list[Any]) -> bool:
    for item in sequence:
        operator = operator_of(item) if isinstance(item, dict) else None
        if operator == "$interleaved" and all(_may_end(branch) for branch in item["$interleaved"]):
            continue
        if operator != "$many":
            return False
    return True


def _next(sequence: list[Any]) -> Iterator[Any]:
    """The matchers of the lines that may come first; what is demanded comes after what only may come."""
    for item in sequence:
        operator = operator_of(item) if isinstance(item, dict) else None
        if operator == "$many":
            yield item["$many"]
        elif operator == "$interleaved":
            for branch in item["$interleaved"]:
                yield from _next(branch)
            if not _may_end([item]):
                return
        else:
            yield item
            return


def _why(states: list[list[Any]], line: Any) -> str:
    """What is wrong with `line`: the field, where it is clear which message it should have been."""
    candidates = [matcher for state in states for matcher in _next(state)]
    found = [differing for matcher in candidates if (differing := difference(matcher, line))]
    inner = [(place, reason) for place, reason in found if place not in _HEAD]
    if len(inner) == 1:
        place, reason = inner[0]
        return f"`{place}` {reason}; the line is {shown(line)}"
    return f"came {shown(line)}; expected {_expected(states)}"


def _expected(states: list[list[Any]]) -> str:
    options = list(dict.fromkeys(shown(matcher) for state in states for matcher in _next(state)))
    if any(_may_end(state) for state in states):
        options.append("the end")
    return " or ".join(options)
