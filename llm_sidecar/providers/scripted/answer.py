"""What the demo provider says where nobody told it what to say: words, and their cut into tokens.

Law: pure and deterministic; the same request always gives the same text. It knows messages, and nothing of time,
directives or events. `composer` (above) arranges what is made here.
"""

from __future__ import annotations

import re
from typing import Final
from zlib import crc32

from llm_sidecar.messages.content import ImagePart, Message
from llm_sidecar.providers.base import ProviderRequest

_SHORT_PROMPT: Final = 80
"""Characters; a longer prompt gets a longer answer, with Markdown to render."""
_QUOTED: Final = 60
_CHARACTERS_PER_TOKEN: Final = 4

_TOKEN: Final = re.compile(r"\s*[^\W_]{1,8}|\s*\S|\s+")
"""A word or a piece of one with the white space before it, or one other character; every character is in a token."""

_MARKDOWN: Final = """

Here is some Markdown, to see how an interface renders it:

- **bold**, *italic* and `inline code`
- a second item, somewhat longer, so that a narrow window has to wrap it
- [a link](https://example.com/)

```python
def greet(name: str) -> str:
    return f"Hello, {name}!"
```

Put `[[demo: tokens=200 rate=50]]` in a message to direct the next answer."""

_THOUGHTS: Final = (
    "The user wrote to the demo provider, so there is nothing to look up.",
    " A short and friendly answer serves best; I repeat what was said, so that it is clear which message I mean.",
    " If the prompt is long, a list and a code block show how Markdown looks. Now I can answer.",
)

UNICODE_SAMPLE: Final = (
    "Emoji: 😀 👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇪🇺. Right to left: שלום עולם, مرحبا بالعالم. "
    "Combining: e\u0301 n\u0303 Z\u0351\u036b\u0343a\u0334\u0321l\u0322\u0335g\u0337o\u0321. "
    "中文 日本語 한국어 ไทย हिन्दी. "
    "Mathematics: 𝒙 ∈ ℝ. Invisible: a\u200bb\u00adc\u2060d."
)
"""One token is one code point: tokens end inside emoji and combined letters, as a real model's do."""

_WORDS: Final = (
    "alpha", "bridge", "candle", "desert", "engine", "forest", "garden", "harbour", "island", "jacket", "kettle",
    "ladder", "mirror", "needle", "orange", "pencil", "quartz", "ribbon", "silver", "timber", "under", "valley",
    "window", "yellow", "about", "before", "common", "during", "every", "figure", "given", "having", "inside",
    "just", "known", "later", "more", "never", "other", "place", "quiet", "right", "some", "through", "until",
    "very", "with",
)  # fmt: skip
_FILLER_PERIOD: Final = 240
"""The filler repeats after so many tokens: what a million of them cost is a list of references."""


def tokenize(text: str) -> list[str]:
    """Cut `text` into tokens that join to it again."""
    return _TOKEN.findall(text)


def filler(count: int, seed: int) -> list[str]:
    """`count` tokens of meaningless words in sentences and paragraphs, chosen by `seed`."""
    period: list[str] = []
    for place in range(min(count, _FILLER_PERIOD)):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        word = _WORDS[(seed >> 33) % len(_WORDS)]
        match place % 12:
            case 0:
                period.append("\n\n" + word.capitalize() if place % 60 == 0 else " " + word.capitalize())
            case 11:
                period.append(".")
            case _:
                period.append(" " + word)
    tokens = (period * (count // _FILLER_PERIOD + 1))[:count]
    if tokens:
        tokens[0] = tokens[0].lstrip()
    return tokens


def text_of(message: Message) -> str:
    """The text of a message, its parts joined by line ends; images are left out."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content if not isinstance(part, ImagePart))


def current_turn(messages: list[Message]) -> list[Message]:
    """The last user message and what follows it (a tool's results); empty where no user spoke."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].role == "user":
            return messages[place:]
    return []


def _everything_said(request: ProviderRequest) -> list[str]:
    said = [request.system_prompt or ""]
    for message in request.messages:
        said.append(text_of(message))
        said.extend(call.name + call.arguments for call in message.tool_calls or ())
    return said


def prompt_tokens(request: ProviderRequest) -> int:
    """A quarter of the characters of system prompt, messages and tool calls, rounded up, at least 1."""
    return max(1, -(-sum(map(len, _everything_said(request))) // _CHARACTERS_PER_TOKEN))


def fingerprint(request: ProviderRequest) -> int:
    """32 bits that stand for all that was said; the same in every process."""
    return crc32("\x1f".join(_everything_said(request)).encode("utf-8", "surrogatepass"))


def default_reasoning(effort: str | None) -> list[str]:
    """Thoughts for one of the efforts `low`, `medium` and `high`; None is medium."""
    sentences = {"low": 1, "high": 3}.get(effort or "", 2)
    return tokenize("".join(_THOUGHTS[:sentences]))


def default_answer(request: ProviderRequest, prompt: str) -> str:
    """A friendly answer to `prompt` (the last user message without its directives)."""
    turn = current_turn(request.messages)
    sentences = [f"Hello! You said: “{_quote(prompt)}”." if prompt else "Hello! You said nothing that I could repeat."]
    sentences.extend(f"The tool answered: “{_quote(text_of(m))}”." for m in turn if m.role == "tool")
    images = sum(isinstance(part, ImagePart) for message in turn for part in message.content)
    if images:
        sentences.append(f"Your message came with {images} image{'s' if images > 1 else ''}.")
    if request.system_prompt or any(message.role == "system" for message in request.messages):
        sentences.append("I have read the system prompt, too.")
    sentences.append("I am the demo provider: I answer from a script, without a key and without a network.")
    return " ".join(sentences) + (_MARKDOWN if len(prompt) > _SHORT_PROMPT else "")


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else line[: _QUOTED - 1].rstrip() + "…"
