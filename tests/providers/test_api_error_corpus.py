"""Every recorded error of every vendor, and what it is to a host: one table."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import pytest

from tests.providers.error_corpus import CORPUS

TABLE: Final = """
                                       HTTP  code                     again  wait   providerCode
anthropic
  wrong key                            401   AUTH_ERROR               stop       -  authentication_error
  key not permitted                    403   AUTH_ERROR               stop       -  permission_error
  unknown model                        404   INVALID_MODEL            stop       -  not_found_error
  wrong path                           404   INVALID_REQUEST          stop       -  not_found_error
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  invalid_request_error
  prompt and answer too long           400   CONTEXT_LENGTH_EXCEEDED  stop       -  invalid_request_error
  body above 32 MB                     413   CONTEXT_LENGTH_EXCEEDED  stop       -  request_too_large
  malformed                            400   INVALID_REQUEST          stop       -  invalid_request_error
  max_tokens above the model's         400   INVALID_REQUEST          stop       -  invalid_request_error
  credit used up                       400   INSUFFICIENT_QUOTA       stop       -  invalid_request_error
  own spend limit                      400   INSUFFICIENT_QUOTA       stop       -  invalid_request_error
  workspace's spend limit              400   INSUFFICIENT_QUOTA       stop       -  invalid_request_error
  billing                              402   INSUFFICIENT_QUOTA       stop       -  billing_error
  tier's spend limit                   429   INSUFFICIENT_QUOTA       stop       -  enforced_spend_limit_reached
  long context not in the plan         429   INSUFFICIENT_QUOTA       stop       -  rate_limit_error
  rate limit                           429   RATE_LIMIT               retry  12000  rate_limit_error
  growing too fast                     429   RATE_LIMIT               retry  30000  ramp_limit_exceeded
  conflict                             409   SERVER_ERROR             retry      -  conflict_error
  server error                         500   SERVER_ERROR             retry      -  api_error
  timeout                              504   SERVER_ERROR             retry      -  timeout_error
  overloaded                           529   PROVIDER_OVERLOADED      retry      -  overloaded_error
  overloaded, in a stream              -     PROVIDER_OVERLOADED      retry      -  overloaded_error
  server error, in a stream            -     SERVER_ERROR             retry      -  api_error
  rate limit, in a stream              -     RATE_LIMIT               retry      -  rate_limit_error
  timeout, in a stream                 -     SERVER_ERROR             retry      -  timeout_error
  credit used up, in a stream          -     INSUFFICIENT_QUOTA       stop       -  billing_error
  prompt too long, in a stream         -     CONTEXT_LENGTH_EXCEEDED  stop       -  invalid_request_error
azure
  wrong key                            401   AUTH_ERROR               stop       -  -
  wrong key, legacy                    401   AUTH_ERROR               stop       -  -
  network not allowed                  403   AUTH_ERROR               stop       -  -
  unknown deployment                   404   INVALID_MODEL            stop       -  DeploymentNotFound
  wrong path                           404   INVALID_REQUEST          stop       -  -
  prompt filtered                      400   INVALID_REQUEST          stop       -  content_filter
  prompt filtered, by its inner code   400   INVALID_REQUEST          stop       -  content_filter
  rate limit                           429   RATE_LIMIT               retry  25871  -
  rate limit, in a stream              -     RATE_LIMIT               retry      -  -
  busy                                 503   PROVIDER_OVERLOADED      retry      -  ServiceUnavailable
deepseek
  wrong key                            401   AUTH_ERROR               stop       -  authentication_error
  balance used up                      402   INSUFFICIENT_QUOTA       stop       -  invalid_request_error
  unknown model                        400   INVALID_MODEL            stop       -  invalid_request_error
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  invalid_request_error
  reasoning not sent back              400   INVALID_REQUEST          stop       -  invalid_request_error
  parameter                            422   INVALID_REQUEST          stop       -  invalid_request_error
  rate limit                           429   RATE_LIMIT               retry      -  rate_limit_error
  server overloaded                    503   PROVIDER_OVERLOADED      retry      -  service_unavailable_error
  wrong key, in a stream               -     AUTH_ERROR               stop       -  authentication_error
google
  wrong key                            400   AUTH_ERROR               stop       -  API_KEY_INVALID
  wrong key, without details           400   AUTH_ERROR               stop       -  INVALID_ARGUMENT
  no key                               403   AUTH_ERROR               stop       -  PERMISSION_DENIED
  service not enabled                  403   AUTH_ERROR               stop       -  SERVICE_DISABLED
  token instead of a key               401   AUTH_ERROR               stop       -  ACCESS_TOKEN_TYPE_UNSUPPORTED
  unknown model                        404   INVALID_MODEL            stop       -  NOT_FOUND
  wrong path                           404   INVALID_REQUEST          stop       -  -
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  INVALID_ARGUMENT
  prompt too long, in a list           400   CONTEXT_LENGTH_EXCEEDED  stop       -  INVALID_ARGUMENT
  malformed                            400   INVALID_REQUEST          stop       -  INVALID_ARGUMENT
  country not supported                400   INVALID_REQUEST          stop       -  FAILED_PRECONDITION
  quota of a minute                    429   RATE_LIMIT               retry  34074  RESOURCE_EXHAUSTED
  quota of a day                       429   INSUFFICIENT_QUOTA       stop       -  RESOURCE_EXHAUSTED
  no free quota for this model         429   INSUFFICIENT_QUOTA       stop       -  RESOURCE_EXHAUSTED
  credits used up                      429   INSUFFICIENT_QUOTA       stop       -  RESOURCE_EXHAUSTED
  credits used up, as 402              402   INSUFFICIENT_QUOTA       stop       -  RESOURCE_EXHAUSTED
  busy                                 429   RATE_LIMIT               retry      -  RESOURCE_EXHAUSTED
  server error                         500   SERVER_ERROR             retry      -  INTERNAL
  overloaded                           503   PROVIDER_OVERLOADED      retry      -  UNAVAILABLE
  deadline                             504   SERVER_ERROR             retry      -  DEADLINE_EXCEEDED
  cancelled there                      499   SERVER_ERROR             retry      -  CANCELLED
  overloaded, in a stream              -     PROVIDER_OVERLOADED      retry      -  UNAVAILABLE
  quota of a minute, in a stream       -     RATE_LIMIT               retry   7000  RESOURCE_EXHAUSTED
  only a status name, in a stream      -     PROVIDER_OVERLOADED      retry      -  UNAVAILABLE
groq
  wrong key                            401   AUTH_ERROR               stop       -  invalid_api_key
  unknown model                        404   INVALID_MODEL            stop       -  model_not_found
  model withdrawn                      400   INVALID_MODEL            stop       -  model_decommissioned
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  context_length_exceeded
  larger than a minute's tokens        413   CONTEXT_LENGTH_EXCEEDED  stop       -  rate_limit_exceeded
  bad tool call                        400   INVALID_REQUEST          stop       -  tool_use_failed
  rate limit of a day                  429   RATE_LIMIT               retry  666000  rate_limit_exceeded
  flex tier full                       498   PROVIDER_OVERLOADED      retry      -  capacity_exceeded
  overloaded                           503   PROVIDER_OVERLOADED      retry      -  internal_server_error
litellm
  wrong key                            401   AUTH_ERROR               stop       -  token_not_found_in_db
  upstream's wrong key                 401   AUTH_ERROR               stop       -  -
  unknown model                        400   INVALID_MODEL            stop       -  -
  model not for this key               403   INVALID_MODEL            stop       -  key_model_access_denied
  budget used up                       429   INSUFFICIENT_QUOTA       stop       -  budget_exceeded
  budget used up, older                400   INSUFFICIENT_QUOTA       stop       -  -
  deployment's budget used up          429   INSUFFICIENT_QUOTA       stop       -  -
  rate limit                           429   RATE_LIMIT               retry   3000  throttling_error
  rate limit, in a stream              -     RATE_LIMIT               retry      -  -
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  -
  upstream timeout                     408   SERVER_ERROR             retry      -  -
  server error                         500   SERVER_ERROR             retry      -  -
llamacpp
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  exceed_context_size_error
  prompt too long, older               400   CONTEXT_LENGTH_EXCEEDED  stop       -  invalid_request_error
  context full, in a stream            -     CONTEXT_LENGTH_EXCEEDED  stop       -  server_error
  loading                              503   PROVIDER_OVERLOADED      retry      -  unavailable_error
  wrong key                            401   AUTH_ERROR               stop       -  authentication_error
  wrong path                           404   INVALID_REQUEST          stop       -  not_found_error
  unknown model, at a router           400   INVALID_MODEL            stop       -  invalid_request_error
  not JSON                             400   INVALID_REQUEST          stop       -  invalid_request_error
  image for a model without eyes       500   INVALID_REQUEST          stop       -  server_error
  no embeddings                        501   INVALID_REQUEST          stop       -  not_supported_error
  decoding failed, in a stream         -     SERVER_ERROR             retry      -  server_error
lmstudio
  unknown model                        404   INVALID_MODEL            stop       -  model_not_found
  unknown model, bare                  400   INVALID_MODEL            stop       -  -
  nothing loaded                       404   INVALID_MODEL            stop       -  invalid_request_error
  wrong path                           404   INVALID_REQUEST          stop       -  -
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  -
  prompt too long, new words           400   CONTEXT_LENGTH_EXCEEDED  stop       -  invalid_request_error
  prompt too long, in a stream         -     CONTEXT_LENGTH_EXCEEDED  stop       -  -
  context full, in a stream            -     CONTEXT_LENGTH_EXCEEDED  stop       -  -
  model crashed, in a stream           -     SERVER_ERROR             retry      -  -
mistral
  wrong key                            401   AUTH_ERROR               stop       -  -
  unknown model                        400   INVALID_MODEL            stop       -  invalid_model
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  invalid_request_invalid_args
  malformed                            422   INVALID_REQUEST          stop       -  invalid_request_error
  rate limit                           429   RATE_LIMIT               retry      -  rate_limited
  tier full                            429   RATE_LIMIT               retry      -  service_tier_capacity_exceeded
  rate limit, bare                     429   RATE_LIMIT               retry      -  -
  server error                         500   SERVER_ERROR             retry      -  internal_server_error
ollama
  unknown model                        404   INVALID_MODEL            stop       -  -
  unknown model, new words             404   INVALID_MODEL            stop       -  -
  unknown model, under /v1             404   INVALID_MODEL            stop       -  not_found_error
  wrong path                           404   INVALID_REQUEST          stop       -  -
  tools not supported                  400   INVALID_REQUEST          stop       -  -
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  -
  input too long                       400   CONTEXT_LENGTH_EXCEEDED  stop       -  -
  queue full                           503   PROVIDER_OVERLOADED      retry      -  -
  runner crashed                       500   SERVER_ERROR             retry      -  -
  not enough memory                    500   SERVER_ERROR             retry      -  -
  cancelled there                      499   SERVER_ERROR             retry      -  -
  runner crashed, in a stream          -     SERVER_ERROR             retry      -  -
  cloud: not signed in                 401   AUTH_ERROR               stop       -  -
  cloud: usage limit                   429   INSUFFICIENT_QUOTA       stop       -  -
  cloud: model not in the plan         403   INVALID_MODEL            stop       -  -
  cloud: busy, in a stream             -     RATE_LIMIT               retry      -  -
openai
  wrong key                            401   AUTH_ERROR               stop       -  invalid_api_key
  country not supported                403   AUTH_ERROR               stop       -  unsupported_country_region_territory
  unknown model                        404   INVALID_MODEL            stop       -  model_not_found
  model not for this project           403   INVALID_MODEL            stop       -  model_not_found
  wrong path                           404   INVALID_REQUEST          stop       -  invalid_request_error
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  context_length_exceeded
  parameter out of range               400   INVALID_REQUEST          stop       -  decimal_above_max_value
  image unreadable                     400   INVALID_REQUEST          stop       -  invalid_base64_image
  rate limit                           429   RATE_LIMIT               retry   1204  rate_limit_exceeded
  slow down                            429   RATE_LIMIT               retry   5000  slow_down
  quota used up                        429   INSUFFICIENT_QUOTA       stop       -  insufficient_quota
  credits used up                      429   INSUFFICIENT_QUOTA       stop       -  credit_balance_exhausted
  organization's spend limit           429   INSUFFICIENT_QUOTA       stop       -  organization_spend_limit_exceeded
  project's spend limit                429   INSUFFICIENT_QUOTA       stop       -  project_spend_limit_exceeded
  organization's usage limit           429   INSUFFICIENT_QUOTA       stop       -  organization_usage_limit_exceeded
  account not active                   429   INSUFFICIENT_QUOTA       stop       -  billing_not_active
  server error                         500   SERVER_ERROR             retry      -  server_error
  overloaded                           503   PROVIDER_OVERLOADED      retry  30000  server_is_overloaded
  told not to retry                    500   SERVER_ERROR             stop       -  server_error
  server error in a chat stream        -     SERVER_ERROR             retry      -  server_error
  rate limit in a responses stream     -     RATE_LIMIT               retry      -  rate_limit_exceeded
  quota in a responses stream, nested  -     INSUFFICIENT_QUOTA       stop       -  insufficient_quota
  response failed: server error        -     SERVER_ERROR             retry      -  server_error
  response failed: quota               -     INSUFFICIENT_QUOTA       stop       -  insufficient_quota
  response failed: overloaded          -     PROVIDER_OVERLOADED      retry      -  server_is_overloaded
  response failed: too long            -     CONTEXT_LENGTH_EXCEEDED  stop       -  context_length_exceeded
  response failed: image               -     INVALID_REQUEST          stop       -  invalid_image_format
openrouter
  wrong key                            401   AUTH_ERROR               stop       -  -
  credits used up                      402   INSUFFICIENT_QUOTA       stop       -  openrouter_credits
  credits too few for this answer      402   INSUFFICIENT_QUOTA       stop       -  -
  spending in flight                   402   RATE_LIMIT               retry   4000  openrouter_in_flight_budget
  key's budget used up                 403   INSUFFICIENT_QUOTA       stop       -  openrouter_key_limit
  input flagged                        403   INVALID_REQUEST          stop       -  -
  blocked by a guardrail               403   INVALID_REQUEST          stop       -  -
  unknown model                        400   INVALID_MODEL            stop       -  -
  model without a provider             404   INVALID_MODEL            stop       -  -
  no provider for these settings       400   INVALID_REQUEST          stop       -  -
  no provider does tools               404   INVALID_REQUEST          stop       -  -
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  -
  provider's own words                 400   CONTEXT_LENGTH_EXCEEDED  stop       -  -
  free models of a day                 429   INSUFFICIENT_QUOTA       stop       -  -
  free models of a minute              429   RATE_LIMIT               retry      -  -
  provider's rate limit                429   RATE_LIMIT               retry  60000  rate_limit_exceeded
  provider down                        502   SERVER_ERROR             retry      -  provider_unavailable
  credits used up, in a stream         -     INSUFFICIENT_QUOTA       stop       -  payment_required
  rate limit, in a stream              -     RATE_LIMIT               retry      -  rate_limit_exceeded
  provider gone, in a stream           -     SERVER_ERROR             retry      -  server_error
  wrong key, in a responses stream     -     AUTH_ERROR               stop       -  authentication
  overloaded, in a messages stream     -     PROVIDER_OVERLOADED      retry      -  provider_overloaded
proxies
  nginx: body too large                413   CONTEXT_LENGTH_EXCEEDED  stop       -  -
  nginx: upstream gone                 502   SERVER_ERROR             retry      -  -
  Cloudflare: blocked                  403   AUTH_ERROR               stop       -  -
  Cloudflare: origin timed out         524   SERVER_ERROR             retry      -  -
  FastAPI: missing field               422   INVALID_REQUEST          stop       -  missing
  FastAPI: error within detail         400   INVALID_MODEL            stop       -  -
  nothing at all                       425   SERVER_ERROR             retry      -  -
ray_serve
  unknown model                        404   INVALID_MODEL            stop       -  HTTPException
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  VLLMValidationError
  too slow                             408   SERVER_ERROR             retry      -  OpenAIHTTPException
  queue full                           503   PROVIDER_OVERLOADED      retry      -  -
  server error                         500   SERVER_ERROR             retry      -  InternalServerError
vllm
  unknown model                        404   INVALID_MODEL            stop       -  NotFoundError
  unknown model, older                 404   INVALID_MODEL            stop       -  NotFoundError
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  BadRequestError
  prompt too long, older               400   CONTEXT_LENGTH_EXCEEDED  stop       -  BadRequestError
  prompt too long, SGLang              400   CONTEXT_LENGTH_EXCEEDED  stop       -  BadRequestError
  malformed                            400   INVALID_REQUEST          stop       -  -
  wrong key                            401   AUTH_ERROR               stop       -  -
  wrong path                           404   INVALID_REQUEST          stop       -  -
  engine died                          500   SERVER_ERROR             retry      -  InternalServerError
  engine died, in a stream             -     SERVER_ERROR             retry      -  InternalServerError
xai
  wrong key                            400   AUTH_ERROR               stop       -  -
  prompt too long                      400   CONTEXT_LENGTH_EXCEEDED  stop       -  -
"""
"""The vendor's name, then its errors. HTTP `-`: inside a stream. `wait` in milliseconds."""


class Row(NamedTuple):
    vendor: str
    name: str
    status: int | None
    code: str
    retryable: bool
    retry_after_ms: int | None
    provider_code: str | None


def rows() -> list[Row]:
    found = []
    vendor = ""
    for line in TABLE.splitlines()[2:]:
        if not line.startswith(" "):
            vendor = line
            continue
        name, status, code, again, wait, provider_code = re.split(r" {2,}", line.strip())
        assert again in ("retry", "stop")
        found.append(
            Row(
                vendor,
                name,
                None if status == "-" else int(status),
                code,
                again == "retry",
                None if wait == "-" else int(wait),
                None if provider_code == "-" else provider_code,
            )
        )
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.vendor}: {row.name}")
def test_a_recorded_error_is_typed_as_the_table_says(row: Row) -> None:
    recorded = CORPUS[row.vendor, row.name]
    failure = recorded.typed(secret="sk-proj-0123456789abcdefghijklmnop")
    assert recorded.status == row.status
    assert failure.code == row.code
    assert failure.retryable == row.retryable
    assert failure.retry_after_ms == row.retry_after_ms
    assert (failure.details or {}).get("providerCode") == row.provider_code


def test_the_table_names_every_recorded_error_once() -> None:
    named = [(row.vendor, row.name) for row in rows()]
    assert sorted(named) == sorted(CORPUS)


def test_the_table_shows_every_outcome() -> None:
    assert {row.code for row in rows()} == {
        "AUTH_ERROR",
        "CONTEXT_LENGTH_EXCEEDED",
        "INSUFFICIENT_QUOTA",
        "INVALID_MODEL",
        "INVALID_REQUEST",
        "PROVIDER_OVERLOADED",
        "RATE_LIMIT",
        "SERVER_ERROR",
    }
