"""A `ProviderRequest` as the body of Gemini's `streamGenerateContent`.

Law: a pure mapping. What was not asked for is not sent; nothing is trimmed or defaulted. A call whose arguments are no
JSON object, and a result that is none, are put in one, since the API takes nothing else. `strict` and the name of a
schema have no place in this API.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from llm_sidecar.errors import ProviderError
from llm_sidecar.messages.content import (
    JsonFormat,
    JsonSchemaFormat,
    NamedTool,
    ReasoningOptions,
    ResponseFormat,
    ToolChoice,
    ToolDefinition,
)
from llm_sidecar.providers.base import ProviderRequest
from llm_sidecar.providers.gemini.contents import contents_of, system_parts
from llm_sidecar.providers.gemini.model import GeminiModel

_BUDGETS: Final = {"low": 1_024, "medium": 8_192, "high": 24_576}
"""Thinking tokens of an effort: Google's own table for its OpenAI-compatible API. Every model of generation 2.5 takes
them."""
_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def gemini_body(request: ProviderRequest, model: GeminiModel) -> bytes:
    """The JSON body. Raises `INVALID_REQUEST` for a request that JSON cannot hold (a lone surrogate in a text), and for
    the result of a tool that no message before it has called."""
    system = system_parts(request)
    body: dict[str, Any] = {
        "contents": contents_of(request.messages, model),
        "systemInstruction": {"parts": system} if system else None,
        "generationConfig": _generation_config(request, model),
        "tools": [{"functionDeclarations": [_tool(tool) for tool in request.tools]}] if request.tools else None,
        "toolConfig": _tool_config(request.tool_choice),
    }
    try:
        return msgspec.json.encode(_said(body))
    except (UnicodeEncodeError, TypeError) as error:
        raise ProviderError("INVALID_REQUEST", "The request holds a value that JSON cannot express.") from error


def _generation_config(request: ProviderRequest, model: GeminiModel) -> dict[str, Any] | None:
    config = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "maxOutputTokens": request.max_tokens,
        "stopSequences": request.stop,
        "seed": request.seed,
        "thinkingConfig": _thinking(request.reasoning, model) if request.reasoning else None,
        **_response_format(request.response_format),
    }
    return _said(config) or None


def _thinking(options: ReasoningOptions, model: GeminiModel) -> dict[str, Any]:
    """Either form where the host gave the other: the API takes only the one of the model's generation."""
    effort, budget = options.effort, options.budget_tokens
    config: dict[str, Any] = {"includeThoughts": True}
    if not model.thinks_in_levels:
        config["thinkingBudget"] = budget if budget is not None else _BUDGETS.get(effort or "")
    elif effort is not None:
        config["thinkingLevel"] = effort.upper()
    elif budget is not None:
        config["thinkingLevel"] = next((level for level, most in _BUDGETS.items() if budget <= most), "high").upper()
    return _said(config)


def _response_format(wanted: ResponseFormat | None) -> dict[str, Any]:
    if isinstance(wanted, JsonFormat):
        return {"responseMimeType": "application/json"}
    if isinstance(wanted, JsonSchemaFormat):
        return {"responseMimeType": "application/json", "responseJsonSchema": wanted.schema}
    return {}


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    return _said({"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters})


def _tool_config(choice: ToolChoice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, NamedTool):
        return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [choice.name]}}
    return {"functionCallingConfig": {"mode": _MODES[choice]}}


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
