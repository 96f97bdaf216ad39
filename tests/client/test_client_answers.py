"""Whole answers and chat completions through the Python host, from the real sidecar process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from llm_sidecar.client import ChatCompletionChunk, SidecarError, SidecarProcess
from llm_sidecar.client.connection import Connection
from llm_sidecar.messages.chat import ChatChunkEvent, ChatCompletionParams
from llm_sidecar.messages.chat_request import ChatCompletionRequest, ChatUserMessage
from llm_sidecar.messages.generation import GenerateTextParams
from llm_sidecar.protocol import examples

Run = Callable[..., Any]

FAST = "rate=max firstToken=0 connect=0"


def chat(text: str, **request: Any) -> dict[str, Any]:
    return {"providerId": "demo", "request": {"messages": [{"role": "user", "content": text}], **request}}


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def read(sidecar: SidecarProcess, params: Any, chunks: list[ChatCompletionChunk]) -> None:
    """Put the chunks into a list, one by one."""
    async with sidecar.stream_chat(params) as stream:
        while chunk := await anext(stream, None):
            chunks.append(chunk)


async def is_idle(sidecar: SidecarProcess) -> bool:
    """Whether nothing runs: cancelling takes no time of its own, so that the next answer tells."""
    return (await sidecar.request("llm:get-status"))["activeInferences"] == 0


def test_a_text_is_generated(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            generated = await sidecar.generate_text({"providerId": "demo", "prompt": f"[[demo: text=Hello {FAST}]]"})
            assert (generated.text, generated.finish_reason, generated.model_id) == ("Hello", "stop", "demo-1")
            typed = GenerateTextParams(provider_id="demo", prompt=f"[[demo: text=typed {FAST}]]")
            assert (await sidecar.generate_text(typed)).text == "typed"

    run(main())


def test_a_chat_is_completed(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            whole = await sidecar.complete_chat(chat(f"[[demo: text=Hello {FAST}]]"))
            assert whole.choices[0].message.content == "Hello"
            messages = [ChatUserMessage(content=f"[[demo: text=typed {FAST}]]")]
            params = ChatCompletionParams(provider_id="demo", request=ChatCompletionRequest(messages=messages))
            assert (await sidecar.complete_chat(params)).choices[0].message.content == "typed"
            async with sidecar.stream_chat(params) as stream:
                assert text_of([chunk async for chunk in stream]) == "typed"

    run(main())


def test_chunks_are_iterated_and_the_completion_is_there_at_the_end(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            prompt = '[[demo: text="one two three" rate=2000 firstToken=0 connect=0]]'
            async with sidecar.stream_chat(chat(prompt, stream_options={"include_usage": True})) as stream:
                chunks = [chunk async for chunk in stream]
            assert text_of(chunks) == "one two three"
            assert stream.completion.choices[0].message.content == "one two three"
            assert chunks[-1].usage == stream.completion.usage
            assert {chunk.id for chunk in chunks} == {stream.completion.id}

    run(main())


def test_many_streams_at_once_do_not_mix(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:

            async def answer(text: str) -> str:
                async with sidecar.stream_chat(chat(f'[[demo: text="{text}" rate=2000]]')) as stream:
                    return text_of([chunk async for chunk in stream])

            texts = [f"answer {number} " * 50 for number in range(5)]
            assert await asyncio.gather(*map(answer, texts)) == texts

    run(main())


def test_what_goes_wrong_is_raised_after_the_chunks_so_far(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            chunks: list[ChatCompletionChunk] = []
            with pytest.raises(SidecarError) as caught:
                await read(sidecar, chat(f'[[demo: text="one two three" reset=2 {FAST}]]'), chunks)
            assert (caught.value.code, caught.value.retryable) == ("NETWORK_ERROR", True)
            assert text_of(chunks) == "one two"

    run(main())


def test_a_refused_stream_raises_where_it_is_iterated(run: Run) -> None:
    async def main() -> None:
        async with (
            SidecarProcess.start() as sidecar,
            sidecar.stream_chat({**chat("x"), "service": "nobody"}) as stream,
        ):
            with pytest.raises(SidecarError) as caught:
                await anext(stream)
            assert caught.value.code == "SERVICE_NOT_FOUND"

    run(main())


def test_leaving_early_cancels_and_frees_the_slot(run: Run) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            async with sidecar.stream_chat(chat("[[demo: tokens=100000 rate=50 firstToken=0 connect=0]]")) as stream:
                await anext(stream)
            assert await is_idle(sidecar)

    run(main())


@pytest.mark.parametrize("method", ["generate_text", "complete_chat"])
def test_a_task_that_is_cancelled_cancels_the_inference(run: Run, method: str) -> None:
    async def main() -> None:
        async with SidecarProcess.start() as sidecar:
            params = {"providerId": "demo", "prompt": "[[demo: hang]]"}
            if method == "complete_chat":
                params = chat("[[demo: hang]]")
            waiting = asyncio.ensure_future(getattr(sidecar, method)(params))
            while await is_idle(sidecar):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await is_idle(sidecar)

    run(main())


def test_an_error_that_nobody_looks_at_is_no_noise(run: Run) -> None:
    noise: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        async with SidecarProcess.start() as sidecar:
            async with sidecar.stream_chat(chat("x", n=2)):
                await sidecar.request("ping")
            gc.collect()

    run(main())
    assert noise == []


def test_a_chunk_for_nobody_is_ignored() -> None:
    connection = Connection(lambda _: None)
    event = msgspec.convert(examples.SIDECAR["llm:chat:chunk"], ChatChunkEvent)
    connection.feed(msgspec.json.encode({"jsonrpc": "2.0", "method": "llm:chat:chunk", "params": event}) + b"\n")
    assert connection.unreadable_lines == 0
