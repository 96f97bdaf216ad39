"""The syntax of the demo provider's directives: `[[demo: tokens=200 rate=max]]`, cut into items.

Law: pure, one pass over any text, no meaning: what a directive is called and wants is `directives`' affair
(above). Bad syntax raises `Malformed`, which names the item at fault.

    block = "[[demo:" item* "]]"          any number of blocks in a message; items are separated by white space
    item  = NAME | NAME "=" value
    value = WORD? JSON?                   WORD: no white space, quotes, brackets or braces; JSON: a string or an object
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import msgspec


class Malformed(ValueError):
    """`name` is the directive at fault, or what stands in its place; the text of the error says what is wrong."""

    def __init__(self, reason: str, name: str = "") -> None:
        super().__init__(reason)
        self.name = name


class Value(NamedTuple):
    """What follows the `=`: a bare word, then JSON as it was typed. No `=`: `is_flag`."""

    word: str = ""
    json: str = ""
    is_flag: bool = False

    def decoded(self) -> Any:
        """The JSON's value. Raises `Malformed`."""
        try:
            return msgspec.json.decode(self.json)
        except (ValueError, RecursionError):
            raise Malformed("has malformed JSON") from None


class Item(NamedTuple):
    """One directive as it was typed."""

    name: str
    value: Value


_OPEN: Final = "[[demo:"
_CLOSE: Final = "]]"
_BLANK: Final = re.compile(r"\s*")
_EMPTY_LINE: Final = re.compile(r"\n[^\S\n]*\n")
_ITEM: Final = re.compile(r'([A-Za-z]+)(?:(=)([^\s"{}\[\]]*))?')
_JSON_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+("?)|[{}\[\]]', re.DOTALL)
"""A string, with group 1 empty where it never ends, or a bracket. One pass over any input: nothing is tried twice."""


def split_text(text: str) -> tuple[list[list[Item]], str]:
    """The items of all blocks of `text`, those together that no empty line parts (at least one list, it may be empty),
    and what is left of it without the blocks, stripped. Raises `Malformed`."""
    groups: list[list[Item]] = [[]]
    rest: list[str] = []
    position = 0
    while (opening := text.find(_OPEN, position)) >= 0:
        rest.append(text[position:opening])
        if _EMPTY_LINE.search(rest[-1]):
            groups.append([])
        position = _after_blank(text, opening + len(_OPEN))
        while not text.startswith(_CLOSE, position):
            item, position = _read_item(text, position)
            groups[-1].append(item)
        position += len(_CLOSE)
    rest.append(text[position:])
    return groups, "".join(rest).strip()


def _after_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _read_item(text: str, position: int) -> tuple[Item, int]:
    """The item at `position`, and where the next one begins."""
    found = _ITEM.match(text, position)
    if found is None:
        raise Malformed("is no directive; a block ends with ]]", text[position : position + 10].partition(_CLOSE)[0])
    name, equals, word = found.groups("")
    position = end = found.end()
    if equals and text.startswith(("{", '"'), position):
        end = _json_end(text, position, name)
    value = Value(word, text[position:end], is_flag=not equals)
    following = _after_blank(text, end)
    if following == end and not text.startswith(_CLOSE, end):
        raise Malformed("must be followed by white space or ]]", name)
    return Item(name, value), following


def _json_end(text: str, start: int, name: str) -> int:
    """Where the string or object that begins at `start` ends, by its brackets."""
    depth = 0
    for token in _JSON_TOKEN.finditer(text, start):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif not token[1]:
            break
        if depth == 0:
            return token.end()
    raise Malformed("has a string or an object that never ends", name)
