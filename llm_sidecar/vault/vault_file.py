"""The text of a vault: three lines of ASCII, each ended by a line feed.

    {"magic": …, "version": 1, "vault_id": …, "slots": [{"kek_id", "source", "kdf", "kcv", "wrapped_dek"}, …]}
    {"generation": …, "kid": …, "encryptions": …, "records": {"<profile>/<field>": {"kid", "origin", "box"}, …}}
    <SHA-256 of the two lines> <HMAC-SHA256 of the two lines>

Law: values in, bytes out, and back; touches no file. Nothing is believed before it was checked, in this order: size,
SHA-256, version, header; then, with the key, the HMAC, and only then the second line. `protocol/vault/` tells the same
to other languages, with vectors.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from llm_sidecar.digest import are_equal, sha256
from llm_sidecar.vault import faults
from llm_sidecar.vault.key_wrap import Dek
from llm_sidecar.vault.sealed_box import KEY_BYTES, NONCE_BYTES, TAG_BYTES

MAGIC: Final = "llm-sidecar-vault"
VERSION: Final = 1
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_SLOTS: Final = 4
"""A rotation needs two."""

_last_line: Final = re.compile(rb"([0-9a-f]{64}) ([0-9a-f]{64})").fullmatch
_WRAPPED: Final = NONCE_BYTES + KEY_BYTES + TAG_BYTES
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Name = Annotated[str, Meta(min_length=1, max_length=100)]
_Shape = TypeVar("_Shape")


class Kdf(Struct, frozen=True, forbid_unknown_fields=True):
    """How a passphrase becomes the key of a slot: Argon2id, version 1.3, 32 bytes."""

    name: Literal["argon2id"]
    memory_kib: _Count
    iterations: _Count
    lanes: _Count
    salt: bytes


class Slot(Struct, frozen=True, forbid_unknown_fields=True):
    """The data key, wrapped by one key-encryption key."""

    kek_id: _Name
    source: _Name
    """Where the key came from when the slot was made; for people."""
    kdf: Kdf | None
    kcv: Annotated[bytes, Meta(min_length=32, max_length=32)]
    wrapped_dek: Annotated[bytes, Meta(min_length=_WRAPPED, max_length=_WRAPPED)]


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    magic: str
    version: int
    vault_id: Annotated[bytes, Meta(min_length=16, max_length=16)]
    slots: Annotated[tuple[Slot, ...], Meta(min_length=1, max_length=MAX_SLOTS)]


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """One secret: `box` is nonce ‖ ciphertext ‖ tag."""

    kid: str
    origin: str
    box: bytes


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    generation: _Count
    """Goes up by one with every save: the database keeps the last one, so that an older file is noticed."""
    kid: _Name
    """The name of the data key."""
    encryptions: _Count
    """What was sealed under the data key so far."""
    records: dict[str, Record]


class _Version(Struct):
    magic: str
    version: int


class SealedFile(Struct, frozen=True):
    """A file whose header can be read, and whose second line is not believed yet."""

    header: Header
    lines: bytes
    mac: bytes
    digest: bytes


def parse(data: bytes, path: str) -> SealedFile:
    """Raises VAULT_CORRUPT or VAULT_NEWER; `path` is for the message."""
    if len(data) > MAX_BYTES:
        raise faults.corrupt(path, f"it is larger than {MAX_BYTES} bytes")
    parts = data.split(b"\n")
    if len(parts) != 4 or parts[3] or not data.isascii():
        raise faults.corrupt(path, "it is not three lines of ASCII")
    found = _last_line(parts[2])
    if found is None:
        raise faults.corrupt(path, "its last line is not two checksums")
    lines = data[: len(parts[0]) + len(parts[1]) + 2]
    if found[1] != sha256(lines).hex().encode():
        raise faults.corrupt(path, "its checksum is wrong")
    said = _decode(parts[0], _Version, path)
    if said.magic != MAGIC or said.version < 1:
        raise faults.corrupt(path, "its first line is not that of a vault")
    if said.version > VERSION:
        raise faults.newer(path, said.version)
    header = _decode(parts[0], Header, path)
    if len({slot.kek_id for slot in header.slots}) != len(header.slots):
        raise faults.corrupt(path, "two slots have one name")
    return SealedFile(header, lines, found[2], sha256(data))


def body_of(file: SealedFile, dek: Dek, path: str) -> Body:
    """The second line, once the HMAC says that a holder of the key wrote it. Raises VAULT_TAMPERED; VAULT_CORRUPT for
    what a holder of the key wrote wrongly."""
    if not are_equal(dek.authenticate(file.lines).encode(), file.mac):
        raise faults.tampered(path, "what it holds was not written by a holder of its key")
    return _decode(file.lines.split(b"\n")[1], Body, path)


def to_bytes(header: Header, body: Body, dek: Dek) -> bytes:
    """The whole file."""
    lines = msgspec.json.encode(header) + b"\n" + msgspec.json.encode(body) + b"\n"
    return lines + f"{sha256(lines).hex()} {dek.authenticate(lines)}\n".encode()


def _decode(line: bytes, shape: type[_Shape], path: str) -> _Shape:
    try:
        return msgspec.json.decode(line, type=shape)
    except (msgspec.DecodeError, RecursionError):
        raise faults.corrupt(path, "one of its lines is not what a vault holds") from None
