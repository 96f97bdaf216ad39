"""The loop a user would write with the official Python SDK: `AsyncOpenAI`, streaming, its own objects, no pipe.

Law: a command is a JSON line on stdin, its result a JSON line on stdout; nothing is read or written while an answer
streams. `{"model", "streams"}` streams that many answers at once; `{"cancel": [models]}` opens each in turn and closes
it after its first token. Instants are CLOCK_MONOTONIC nanoseconds. `openai_loop.mjs` is its twin.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

from openai import AsyncOpenAI

STAMP = re.compile(r"@(\d+) ")
MESSAGES: Any = [{"role": "user", "content": "Hello"}]

Seen = list[tuple[int, str]]


async def read_answer(client: AsyncOpenAI, model: str) -> Seen:
    seen: Seen = []
    stream = await client.chat.completions.create(
        model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        if chunk.choices and (text := chunk.choices[0].delta.content):
            seen.append((time.monotonic_ns(), text))
    return seen


async def stream(client: AsyncOpenAI, model: str, streams: int) -> dict[str, Any]:
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


async def cancel(client: AsyncOpenAI, models: list[str]) -> dict[str, Any]:
    cancelled = {}
    for model in models:
        answer = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        async for chunk in answer:
            if chunk.choices and chunk.choices[0].delta.content:
                break
        cancelled[model] = time.monotonic_ns()
        await answer.close()
    return {"cancelled": cancelled}


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        runner.get_loop()
        sdk = AsyncOpenAI(base_url=sys.argv[1], api_key="benchmark", max_retries=0)
        print("{}", flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            job = cancel(sdk, command["cancel"]) if "cancel" in command else stream(sdk, **command)
            print(json.dumps(runner.run(job)), flush=True)
