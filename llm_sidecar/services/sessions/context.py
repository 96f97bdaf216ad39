"""What a model is given to read in a turn of a session: the past turns, and the new messages.

Law: pure, and well-formed for every provider, whatever happened to the turns.
1.  An answer of which nothing came (cancelled, interrupted at once) is left out. What was asked then was said all the
    same: it is asked together with what follows, so that roles alternate; but only once where what follows is the same
    again, word for word, or brings the results of the same calls.
2.  A tool call that the next messages do not answer is left out, and so is a result of a call that is not there, or
    that has a later one. The new messages themselves are never altered: what is wrong with them is the provider's to
    say.
3.  What is cut off to be shorter are whole turns, the oldest first, and a turn that brings the results of calls stays
    with the turn that made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from llm_sidecar.messages.content import ContentPart, Message, TextPart, ToolCall
from llm_sidecar.services.inference.usage_meter import estimated_prompt
from llm_sidecar.storage.turns import PastTurn

_BYTES_PER_TOKEN: Final = 4


class _Placed(NamedTuple):
    """A message and the number of its turn; the new messages' turn is the last."""

    turn: int
    message: Message


def conversation(turns: Sequence[PastTurn], new: Sequence[Message]) -> list[Message]:
    """All that is to be read, in order."""
    turns = _without_repeated(turns, new)
    placed = [_Placed(number, message) for number, turn in enumerate(turns) for message in _said(turn)]
    placed += [_Placed(len(turns), message) for message in new]
    said = _with_answered_calls(placed, len(turns))
    messages: list[Message] = []
    last_turn = -1
    for turn, message in said:
        if messages and turn != last_turn and messages[-1].role == message.role == "user":
            messages[-1] = _joined(messages[-1], message)
        else:
            messages.append(message)
        last_turn = turn
    return messages


def exchanges(turns: Sequence[PastTurn], new: Sequence[Message]) -> list[list[PastTurn]]:
    """The past turns in groups that can only be left out whole, but for the last group where the new messages answer
    its calls: that one cannot be left out at all, and is the last of the list either way (it may be empty)."""
    groups: list[list[PastTurn]] = []
    for turn in turns:
        if groups and turn.messages and turn.messages[0].role == "tool":
            groups[-1].append(turn)
        else:
            groups.append([turn])
    if not (groups and new[0].role == "tool"):
        groups.append([])
    return groups


def estimated(messages: Sequence[Message], system_prompt: str | None = None) -> int:
    """Tokens, about, tool calls included."""
    calls = sum(len(call.arguments.encode()) + len(call.name) for m in messages for call in m.tool_calls or ())
    return estimated_prompt(messages, system_prompt) + calls // _BYTES_PER_TOKEN


class Window:
    """The newest turns of a session that are to be read; fewer with every `shrink`."""

    def __init__(self, turns: Sequence[PastTurn], new: list[Message]) -> None:
        self._new = new
        self._groups = exchanges(_without_repeated(turns, new), new)
        self._sizes = [sum(estimated(_said(turn)) for turn in group) for group in self._groups]
        self._first = 0

    def messages(self) -> list[Message]:
        return conversation([turn for group in self._groups[self._first :] for turn in group], self._new)

    def fit(self, tokens: int) -> None:
        """Leave out what is oldest until the rest has at most `tokens`, by estimate, or nothing can be left out."""
        left = tokens - estimated(self._new)
        size = sum(self._sizes[self._first :])
        while size > left and self._first < len(self._groups) - 1:
            size -= self._sizes[self._first]
            self._first += 1

    def shrink(self) -> bool:
        """Leave out about half of what can be; False where nothing can."""
        if self._first == len(self._groups) - 1:
            return False
        half = sum(self._sizes[self._first : -1]) // 2
        while True:
            half -= self._sizes[self._first]
            self._first += 1
            if half < 0 or self._first == len(self._groups) - 1:
                return True


def _without_repeated(turns: Sequence[PastTurn], new: Sequence[Message]) -> list[PastTurn]:
    kept: list[PastTurn] = []
    following = new
    for turn in reversed(turns):
        if not _answers(turn) and _is_asked_again(turn.messages, following):
            continue
        kept.append(turn)
        following = turn.messages
    return kept[::-1]


def _is_asked_again(asked: Sequence[Message], following: Sequence[Message]) -> bool:
    results = _results(asked)
    return list(asked) == list(following) or (bool(results) and results <= _results(following))


def _results(messages: Sequence[Message]) -> set[str | None]:
    return {message.tool_call_id for message in messages if message.role == "tool"}


def _said(turn: PastTurn) -> list[Message]:
    return [*turn.messages, *_answers(turn)]


def _answers(turn: PastTurn) -> list[Message]:
    """One, or none."""
    return [] if turn.answer is None or _is_empty(turn.answer) else [turn.answer]


def _is_empty(message: Message) -> bool:
    return not message.tool_calls and isinstance(message.content, str) and not message.content.strip()


def _with_answered_calls(placed: list[_Placed], new_turn: int) -> list[_Placed]:
    kept: list[_Placed] = []
    open_calls: set[str] = set()
    for at, (turn, message) in enumerate(placed):
        if message.role == "tool" and turn != new_turn:
            if message.tool_call_id in open_calls - _answers_after(placed, at):
                kept.append(placed[at])
            continue
        if message.role != "tool":
            open_calls = set()
        if message.tool_calls and turn != new_turn:
            answers = _answers_after(placed, at)
            calls = [call for call in message.tool_calls if call.id in answers]
            open_calls = {call.id for call in calls}
            answered = _with_calls(message, calls)
            if not _is_empty(answered):
                kept.append(_Placed(turn, answered))
            continue
        kept.append(placed[at])
    return kept


def _answers_after(placed: list[_Placed], at: int) -> set[str]:
    answers: set[str] = set()
    for _, message in placed[at + 1 :]:
        if message.role != "tool":
            break
        answers.add(message.tool_call_id or "")
    return answers


def _with_calls(message: Message, calls: list[ToolCall]) -> Message:
    """What a provider wants to see again tells of all the calls: with fewer of them it would not fit."""
    if calls == message.tool_calls:
        return message
    return replace(message, tool_calls=calls or None, provider_state=None)


def _joined(first: Message, second: Message) -> Message:
    if isinstance(first.content, str) and isinstance(second.content, str):
        return replace(second, content=f"{first.content}\n\n{second.content}")
    return replace(second, content=[*_parts(first), *_parts(second)])


def _parts(message: Message) -> list[ContentPart]:
    return [TextPart(text=message.content)] if isinstance(message.content, str) else message.content


def estimated_tools(tools: object) -> int:
    """Tokens, about, of the definitions of tools."""
    return len(msgspec.json.encode(tools)) // _BYTES_PER_TOKEN if tools else 0
