"""`llm:profiles:test`: one small question to a profile, to see whether it answers.

Law: an inference like any other (slots, figures, usage), without a retry and with a short deadline, which is sent
though the origin failed before; it is over as soon as there is as much text as will be shown. Whatever goes wrong
behind the profile is a result, in words for the person who just typed an address. So many a minute, whoever asks.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from msgspec.structs import replace

from llm_sidecar.errors import SidecarError
from llm_sidecar.limits import Limits
from llm_sidecar.messages.content import Message
from llm_sidecar.messages.events import DoneEvent, Terminal
from llm_sidecar.messages.inference import InferenceParams, RetryOptions
from llm_sidecar.messages.profile import ProviderType
from llm_sidecar.messages.profile import TestPromptParams as Question
from llm_sidecar.messages.profile import TestPromptResult as Result
from llm_sidecar.services.audit import AuditLog
from llm_sidecar.services.inference.origin import Origin
from llm_sidecar.services.inference.service import InferenceService
from llm_sidecar.services.inference.whole_answer import WholeAnswer
from llm_sidecar.services.profiles.service import ProfileService
from llm_sidecar.services.rate_limit import MinuteLimit
from llm_sidecar.storage.clock import now_ms

_MOST_CHARACTERS: Final = 500


class PromptTests:
    """Used from the event loop only."""

    def __init__(
        self, profiles: ProfileService, inferences: InferenceService, audit: AuditLog, limits: Callable[[], Limits]
    ) -> None:
        self._profiles = profiles
        self._inferences = inferences
        self._audit = audit
        self._limits = limits
        self._minute = MinuteLimit(asyncio.get_running_loop().time)

    async def test(self, question: Question) -> Result:
        """Raises `PROFILE_NOT_FOUND`, `NO_ACTIVE_PROFILE`, `RATE_LIMIT`, or what reading the profiles does."""
        profile_id = question.profile_id or self._profiles.active_id
        if profile_id is None:
            raise SidecarError("NO_ACTIVE_PROFILE", "Name a `profileId`: no profile is active.")
        row = self._profiles.find(profile_id)
        self._minute.spend("", self._limits().max_test_prompts_per_minute)
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        heard, failure = None, None
        try:
            heard = await self._ask(row.profile_id, question.prompt_text)
        except SidecarError as error:
            if error.code in ("CANCELLED", "SHUTTING_DOWN"):
                raise
            failure = error
        code = None if failure is None else _code(failure)
        self._audit.record("profile.tested", row.profile_id, success=failure is None, code=code)
        return Result(
            profile_id=row.profile_id,
            profile_name=row.name,
            provider_type=cast(ProviderType, row.provider_type),
            success=failure is None,
            prompt_text=question.prompt_text,
            response_text=heard and heard.text,
            model_name=heard and heard.model_name,
            latency_ms=heard and heard.latency_ms,
            total_time_ms=round((loop.time() - begun_at) * 1000),
            error_code=code,
            error_message=None if failure is None else _sentence(failure, code, row.endpoint_url),
            timestamp=now_ms(),
        )

    def _ask(self, profile_id: str, prompt: str) -> asyncio.Future[_Heard]:
        milliseconds = self._limits().test_prompt_timeout_ms
        asked = InferenceParams(
            inference_id=f"test-{os.urandom(9).hex()}",
            messages=[Message(role="user", content=prompt)],
            profile_id=profile_id,
            timeout_ms=milliseconds,
            first_token_timeout_ms=2 * milliseconds,  # one limit, one code
            chunk_timeout_ms=2 * milliseconds,
            retry=RetryOptions(max_retries=0),
            queue=True,
        )
        return _Beginning(asked).ask(self._inferences, Origin(is_test=True))


class _Heard(NamedTuple):
    """What came of a prompt. `latency_ms`: from the question to the first content."""

    text: str
    model_name: str
    latency_ms: int | None


class _Beginning(WholeAnswer[_Heard]):
    """The answer as far as it is shown; the rest is not waited for."""

    def __init__(self, params: InferenceParams) -> None:
        super().__init__(params)
        self._text = ""

    def text(self, text: str, count: int) -> None:
        before = len(self._text)
        self._text += text[:_MOST_CHARACTERS]
        if before < _MOST_CHARACTERS <= len(self._text):
            asyncio.get_running_loop().call_soon(self._cancel_run)

    def end(self, event: Terminal, text_bytes: int = 0) -> None:
        if isinstance(event, DoneEvent) and event.cancelled and len(self._text) >= _MOST_CHARACTERS:
            event = replace(event, cancelled=False)
        super().end(event, text_bytes)

    def result(self, done: DoneEvent) -> _Heard:
        return _Heard(self._text[:_MOST_CHARACTERS], done.model_id, done.timings.first_token_ms)


def _code(failure: SidecarError) -> str:
    """The symbolic errno of a network error, else the code."""
    errno = (failure.details or {}).get("errno")
    return errno if failure.code == "NETWORK_ERROR" and isinstance(errno, str) else failure.code


def _sentence(failure: SidecarError, code: str | None, url: str) -> str:
    return f"Unable to connect to {url}; is the server running?" if code == "ECONNREFUSED" else failure.message
