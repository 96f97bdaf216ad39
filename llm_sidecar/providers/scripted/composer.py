"""The author of the demo provider: a request becomes a `Script`.

Law: pure; the same request (its attempt included) gives an equal script. Everything is decided here: what the message
directs, what the model does by itself, and where stop sequences, `maxTokens` and faults end the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.content import JsonFormat, JsonSchemaFormat, NamedTool
from llm_sidecar.messages.events import FinishReason
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.events import Finish, ModelNamed, PromptProgress, ProviderEvent, ProviderState, UsageReport
from llm_sidecar.providers.scripted.answer import (
    UNICODE_SAMPLE,
    current_turn,
    default_answer,
    default_reasoning,
    filler,
    fingerprint,
    prompt_tokens,
    text_of,
    tokenize,
)
from llm_sidecar.providers.scripted.directives import CallDirective, Directives, Fault, read_directives
from llm_sidecar.providers.scripted.sample import sample_arguments, sample_json
from llm_sidecar.providers.scripted.script import Call, Part, Script, Speech, Thought


class DemoModel(Struct, frozen=True):
    """How a model behaves unless it is directed. Milliseconds; tokens a second, 0 is as fast as possible."""

    connect_ms: int
    first_token_ms: int
    rate: float
    reasons: bool = False


MODELS: Final = {
    "demo-1": DemoModel(30, 250, 50),
    "demo-fast": DemoModel(0, 0, 0),
    "demo-reasoning": DemoModel(30, 250, 50, reasons=True),
}
DEFAULT_MODEL: Final = "demo-1"


def compose(request: ProviderRequest) -> Script:
    """The script of `request`. Raises `ProviderError`: INVALID_MODEL; INVALID_REQUEST for a malformed directive, a tool
    that is not there or a schema that cannot be fitted."""
    model_id = request.model_id or DEFAULT_MODEL
    model = MODELS.get(model_id)
    if model is None:
        raise ProviderError("INVALID_MODEL", f"The demo provider has these models: {', '.join(MODELS)}.")
    turn = current_turn(request.messages)
    directives, prompt = read_directives(text_of(turn[0]) if turn else "")
    parts, reason = _cut(_parts(request, directives, model, prompt), request)
    return Script(
        connect=_or(directives.connect, model.connect_ms) / 1000,
        first_token=_or(directives.first_token, model.first_token_ms) / 1000,
        rate=_or(directives.rate, model.rate),
        opening=[ModelNamed(directives.model or model_id)],
        progress=_progress(request, directives.progress or 0),
        parts=parts,
        closing=_closing(request, directives, parts, Finish(directives.finish or reason, directives.finish or reason)),
        fault=_fault(directives, request.attempt),
    )


def _or(directed: float | None, usual: float) -> float:
    return usual if directed is None else directed


def _parts(request: ProviderRequest, directives: Directives, model: DemoModel, prompt: str) -> list[Part]:
    mark = fingerprint(request)
    seed = next(seed for seed in (directives.seed, request.seed, mark) if seed is not None)
    calls = _calls(request, directives)
    parts: list[Part] = [
        Thought(_thoughts(request, directives, model, seed)),
        Speech(_speech(request, directives, prompt, seed, has_calls=bool(calls))),
    ]
    for index, call in enumerate(calls):
        parts.append(Call(tokenize(call.arguments) or [""], index, f"call_{mark:08x}_{index}", call.name))
    return [part for part in parts if part.tokens]


def _thoughts(request: ProviderRequest, directives: Directives, model: DemoModel, seed: int) -> list[str]:
    directed = directives.reasoning
    if isinstance(directed, str):
        return tokenize(directed)
    if directed is not None:
        return filler(directed, seed + 1)
    options = request.reasoning
    if not model.reasons and options is None:
        return []
    tokens = default_reasoning(options.effort if options else None)
    return tokens[: options.budget_tokens] if options else tokens


def _speech(request: ProviderRequest, directives: Directives, prompt: str, seed: int, *, has_calls: bool) -> list[str]:
    said = tokenize(directives.text or "")
    if directives.echo:
        said += tokenize(prompt)
    if directives.unicode:
        said += list(UNICODE_SAMPLE)
    said += filler(directives.tokens or 0, seed)
    is_directed = directives.echo or directives.unicode or directives.text is not None or directives.tokens is not None
    if is_directed or has_calls:
        return said
    answer = default_answer(request, prompt)
    match request.response_format:
        case JsonFormat():
            answer = msgspec.json.encode({"answer": answer}).decode()
        case JsonSchemaFormat(schema=schema):
            answer = sample_json(schema)
    return tokenize(answer)


def _calls(request: ProviderRequest, directives: Directives) -> list[CallDirective]:
    """Calls that were directed and not yet answered, else the one that `toolChoice` forces."""
    is_answered = any(message.role == "tool" for message in current_turn(request.messages))
    if directives.tool_calls and not is_answered:
        return list(directives.tool_calls)
    tools = request.tools or []
    match request.tool_choice:
        case "required":
            chosen = tools[:1]
        case NamedTool(name=name):
            chosen = [tool for tool in tools if tool.name == name]
        case _:
            return []
    if not chosen:
        raise ProviderError("INVALID_REQUEST", "`toolChoice` asks for a tool that `tools` does not hold.")
    return [CallDirective(tool.name, sample_arguments(tool.parameters)) for tool in chosen[:1]]


def _cut(parts: list[Part], request: ProviderRequest) -> tuple[list[Part], FinishReason]:
    """End the answer before a stop sequence of its text, then at `maxTokens`; and why it ends."""
    reason: FinishReason = "tool_calls" if any(isinstance(part, Call) for part in parts) else "stop"
    kept: list[Part] = []
    left = request.max_tokens
    for part in parts:
        tokens, is_stopped = part.tokens, False
        if isinstance(part, Speech):
            tokens, is_stopped = _before_stop(tokens, request.stop or [])
        if left is not None and len(tokens) > left:
            tokens, is_stopped, reason = tokens[:left], True, "length"
        elif is_stopped:
            reason = "stop"
        if tokens:
            kept.append(msgspec.structs.replace(part, tokens=tokens))
        if is_stopped:
            break
        left = None if left is None else left - len(tokens)
    return kept, reason


def _before_stop(tokens: Sequence[str], stop: list[str]) -> tuple[Sequence[str], bool]:
    """The tokens up to the first stop sequence in their text, and whether there is one."""
    text = "".join(tokens) if stop else ""
    left = min((place for sequence in stop if (place := text.find(sequence)) >= 0), default=-1)
    if left < 0:
        return tokens, False
    kept: list[str] = []
    for token in tokens:
        if left <= 0:
            break
        kept.append(token[:left])
        left -= len(token)
    return kept, True


def _progress(request: ProviderRequest, steps: int) -> list[PromptProgress]:
    total = prompt_tokens(request)
    return [PromptProgress(total * step // steps, total) for step in range(1, steps + 1)]


def _closing(
    request: ProviderRequest, directives: Directives, parts: list[Part], finish: Finish
) -> list[ProviderEvent]:
    events: list[ProviderEvent] = []
    if directives.provider_state is not None:
        events.append(ProviderState(directives.provider_state))
    if directives.usage != "none":
        counted = {
            "prompt_tokens": prompt_tokens(request),
            "completion_tokens": sum(len(part.tokens) for part in parts),
        }
        reasoning = sum(len(part.tokens) for part in parts if isinstance(part, Thought))
        if reasoning:
            counted["reasoning_tokens"] = reasoning
        events.append(UsageReport(**counted | (directives.usage or {})))
    return [*events, finish]


def _fault(directives: Directives, attempt: int) -> Fault | None:
    """The earliest fault; of those at one token the one named first."""
    if directives.fail_first is not None and attempt > directives.fail_first:
        return None
    return min(directives.faults, key=lambda fault: -1 if fault.after is None else fault.after, default=None)
