"""A key that is looked for everywhere, in every usual encoding."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final
from urllib.parse import quote

KEY: Final = "sk-canary_Zq8+7/w=-5b1e0c77a94d"
"""With characters that base64, URLs and JSON write differently."""


def encodings(key: str) -> dict[str, bytes]:
    return {
        "plain": key.encode(),
        "base64": base64.b64encode(key.encode()).rstrip(b"="),
        "base64url": base64.urlsafe_b64encode(key.encode()).rstrip(b"="),
        "hex": key.encode().hex().encode(),
        "URL": quote(key, safe="").encode(),
        "JSON": "".join(f"\\u{ord(c):04x}" for c in key).encode(),
        "reversed": key[::-1].encode(),
        "UTF-16": key.encode("utf-16-le"),
    }


def hits(data: bytes, key: str = KEY) -> list[str]:
    """The encodings in which the key is in `data`; of base64 in every alignment."""
    shifted = {f"base64 +{n}": base64.b64encode(b"x" * n + key.encode())[4:-4] for n in (1, 2)}
    return [name for name, form in {**encodings(key), **shifted}.items() if form in data or form.upper() in data]


def hits_in(folder: Path, *keys: str) -> dict[str, list[str]]:
    """The files of a folder in which one of the keys is, and how."""
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = {name: [hit for key in keys for hit in hits(data, key)] for name, data in files.items()}
    return {name: hit for name, hit in found.items() if hit}
