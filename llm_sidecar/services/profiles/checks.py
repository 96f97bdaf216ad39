"""What a profile must be to be stored: every rule of its fields, every broken one named at once.

Law: a refusal names the field and the rule, never a value: a key may stand in any field. Endpoints are decided by
`providers.endpoints` and `providers.http.loopback`; they are decided again at every use.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from llm_sidecar.errors import FieldProblem, InvalidParams
from llm_sidecar.providers.brands import BRANDS, Brand
from llm_sidecar.providers.http.loopback import LookUp, check_endpoint
from llm_sidecar.redaction import redact_json

REDACTED: Final[Literal["***REDACTED***"]] = "***REDACTED***"
"""What a host is shown of a stored key."""
_SHORTEST_SECRET: Final = 12
"""A shorter key is none that a provider gave out, but a word that may well be part of a name."""


class Draft(NamedTuple):
    """A profile as somebody wants it. `endpoint_url` None: the provider's own address."""

    name: str
    provider_type: str
    endpoint_url: str | None
    model_id: str | None
    consent_timestamp: int | None
    allow_insecure: bool


async def checked(draft: Draft, api_key: str | None, look_up: LookUp, kept_key: str | None = None) -> Draft:
    """The draft in its stored spelling, with its endpoint filled in. `api_key` comes with it, `kept_key` is there.

    Raises `InvalidParams` with every problem.
    """
    name = draft.name.strip()
    brand = BRANDS.get(draft.provider_type)
    problems: list[FieldProblem] = []
    if not name:
        problems.append(FieldProblem("name", "must not be blank"))
    if brand is None:
        problems.append(FieldProblem("providerType", "is not available in this installation"))
    elif brand.needs_consent and draft.consent_timestamp is None:
        problems.append(FieldProblem("consentTimestamp", consent_rule(brand)))
    problems += _key_problems(api_key)
    problems += _leaks(draft, {key for key in (api_key, kept_key) if key and len(key) >= _SHORTEST_SECRET})
    endpoint_url = ""
    try:
        endpoint_url = await _endpoint(draft, brand, look_up)
    except InvalidParams as refusal:
        problems += [FieldProblem(field["path"], field["reason"]) for field in (refusal.details or {})["fields"]]
    if problems:
        raise InvalidParams(problems)
    return draft._replace(name=name, endpoint_url=endpoint_url)


def consent_rule(brand: Brand) -> str:
    """What is asked of the user before anything goes to such a provider."""
    return f"is required for {brand.id}: when the user agreed to send what they type to this address"


async def _endpoint(draft: Draft, brand: Brand | None, look_up: LookUp) -> str:
    url = draft.endpoint_url or (brand.base_url if brand is not None else None)
    if url is None:
        raise InvalidParams(
            [FieldProblem("endpointUrl", f"is required: {draft.provider_type} has no address of its own")]
        )
    # No path is added: each adapter knows its own, and adds it at every use.
    return await check_endpoint(url, allow_insecure=draft.allow_insecure, default_path="", look_up=look_up)


def _key_problems(api_key: str | None) -> list[FieldProblem]:
    if api_key is None:
        return []
    if not api_key:
        return [FieldProblem("apiKey", "must not be blank (null: no key)")]
    if api_key == REDACTED:
        return [FieldProblem("apiKey", "is what a stored key is shown as: give the key itself, or null")]
    if not api_key.isascii() or not api_key.isprintable():
        return [FieldProblem("apiKey", "holds characters that no key has (a line break, perhaps)")]
    return []


def _leaks(draft: Draft, keys: set[str]) -> list[FieldProblem]:
    """What would be stored as it is, and holds a key: of this profile, or one that is live in the process."""
    texts = {"name": draft.name, "endpointUrl": draft.endpoint_url, "modelId": draft.model_id}
    return [
        FieldProblem(path, "must not hold a key")
        for path, text in texts.items()
        if text and (any(key in text for key in keys) or redact_json(text.encode()) != text.encode())
    ]
