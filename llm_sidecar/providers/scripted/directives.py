"""The demo provider's directives: what each is called, which value it takes, and what they say together.

Law: pure; text in, `Directives` and the rest of the text out. Any text either reads or raises `ProviderError`
INVALID_REQUEST that names the directive at fault and lists the valid ones: a misspelt directive must not be ignored.
It does not know requests, models or time; `composer` (above) turns directives into a script.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from llm_sidecar.errors import ERROR_KINDS, ProviderError, network_error
from llm_sidecar.providers.scripted.syntax import Item, Malformed, Value, split_text

MAX_TOKENS: Final = 1_000_000
"""Largest N of any directive that counts tokens; an answer of a million tokens takes 8 MB as a list."""
MAX_MS: Final = 3_600_000
MAX_CALLS: Final = 128
"""As many as a message of the wire may carry."""

FAULT_CODES: Final = (
    *(code for code, kind in ERROR_KINDS.items() if kind.group in {"network", "provider"}),
    "API_KEY_MISSING",
    "INVALID_MODEL",
)
"""What `error=` accepts: everything a provider can raise."""


class Fault(Struct, frozen=True):
    """Something that goes wrong: `error`, or silence for ever where it is None.

    `after` counts the tokens that still come; None: the provider never accepts the request.
    """

    after: int | None
    error: ProviderError | None


class CallDirective(Struct, frozen=True):
    """A tool call to make; `arguments` is streamed exactly so, valid JSON or not."""

    name: str
    arguments: str


class Directives(Struct, frozen=True):
    """What a message asked for. None or empty: not said, the model's own way applies. Times in milliseconds."""

    tokens: int | None = None
    text: str | None = None
    echo: bool = False
    unicode: bool = False
    seed: int | None = None
    reasoning: int | str | None = None
    tool_calls: list[CallDirective] = []
    finish: Literal["length", "content_filter"] | None = None
    usage: dict[str, int] | Literal["none"] | None = None
    model: str | None = None
    provider_state: dict[str, Any] | None = None
    rate: float | None = None
    """Tokens a second; 0 is as fast as possible."""
    first_token: int | None = None
    connect: int | None = None
    progress: int | None = None
    faults: list[Fault] = []
    fail_first: int | None = None
    """Faults happen in this many first attempts; None: in all."""


def _integer(high: int) -> Callable[[Value], int]:
    def read(value: Value) -> int:
        if value.json or not re.fullmatch(r"[0-9]{1,19}", value.word) or int(value.word) > high:
            raise Malformed(f"needs a whole number from 0 to {high}")
        return int(value.word)

    return read


_tokens: Final = _integer(MAX_TOKENS)
_milliseconds: Final = _integer(MAX_MS)


def _flag(value: Value) -> bool:
    if not value.is_flag:
        raise Malformed("takes no value")
    return True


def _string(value: Value) -> str:
    if value.json:
        decoded = value.decoded()
        if not isinstance(decoded, str) or value.word:
            raise Malformed("needs a word or a quoted JSON string")
        return decoded
    if not value.word:
        raise Malformed("needs a word or a quoted JSON string")
    return value.word


def _name(value: Value) -> str:
    name = _string(value)
    if not name:
        raise Malformed("needs a name")
    return name


def _reasoning(value: Value) -> int | str:
    return _tokens(value) if value.word.isdigit() else _string(value)


def _rate(value: Value) -> float:
    if value.json or not re.fullmatch(r"max|[0-9]{1,6}(\.[0-9]{1,3})?", value.word):
        raise Malformed("needs tokens a second below 1000000, or max")
    return 0.0 if value.word == "max" else float(value.word)


def _object(value: Value) -> dict[str, Any]:
    decoded = value.decoded() if value.json and not value.word else None
    if not isinstance(decoded, dict):
        raise Malformed("needs a JSON object")
    return decoded


def _call(value: Value) -> CallDirective:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value.word):
        raise Malformed("needs a tool's name, then its arguments as a JSON object")
    if not value.json:
        return CallDirective(value.word, "{}")
    decoded = value.decoded()
    return CallDirective(value.word, decoded if isinstance(decoded, str) else value.json)


def _finish(value: Value) -> str:
    if value.json or value.word not in {"length", "content_filter"}:
        raise Malformed("needs length or content_filter")
    return value.word


_USAGE_FIELDS: Final = {
    "prompt": "prompt_tokens",
    "completion": "completion_tokens",
    "cached": "cached_prompt_tokens",
    "reasoning": "reasoning_tokens",
}


def _usage(value: Value) -> dict[str, int] | str:
    if value.word == "none" and not value.json:
        return "none"
    counts: dict[str, int] = {}
    for item in value.word.split(","):
        name, _, count = item.partition(":")
        if value.json or name not in _USAGE_FIELDS or not re.fullmatch(r"[0-9]{1,9}", count):
            raise Malformed("needs none, or counts such as prompt:120,completion:45,cached:100,reasoning:20")
        counts[_USAGE_FIELDS[name]] = int(count)
    return counts


def _error(value: Value) -> Fault:
    code, at, count = value.word.partition("@")
    if value.json or code not in FAULT_CODES:
        raise Malformed(f"needs one of {', '.join(FAULT_CODES)}")
    told = f"The demo provider was told to fail with {code}."
    error = network_error("ECONNREFUSED", told) if code == "NETWORK_ERROR" else ProviderError(code, told)
    return Fault(_tokens(Value(count)) if at else None, error)


def _rate_limit(value: Value) -> Fault:
    wait = None if value.is_flag else _milliseconds(value)
    return Fault(
        None, ProviderError("RATE_LIMIT", "The demo provider was told to be rate limited.", retry_after_ms=wait)
    )


def _hang(value: Value) -> Fault:
    _flag(value)
    return Fault(None, None)


def _stall(value: Value) -> Fault:
    return Fault(_tokens(value), None)


def _truncate(value: Value) -> Fault:
    error = ProviderError("STREAM_TRUNCATED", "The demo provider was told to stop without its end marker.")
    return Fault(_tokens(value), error)


def _reset(value: Value) -> Fault:
    return Fault(_tokens(value), network_error("ECONNRESET", "The demo provider was told to reset the connection."))


class _Rule(NamedTuple):
    form: str
    field: str
    read: Callable[[Value], Any]


RULES: Final[dict[str, _Rule]] = {
    "tokens": _Rule("tokens=N", "tokens", _tokens),
    "text": _Rule('text="…"', "text", _string),
    "echo": _Rule("echo", "echo", _flag),
    "unicode": _Rule("unicode", "unicode", _flag),
    "seed": _Rule("seed=N", "seed", _integer(2**63 - 1)),
    "reasoning": _Rule('reasoning=N|"…"', "reasoning", _reasoning),
    "toolCall": _Rule('toolCall=NAME{"…":…}', "tool_calls", _call),
    "finish": _Rule("finish=length|content_filter", "finish", _finish),
    "usage": _Rule("usage=none|prompt:N,completion:N,cached:N,reasoning:N", "usage", _usage),
    "model": _Rule("model=NAME", "model", _name),
    "providerState": _Rule('providerState={"…":…}', "provider_state", _object),
    "rate": _Rule("rate=N|max", "rate", _rate),
    "firstToken": _Rule("firstToken=MS", "first_token", _milliseconds),
    "connect": _Rule("connect=MS", "connect", _milliseconds),
    "progress": _Rule("progress=N", "progress", _integer(1_000)),
    "rateLimit": _Rule("rateLimit[=MS]", "faults", _rate_limit),
    "error": _Rule("error=CODE[@N]", "faults", _error),
    "hang": _Rule("hang", "faults", _hang),
    "stall": _Rule("stall=N", "faults", _stall),
    "truncate": _Rule("truncate=N", "faults", _truncate),
    "reset": _Rule("reset=N", "faults", _reset),
    "failFirst": _Rule("failFirst=N", "fail_first", _integer(1_000)),
}
"""Every directive, in the order the documentation lists them."""


def read_directives(text: str) -> tuple[Directives, str]:
    """Split `text` into what its blocks say and what is left of it without them, stripped. Blocks take the place of
    those that an empty line parts from them.

    Raises `ProviderError` INVALID_REQUEST that names the directive at fault.
    """
    try:
        groups, rest = split_text(text)
        return [_read(items) for items in groups][-1], rest
    except Malformed as error:
        shown = f"{error.name[:40]!r}" if error.name.strip() else "at the end"
        valid = ", ".join(rule.form for rule in RULES.values())
        raise ProviderError("INVALID_REQUEST", f"Demo directive {shown} {error}. Valid directives: {valid}.") from None


def _read(items: list[Item]) -> Directives:
    found: dict[str, Any] = {}
    names: set[str] = set()
    for name, value in items:
        rule = RULES.get(name)
        if rule is None:
            raise Malformed("is not known", name)
        if name in names and name != "toolCall":
            raise Malformed("is there twice", name)
        names.add(name)
        try:
            read = rule.read(value)
        except Malformed as error:
            raise Malformed(f"{error}; write {rule.form}", name) from None
        if rule.field in {"tool_calls", "faults"}:
            found.setdefault(rule.field, []).append(read)
        else:
            found[rule.field] = read
    if len(found.get("tool_calls", ())) > MAX_CALLS:
        raise Malformed(f"is there more than {MAX_CALLS} times", "toolCall")
    if "fail_first" in found and "faults" not in found:
        raise Malformed("needs a fault beside it, such as rateLimit or error", "failFirst")
    return Directives(**found)
