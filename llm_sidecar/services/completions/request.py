"""OpenAI's request for a chat completion as the params of an inference.

Law: a pure mapping. Nothing is ignored that would change the answer: what cannot be honoured is refused, every field of
it by its name. What has another form here:

- A `developer` message is a system message; a refusal is what the assistant said.
- `allowed_tools` leaves the other tools out.
- The description of a JSON schema format goes into its schema, unless that has one.
- `reasoning_content` goes back the way DeepSeek and others gave it; `provider_state` beside it knows better.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.messages.chat import ChatCompletionParams
from llm_sidecar.messages.chat_request import (
    ChatAllowedToolsChoice,
    ChatAssistantMessage,
    ChatCompletionRequest,
    ChatFunctionChoice,
    ChatImagePart,
    ChatImageUrl,
    ChatJsonFormat,
    ChatJsonSchemaFormat,
    ChatMessage,
    ChatRefusalPart,
    ChatResponseFormat,
    ChatTextPart,
    ChatTool,
    ChatToolCall,
    ChatToolChoice,
    ChatToolMessage,
    ChatUserMessage,
)
from llm_sidecar.messages.content import (
    ContentPart,
    ImagePart,
    JsonFormat,
    JsonSchemaFormat,
    Message,
    NamedTool,
    ReasoningOptions,
    ResponseFormat,
    TextFormat,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolDefinition,
)
from llm_sidecar.messages.inference import InferenceParams

_REFUSED: Final = {
    "audio": "audio is not supported",
    "function_call": "is not supported: use `tool_choice`",
    "functions": "is not supported: use `tools`",
    "moderation": "is not supported",
    "prediction": "is not supported",
    "web_search_options": "is not supported",
}
"""Fields that ask for something else, whatever they hold."""
_REFUSED_IF_TRUE: Final = {"logprobs": "log probabilities are not supported", "store": "nothing can be stored"}
_LONGEST_URL: Final = 8_192
_is_image_data: Final = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64", re.IGNORECASE).fullmatch


def inference_params(params: ChatCompletionParams, inference_id: str) -> InferenceParams:
    """The inference that `params` ask for, as a stream. Raises `InvalidParams` with every field it cannot honour."""
    request = params.request
    problems = [*_problems(request), *(p for at, message in enumerate(request.messages) for p in _faults(message, at))]
    if problems:
        raise InvalidParams([FieldProblem(f"request.{problem.path}", problem.reason) for problem in problems])
    tools, choice = _offered(request.tools or [], request.tool_choice)
    effort = request.reasoning_effort
    return InferenceParams(
        inference_id=inference_id,
        messages=[_message(message) for message in request.messages],
        profile_id=params.profile_id,
        provider_id=params.provider_id or params.service,
        model_id=request.model,
        temperature=request.temperature,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        top_p=request.top_p,
        stop=[request.stop] if isinstance(request.stop, str) else request.stop or None,
        seed=request.seed,
        timeout_ms=params.timeout_ms,
        tools=[_tool(tool) for tool in tools] or None,
        tool_choice=choice,
        response_format=_response_format(request.response_format),
        reasoning=None if effort is None else ReasoningOptions(effort=effort),
        queue=params.queue,
        window_id=params.window_id,
    )


# --- what is refused ---


def _problems(request: ChatCompletionRequest) -> Iterator[FieldProblem]:
    for name, reason in _REFUSED.items():
        if getattr(request, name) is not None:
            yield FieldProblem(name, reason)
    for name, reason in _REFUSED_IF_TRUE.items():
        if getattr(request, name):
            yield FieldProblem(name, reason)
    if request.parallel_tool_calls is False and request.tools:
        yield FieldProblem("parallel_tool_calls", "the model cannot be kept from calling several tools at once")
    if request.max_tokens and request.max_completion_tokens not in (None, request.max_tokens):
        yield FieldProblem("max_tokens", "is not what `max_completion_tokens` says")
    if isinstance(request.tool_choice, ChatAllowedToolsChoice):
        known = {tool.function.name for tool in request.tools or ()}
        for at, tool in enumerate(request.tool_choice.allowed_tools.tools):
            if tool.function.name not in known:
                yield FieldProblem(f"tool_choice.allowed_tools.tools[{at}].function.name", "is not one of `tools`")


def _faults(message: ChatMessage, at: int) -> Iterator[FieldProblem]:
    path = f"messages[{at}]"
    if message.name is not None and not isinstance(message, ChatToolMessage):
        yield FieldProblem(f"{path}.name", "is not supported")
    if isinstance(message, ChatUserMessage) and isinstance(message.content, list):
        for number, part in enumerate(message.content):
            reason = _image_fault(part.image_url.url) if isinstance(part, ChatImagePart) else None
            if reason is not None:
                yield FieldProblem(f"{path}.content[{number}].image_url.url", reason)
    if isinstance(message, ChatAssistantMessage):
        for name in ("audio", "function_call"):
            if getattr(message, name) is not None:
                yield FieldProblem(f"{path}.{name}", "is not supported")
        if message.content is None and message.refusal is None and not message.tool_calls:
            yield FieldProblem(f"{path}.content", "is required where there are no `tool_calls`")


def _image_fault(url: str) -> str | None:
    if url[:5].lower() == "data:":
        ok = _is_image_data(url[: max(url.find(","), 0)])
        return None if ok else "must be `data:image/…;base64,…`"
    return None if len(url) <= _LONGEST_URL else f"expected `str` of length <= {_LONGEST_URL}"


# --- what is said in another form ---


def _message(message: ChatMessage) -> Message:
    match message:
        case ChatAssistantMessage():
            return _answer(message)
        case ChatToolMessage():
            return Message(role="tool", content=_content(message.content), tool_call_id=message.tool_call_id)
        case ChatUserMessage():
            return Message(role="user", content=_content(message.content))
        case _:
            return Message(role="system", content=_content(message.content))


def _answer(message: ChatAssistantMessage) -> Message:
    content = _content(message.content or "")
    if message.refusal is not None:
        said = [TextPart(text=content)] if isinstance(content, str) and content else [*content]
        content = [*said, TextPart(text=message.refusal)] if said else message.refusal
    state = message.provider_state
    if state is None and message.reasoning_content:
        state = {"reasoning_content": message.reasoning_content}
    calls = [_tool_call(call) for call in message.tool_calls or ()]
    return Message(role="assistant", content=content, tool_calls=calls or None, provider_state=state)


def _content(content: str | list[Any]) -> str | list[ContentPart]:
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: ChatTextPart | ChatImagePart | ChatRefusalPart) -> ContentPart:
    if isinstance(part, ChatTextPart):
        return TextPart(text=part.text)
    return TextPart(text=part.refusal) if isinstance(part, ChatRefusalPart) else _image(part.image_url)


def _image(image: ChatImageUrl) -> ImagePart:
    header, comma, data = image.url.partition(",")
    match = _is_image_data(header) if comma else None
    return ImagePart(url=image.url) if match is None else ImagePart(media_type=match[1].lower(), data=data)


def _tool_call(call: ChatToolCall) -> ToolCall:
    return ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)


def _tool(tool: ChatTool) -> ToolDefinition:
    said = tool.function
    return ToolDefinition(name=said.name, description=said.description, parameters=said.parameters, strict=said.strict)


def _offered(tools: list[ChatTool], choice: ChatToolChoice | None) -> tuple[list[ChatTool], ToolChoice | None]:
    if isinstance(choice, ChatAllowedToolsChoice):
        allowed = {tool.function.name for tool in choice.allowed_tools.tools}
        return [tool for tool in tools if tool.function.name in allowed], choice.allowed_tools.mode
    return tools, NamedTool(name=choice.function.name) if isinstance(choice, ChatFunctionChoice) else choice


def _response_format(wanted: ChatResponseFormat | None) -> ResponseFormat | None:
    if isinstance(wanted, ChatJsonSchemaFormat):
        said = wanted.json_schema
        described = {} if said.description is None else {"description": said.description}
        return JsonSchemaFormat(name=said.name, schema={**described, **said.schema}, strict=said.strict)
    if isinstance(wanted, ChatJsonFormat):
        return JsonFormat()
    return None if wanted is None else TextFormat()
