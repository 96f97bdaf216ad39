"""One answer on a terminal: live while it streams, whole once it has ended.

Law: the live part never grows above the window (its oldest lines leave first) and disappears at the end, when the whole
answer is printed to stay. Colours are the terminal's own, and none with NO_COLOR.
"""

from __future__ import annotations

from contextlib import ExitStack

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from llm_sidecar.cli.keyboard import without_echo
from llm_sidecar.cli.received import ReceivedAnswer
from llm_sidecar.client import DoneEvent, ErrorEvent

_FRAMES_PER_SECOND = 12
_LIVE_CHARACTERS = 8_000
"""More than any window shows; rendering all of a long answer in every frame would cost a processor."""
_LINES_BESIDE = 6
"""Of the window, for the frame, the status and the line the cursor is on."""
_LEAST_LINES = 3


class TerminalView:
    """Shows one answer; `title` names who answers, in a frame (`framed`) or without."""

    def __init__(self, console: Console, title: str, *, framed: bool) -> None:
        self.received = ReceivedAnswer()
        self._console = console
        self._title = title
        self._framed = framed
        self._closing = ExitStack()
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            self,
            console=console,
            refresh_per_second=_FRAMES_PER_SECOND,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> TerminalView:
        if not self._framed:
            self._console.print()
        self._closing.enter_context(without_echo())
        self._closing.enter_context(self._live)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        received = self.received
        if received.text or received.reasoning:
            self._console.print(self._frame(_answer(received.reasoning, received.text)))
        if isinstance(received.terminal, DoneEvent) and not self._framed:
            self._console.print(Padding(_figures(received.figures()), (1, 2)))

    def show(self, text: str) -> None:
        """Nothing: the frames come by themselves."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = max(_LEAST_LINES, console.size.height - _LINES_BESIDE)
        reasoning, text = self.received.reasoning, self.received.text
        yield self._frame(_Tail(_answer(reasoning[-_LIVE_CHARACTERS:], text[-_LIVE_CHARACTERS:]), lines))
        yield self._status()

    def _frame(self, content: RenderableType) -> RenderableType:
        if not self._framed:
            return Padding(content, (0, 2))
        title = Text(self._title)
        return Panel(content, title=title, title_align="left", border_style=self._colour(), padding=(0, 1))

    def _colour(self) -> str:
        terminal = self.received.terminal
        if isinstance(terminal, ErrorEvent):
            return "red"
        if isinstance(terminal, DoneEvent):
            return "yellow" if terminal.cancelled else "green"
        return "cyan"

    def _status(self) -> RenderableType:
        """The spinner, and figures that wrap one by one in a narrow window."""
        status = Table.grid(padding=(0, 1))
        status.add_row(self._spinner, _figures([self.received.state, *self.received.figures()]))
        return status if self._framed else Padding(status, (0, 2), expand=False)


def _answer(reasoning: str, text: str) -> RenderableType:
    parts: list[RenderableType] = []
    if reasoning:
        parts.append(Text(reasoning, style="dim italic"))
    if reasoning and text:
        parts.append(Text())
    if text:
        parts.append(Markdown(text, code_theme="ansi_dark", hyperlinks=False))
    return Group(*parts) if parts else Text("…", style="dim")


def _figures(figures: list[str]) -> Text:
    return Text(" · ".join(figure.replace(" ", "\u00a0") for figure in figures), style="dim")


class _Tail:
    """The last `height` lines of something."""

    def __init__(self, content: RenderableType, height: int) -> None:
        self._content = content
        self._height = height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self._content, options, pad=False)[-self._height :]:
            yield from line
            yield Segment.line()
