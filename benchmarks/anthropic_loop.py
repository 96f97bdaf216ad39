"""The loop a user would write with the official Python SDK: `AsyncAnthropic`, streaming, its own objects, no pipe.

Law: a command is a JSON line on stdin, its result a JSON line on stdout; nothing is read or written while an answer
streams. `{"model", "streams"}` streams that many answers at once; `{"cancel": [models]}` opens each in turn and closes
it after its first token. Instants are CLOCK_MONOTONIC nanoseconds. `openai_loop.py` is its twin.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

from anthropic import AsyncAnthropic

STAMP = re.compile(r"@(\d+) ")
MESSAGES: Any = [{"role": "user", "content": "Hello"}]

Seen = list[tuple[int, str]]


async def read_answer(client: AsyncAnthropic, model: str) -> Seen:
    seen: Seen = []
    stream = await client.messages.create(model=model, messages=MESSAGES, max_tokens=8_192, stream=True)
    async for event in stream:
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            seen.append((time.monotonic_ns(), event.delta.text))
    return seen


async def stream(client: AsyncAnthropic, model: str, streams: int) -> dict[str, Any]:
    started = time.monotonic_ns()
    answers = await asyncio.gather(*(read_answer(client, model) for _ in range(streams)))
    ended = time.monotonic_ns()
    return {
        "started": started,
        "first": min(seen[0][0] for seen in answers),
        "ended": ended,
        "tokens": sum(len(seen) for seen in answers),
        "stamps": [(int(found[1]), at) for seen in answers for at, text in seen if (found := STAMP.match(text))],
    }


async def cancel(client: AsyncAnthropic, models: list[str]) -> dict[str, Any]:
    cancelled = {}
    for model in models:
        answer = await client.messages.create(model=model, messages=MESSAGES, max_tokens=8_192, stream=True)
        async for event in answer:
            if event.type == "content_block_delta":
                break
        cancelled[model] = time.monotonic_ns()
        await answer.close()
    return {"cancelled": cancelled}


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        runner.get_loop()
        sdk = AsyncAnthropic(base_url=sys.argv[1].removesuffix("/v1"), api_key="benchmark", max_retries=0)
        print("{}", flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            job = cancel(sdk, command["cancel"]) if "cancel" in command else stream(sdk, **command)
            print(json.dumps(runner.run(job)), flush=True)
