"""`llm-sidecar models`: which providers can be used, and what one of them offers at which price.

Law: it asks a sidecar as any host would (`llm:providers:list`, `llm:models:list`) and shows the answer; with `--json`,
the answer as it came is all that goes to stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any, Final

import msgspec

from llm_sidecar.cli.failure import run_command
from llm_sidecar.cli.output import open_screen
from llm_sidecar.cli.printable import printable
from llm_sidecar.cli.screen import Row
from llm_sidecar.client import SidecarProcess
from llm_sidecar.messages.models import ModelInfo, ModelList, ProviderInfo, ProviderList
from llm_sidecar.providers.brands import BRANDS

_THOUSAND: Final = 1_000


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="llm-sidecar models",
        description="Without PROVIDER: which providers can be used, and what the others need. With it: the models it "
        "offers, with context window, output limit and list price in US dollars a million tokens, where known.",
    )
    parser.add_argument("provider", metavar="PROVIDER", nargs="?", help="openai, anthropic, ollama, …")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    return run_command(lambda: _models(options.provider, as_json=options.json))


def _models(provider_id: str | None, *, as_json: bool) -> int:
    answer = asyncio.run(_ask(provider_id))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    elif provider_id is None:
        _show_providers(msgspec.convert(answer, ProviderList))
    else:
        _show_models(provider_id, msgspec.convert(answer, ModelList))
    return 0


async def _ask(provider_id: str | None) -> Any:
    async with SidecarProcess.start(arguments=["--in-memory"], environment=os.environ) as sidecar:
        if provider_id is None:
            return await sidecar.request("llm:providers:list")
        return await sidecar.request("llm:models:list", {"providerId": provider_id})


def _show_providers(answer: ProviderList) -> None:
    screen = open_screen()
    screen.heading("providers", "`llm-sidecar models PROVIDER` lists what one of them offers")
    screen.rows(
        [Row(info.id, _state(info), "good" if info.ready else "plain") for info in answer.providers],
    )


def _state(info: ProviderInfo) -> str:
    if info.ready:
        return f"{info.name}, ready"
    brand = BRANDS[info.id]
    needed = [f"{brand.variable_prefix}_API_KEY"] if info.needs_key and not info.has_key else []
    needed += [f"{brand.variable_prefix}_BASE_URL"] if info.base_url is None else []
    return f"{info.name}, needs {' and '.join(needed)}"


def _show_models(provider_id: str, answer: ModelList) -> None:
    screen = open_screen()
    more = ", and more than is shown here" if answer.truncated else ""
    screen.heading(provider_id, f"{len(answer.data)} models{more}; prices are US dollars a million tokens, in / out")
    if answer.data:
        screen.rows([Row(printable(model.id), _facts(model)) for model in answer.data])


def _facts(model: ModelInfo) -> str:
    facts = [
        f"{_tokens(model.context_window)} context" if model.context_window else "",
        f"{_tokens(model.max_output_tokens)} output" if model.max_output_tokens else "",
    ]
    if model.prices is not None:
        out = model.prices.output_per_million
        facts.append(f"${model.prices.input_per_million:g}" + (f" / ${out:g}" if out is not None else ""))
    return ", ".join(fact for fact in facts if fact)


def _tokens(count: int) -> str:
    """`128k`, `1M`; what is no round number in full."""
    for unit, size in (("M", _THOUSAND**2), ("k", _THOUSAND), ("Ki", 1_024)):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return f"{count:,}"
