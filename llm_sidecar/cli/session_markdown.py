"""A session as Markdown, for people to read and keep.

Law: pure. What was said stands there as it was said; images by value are named and not shown.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from llm_sidecar.messages.content import ContentPart, TextPart
from llm_sidecar.messages.session import SessionInfo, SessionMessage

_NAMES: Final = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool result"}


def heading_of(info: SessionInfo) -> str:
    """What stands above the messages."""
    title = (info.metadata or {}).get("title")
    began = datetime.fromtimestamp(info.created_at / 1000).strftime("%Y-%m-%d %H:%M")
    facts = [f"session `{info.session_id}`", f"began {began}", info.model_id or "", f"{info.total_tokens:,} tokens"]
    lines = [
        f"# {title if isinstance(title, str) and title else info.session_id}",
        "",
        "_" + ", ".join(fact for fact in facts if fact) + "_",
        "",
    ]
    if info.system_prompt:
        lines += ["## System prompt", "", info.system_prompt, ""]
    return "\n".join(lines)


def markdown_of(message: SessionMessage) -> str:
    """One message, with an empty line at its end."""
    note = "" if message.state == "complete" else f" ({message.state})"
    lines = [f"## {_NAMES[message.role]}{note}", ""]
    if message.omitted_bytes is not None:
        lines += [f"_[{message.omitted_bytes:,} bytes that fit no message]_", ""]
    text = message.content if isinstance(message.content, str) else "\n\n".join(map(_part, message.content))
    if text:
        lines += [text, ""]
    for call in message.tool_calls or ():
        fence = "```" if "```" not in call.arguments else "~~~~"
        lines += [f"Calls `{call.name}`:", "", f"{fence}json", call.arguments, fence, ""]
    return "\n".join(lines)


def _part(part: ContentPart) -> str:
    if isinstance(part, TextPart):
        return part.text
    if part.url is not None:
        return f"![image](<{part.url}>)"
    return f"_[image, {part.media_type}, {len(part.data or '') * 3 // 4:,} bytes]_"
