"""Which of our codes an error is: one table over its HTTP status, its names and its words. Pure.

Law: the first row that fits decides. A name decides wherever it turns up; words only at the statuses they are known to
come with, since servers quote prompts. An error inside a stream has no status: its name stands for the one it has
otherwise. Where each row comes from is in `tests/fixtures/errors/README.md`.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from llm_sidecar.providers.refusals.reports import ErrorReport


class _Row(Struct, frozen=True):
    """Fits an error with one of the names, or one of the statuses, or (at some statuses) one of the wordings."""

    code: str
    names: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    wordings: re.Pattern[str] | None = None
    wordings_at: frozenset[int | None] = frozenset()
    """None: the error came inside a stream and names no status."""

    def fits(self, names: frozenset[str], status: int | None, text: str) -> bool:
        return (
            not self.names.isdisjoint(names)
            or status in self.statuses
            or (self.wordings is not None and status in self.wordings_at and self.wordings.search(text) is not None)
        )


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_TABLE: Final = (
    _Row(
        "RATE_LIMIT",
        names=_words("openrouter_in_flight_budget"),  # the one 402 that passes by waiting
    ),
    _Row(
        "INSUFFICIENT_QUOTA",
        statuses=frozenset({402}),
        names=_words(
            "insufficient_quota credit_balance_exhausted billing_not_active",  # OpenAI
            "organization_spend_limit_exceeded project_spend_limit_exceeded organization_usage_limit_exceeded",
            "billing_error enforced_spend_limit_reached contract_spend_limit_reached",  # Anthropic
            "quota_exhausted",  # Google
            "payment_required openrouter_key_limit openrouter_workspace_budget openrouter_guardrail_budget",
            "budget_exceeded",  # LiteLLM
        ),
        wordings=_any_of(
            r"credit balance is too low",  # Anthropic, 400
            r"reached your specified (workspace )?api usage limits",  # Anthropic, 400
            r"(usage is|credits are) required for long context",  # Anthropic, 429
            r"perday|prepayment credits are depleted|\blimit: 0,",  # Google, 429: the day's quota, or no quota at all
            r"free-models-per-day",  # OpenRouter, 429
            r"reached your \w+ usage limit",  # Ollama's cloud, 429
            r"exceeded budget|budget has been exceeded",  # LiteLLM, 400 or 429
        ),
        wordings_at=frozenset({None, 400, 429}),
    ),
    _Row(
        "CONTEXT_LENGTH_EXCEEDED",
        statuses=frozenset({413}),
        names=_words("context_length_exceeded exceed_context_size_error request_too_large payload_too_large"),
        wordings=_any_of(
            r"maximum context length",  # OpenAI, Azure, DeepSeek, vLLM, OpenRouter, Mistral
            r"exceeds the context window",  # OpenAI Responses
            r"prompt (is )?too long",  # Anthropic; Ollama
            r"exceed context limit",  # Anthropic
            r"input token count .{0,40}exceeds",  # Google
            r"exceeds the available context size|context size has been exceeded",  # llama.cpp, LM Studio
            r"n_keep .{0,20}>= n_ctx|context length of only|greater than the context length",  # LM Studio
            r"exceeds the context length",  # Ollama
            r"maximum model length|longer than the model's context length",  # vLLM
            r"reduce the length of the messages",  # Groq
            r"maximum prompt length",  # xAI
            r"contextwindowexceedederror",  # LiteLLM
        ),
        wordings_at=frozenset({None, 400, 422, 500}),
    ),
    _Row(
        "INVALID_MODEL",
        names=_words(
            "model_not_found deploymentnotfound invalid_model model_decommissioned",  # OpenAI, Azure, Mistral, Groq
            "key_model_access_denied team_model_access_denied",  # LiteLLM
            "user_model_access_denied org_model_access_denied",
        ),
        wordings=_any_of(
            r"\bmodel\b[^,;\n]{0,200}?\bnot (found|exist)",  # OpenAI, Groq, vLLM, Ollama, DeepSeek, llama.cpp
            r"^model: ",  # Anthropic
            r"\bmodels/\S+ is not (found|supported)",  # Google
            r"could not find (base )?model",  # Ray Serve
            r"invalid model( name| identifier|:)|no models loaded",  # LiteLLM, LM Studio, Mistral
            r"is not a valid model id|no endpoints found for \S+/",  # OpenRouter
            r"model requires a subscription",  # Ollama's cloud, 403
        ),
        wordings_at=frozenset({None, 400, 403, 404}),
    ),
    _Row(
        "AUTH_ERROR",
        names=_words("invalid_api_key api_key_invalid"),
        wordings=_any_of(r"api key (not valid|not found|expired)", r"incorrect api key"),  # Google; xAI
        wordings_at=frozenset({400}),
    ),
    _Row(
        "INVALID_REQUEST",
        statuses=frozenset(range(400, 500)) - {401, 403, 408, 409, 425, 429, 498, 499} | {501},
        names=_words("content_filter content_policy_violation"),
        wordings=_any_of(
            r"\bflagged\b|request blocked",  # OpenRouter, 403: what was asked, not who asks
            r"input is not supported",  # llama.cpp, 500: an image for a model without eyes
        ),
        wordings_at=frozenset({403, 500}),
    ),
    _Row("AUTH_ERROR", statuses=frozenset({401, 403})),
    _Row("RATE_LIMIT", statuses=frozenset({429})),
    _Row("PROVIDER_OVERLOADED", statuses=frozenset({498, 503, 529})),  # 498: Groq, 529: Anthropic
)
_OTHERWISE: Final = "SERVER_ERROR"

_STATUS_BY_NAME: Final = {
    name: status
    for status, names in {
        400: """invalid_request_error invalid_request invalid_prompt bad_request_error badrequesterror
             invalid_argument failed_precondition out_of_range unprocessable string_too_long refusal
             invalid_image invalid_image_format invalid_base64_image invalid_image_url invalid_image_mode
             image_too_large image_too_small image_parse_error image_file_too_large image_file_not_found
             image_content_policy_violation unsupported_image_media_type unsupported_image_format empty_image_file
             failed_to_download_image image_download_failed bio_policy misalignment_policy_violation
             data_residency_mismatch max_tokens_exceeded token_limit_exceeded""",
        401: "authentication_error authentication unauthenticated auth_error expired_key token_not_found_in_db",
        403: "permission_error permission_denied",
        404: "not_found_error not_found notfounderror image_not_found",
        409: "conflict_error aborted",
        429: "rate_limit_error rate_limit_exceeded slow_down too_many_requests rate_limited resource_exhausted "
        "throttling_error ratelimiterror",
        498: "capacity_exceeded",
        499: "cancelled",
        500: "server_error api_error internal_server_error internalservererror internal server vector_store_timeout",
        501: "unimplemented not_supported_error",
        502: "provider_unavailable",
        503: "unavailable unavailable_error service_unavailable service_unavailable_error server_is_overloaded "
        "provider_overloaded insufficient_system_resource",
        504: "timeout_error timeout deadline_exceeded",
        529: "overloaded_error",
    }.items()
    for name in names.split()
}
"""The HTTP status an error of this name has where it comes before the stream. Sources: OpenAI's, Anthropic's and
OpenRouter's pages on errors, `google.rpc.Code`, the official SDKs' types, the sources of llama.cpp and LiteLLM."""

KNOWN_NAMES: Final = frozenset(_STATUS_BY_NAME).union(*(row.names for row in _TABLE))
"""Every name in the tables, in lower case."""


def code_for(status: int | None, report: ErrorReport) -> str:
    """The code of an error that came with HTTP `status` (None: inside a stream, and it named none itself)."""
    names = [name.lower() for name in report.names]
    if status is None:
        status = next((_STATUS_BY_NAME[name] for name in names if name in _STATUS_BY_NAME), None)
    said = frozenset(names)
    return next((row.code for row in _TABLE if row.fits(said, status, report.text)), _OTHERWISE)
