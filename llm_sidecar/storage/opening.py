"""Opening the database's file, and what SQLite's errors mean.

Law: a file that is not ours, damaged, or of a newer version is refused before anything is written. Where the folder is
read-only, what is there can still be read.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from typing import Final
from urllib.parse import quote

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.storage.masking import MaskingConnection
from llm_sidecar.storage.migrations import NEWEST, migrate, version_of

_MAGIC: Final = b"SQLite format 3\0"
_VERSION_AT: Final = 60
"""Where the header has `user_version`: https://www.sqlite.org/fileformat2.html#user_version_number"""
_REASONS: Final = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "readOnly",
    sqlite3.SQLITE_CANTOPEN: "cannotOpen",
    sqlite3.SQLITE_PERM: "permission",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
}
_REASONS_OF_A_PATH: Final = {PermissionError: "permission", NotADirectoryError: "notAFolder"}
_ADVICE: Final = {
    "full": "The disk of the data folder is full: make room.",
    "readOnly": "The data folder is read-only: make it writable, or name another with `--data-dir`.",
    "cannotOpen": "The database cannot be opened: it must be a file in a folder that may be written to.",
    "permission": "The data folder may not be accessed: give this user the right, or name another with `--data-dir`.",
    "notAFolder": "The data folder is no folder: name one with `--data-dir`.",
    "busy": "Another program holds the database: end it.",
    "io": "The disk of the data folder failed.",
}


def connect(path: str | None) -> sqlite3.Connection:
    """A connection to the database of this version at `path`; None: a new one in memory. Raises `STORAGE_READ_ERROR`,
    `STORAGE_WRITE_ERROR`, `STORAGE_CORRUPT` or `STORAGE_NEWER`."""
    if path is None:
        connection = _open(":memory:")
        migrate(connection)
        return connection
    try:
        _look_at_header(path)
        return _connect_writable(path)
    except sqlite3.DatabaseError as error:
        failure = storage_error(error, is_write=True)
        if (failure.details or {}).get("reason") not in ("readOnly", "cannotOpen", "permission"):
            raise failure from error
        return _connect_read_only(path, failure)


def is_our_fault(error: sqlite3.DatabaseError) -> bool:
    """Whether it is the statement that is wrong, or a constraint that holds: not the disk."""
    return isinstance(error, sqlite3.IntegrityError) or getattr(error, "sqlite_errorcode", 1) == sqlite3.SQLITE_ERROR


def storage_error(error: sqlite3.DatabaseError, *, is_write: bool) -> SidecarError:
    """The typed error for one of SQLite's; its text is not forwarded."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _corrupt()
    if not isinstance(error, sqlite3.OperationalError):
        log.error("sqlite", exception=type(error).__name__, code=code)
    reason = _REASONS.get(code, "io")
    kind = "STORAGE_WRITE_ERROR" if is_write else "STORAGE_READ_ERROR"
    return SidecarError(kind, _ADVICE[reason], details={"reason": reason})


def about_file(error: SidecarError, path: str | None) -> SidecarError:
    """The same error, and which file it is about."""
    if path is None or "file" in (error.details or {}):
        return error
    message, details = f"{error.message} ({path})", {**(error.details or {}), "file": path}
    return SidecarError(error.code, message, retryable=error.retryable, details=details)


def _look_at_header(path: str) -> None:
    """Refuse what is not ours or too new, without SQLite, which might tidy up after whoever wrote it."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would hold up everything that waits
            raise SidecarError("STORAGE_READ_ERROR", _ADVICE["cannotOpen"], details={"reason": "cannotOpen"})
        with open(path, "rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        reason = next((reason for kind, reason in _REASONS_OF_A_PATH.items() if isinstance(error, kind)), "io")
        raise SidecarError("STORAGE_READ_ERROR", _ADVICE[reason], details={"reason": reason}) from error
    if not header:
        return
    if not header.startswith(_MAGIC) or len(header) < 100:
        raise _corrupt()
    _check_version(int.from_bytes(header[_VERSION_AT : _VERSION_AT + 4], "big"))


def _connect_writable(path: str) -> sqlite3.Connection:
    if not os.path.exists(path) and os.access(os.path.dirname(path), os.W_OK):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = _open(path)
    try:
        _check_version(version_of(connection))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # whatever SQLite was built with
        migrate(connection)
        connection.execute("BEGIN IMMEDIATE")  # a read-only folder is noticed now
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_read_only(path: str, failure: SidecarError) -> sqlite3.Connection:
    if not os.path.exists(path):
        raise failure
    log_path = path + "-wal"
    has_log = os.path.exists(log_path) and os.path.getsize(log_path) > 0
    for mode in ("mode=ro",) if has_log else ("mode=ro", "immutable=1"):
        connection = _open(f"file:{quote(path)}?{mode}")
        try:
            if version_of(connection) == NEWEST:
                return connection
        except sqlite3.DatabaseError:
            pass
        connection.close()
    raise failure


def _open(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name,
        isolation_level=None,
        check_same_thread=False,
        uri=name.startswith("file:"),
        timeout=1.0,
        factory=MaskingConnection,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _corrupt() -> SidecarError:
    message = "The database is damaged. Put a backup in its place, or move it away to begin anew."
    return SidecarError("STORAGE_CORRUPT", message)


def _check_version(version: int) -> None:
    if version > NEWEST:
        message = f"The database is of version {version}; this sidecar knows versions up to {NEWEST}. Update it."
        raise SidecarError("STORAGE_NEWER", message, details={"version": version, "newest": NEWEST})
