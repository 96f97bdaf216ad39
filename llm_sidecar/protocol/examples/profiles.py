"""Examples: profiles and the vault."""

from __future__ import annotations

from typing import Final

from llm_sidecar.protocol.examples.exchange import Exchange, Json

_ID: Final = "0f1cbd1e-3c39-4d0e-9f5a-4f2f6a4a7f10"
_LOCAL: Final = "7b0c9d52-58a3-4f0b-8a5e-0d6f3f1f2c21"
_PROFILE: Final[Json] = {
    "id": _ID,
    "name": "Work",
    "providerType": "azure",
    "endpointUrl": "https://contoso.openai.azure.com",
    "apiKey": "***REDACTED***",
    "modelId": "gpt-4o-mini",
    "isActive": True,
    "consentTimestamp": 1796100000000,
    "allowInsecure": False,
    "createdAt": 1796100000123,
    "modifiedAt": 1796100000123,
}
_OPEN: Final[Json] = {"state": "open", "available": True, "source": "host", "records": 1, "generation": 4, "backups": 3}

HOST: Final[dict[str, Exchange]] = {
    "llm:profiles:list": Exchange({}, {"profiles": [_PROFILE], "encryptionAvailable": True, "activeProfileId": _ID}),
    "llm:profiles:create": Exchange(
        {
            "name": "Work",
            "providerType": "azure",
            "endpointUrl": "https://contoso.openai.azure.com",
            "apiKey": "a-key-of-contoso",
            "modelId": "gpt-4o-mini",
            "consentTimestamp": 1796100000000,
        },
        {"profile": _PROFILE},
    ),
    "llm:profiles:update": Exchange(
        {"id": _ID, "name": "Home"},
        {
            "profile": {**_PROFILE, "name": "Home", "modifiedAt": 1796100060000},
            "warning": "Another profile has the same name.",
            "warnings": [{"code": "DUPLICATE_NAME_WARNING", "message": "Another profile has the same name."}],
        },
    ),
    "llm:profiles:delete": Exchange(
        {"id": _ID, "activateAlternateId": _LOCAL},
        {"deletedId": _ID, "newActiveProfileId": _LOCAL, "requiresUserSelection": False},
    ),
    "llm:profiles:activate": Exchange({"id": _ID}, {"activeProfile": _PROFILE, "deactivatedProfileId": _LOCAL}),
    "llm:profiles:test": Exchange(
        {"profileId": _LOCAL},
        {
            "profileId": _LOCAL,
            "profileName": "Local llama.cpp",
            "providerType": "llama.cpp",
            "success": False,
            "promptText": "Hello, can you respond?",
            "responseText": None,
            "modelName": None,
            "latencyMs": None,
            "totalTimeMs": 4,
            "errorCode": "ECONNREFUSED",
            "errorMessage": "Unable to connect to http://127.0.0.1:8080; is the server running?",
            "timestamp": 1796100060000,
        },
    ),
    "llm:profiles:discover": Exchange(
        {"force": True},
        {
            "discovered": True,
            "discoveredUrl": "http://127.0.0.1:8080",
            "profileCreated": True,
            "profileId": _LOCAL,
            "probedPorts": [8080, 11434],
            "ports": [
                {"port": 8080, "outcome": "found", "latencyMs": 6},
                {"port": 11434, "outcome": "closed", "latencyMs": 1},
            ],
            "servers": [{"url": "http://127.0.0.1:8080", "kind": "llama.cpp", "models": ["qwen3-4b"]}],
        },
    ),
    "llm:vault:unlock": Exchange({"vaultKey": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}, _OPEN),
    "llm:vault:rotate": Exchange(
        {"phase": "begin", "newVaultKey": "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="},
        {**_OPEN, "generation": 5, "rotationPending": True},
    ),
    "llm:vault:status": Exchange(
        {}, {"state": "wrong-key", "available": False, "source": "host", "backups": 3, "code": "VAULT_WRONG_KEY"}
    ),
}
SIDECAR: Final[dict[str, Json]] = {}
