"""Files that only their owner reads, replaced as a whole or not at all.

Law: 0600 in a 0700 folder; temporary file, fsync, rename, fsync of the folder. A path is never followed through a
symbolic link, and nothing but a regular file is read. Every call that touches the disk is one of `os`: the crash
tests stop the process between any two of them. Errors are `OSError`, for the callers to translate.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

_FLAGS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _FLAGS
"""O_NONBLOCK: a pipe in the place of the file must not hold up the start."""


class NotAFileError(OSError):
    """There is something else than a regular file."""


def read(path: str, limit: int) -> bytes | None:
    """The bytes of a file, one more than `limit` at most; None where there is none. A file that others can read is made
    private."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFileError
        if mode & 0o077 and os.name == "posix":
            with contextlib.suppress(OSError):
                os.fchmod(descriptor, 0o600)
        pieces: list[bytes] = []
        left = limit + 1
        while left and (piece := os.read(descriptor, min(left, 1 << 16))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def make_folder(folder: str) -> None:
    """Make the folder where it is missing, and see to it that only its owner enters."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if os.name == "posix" and os.stat(folder).st_mode & 0o077:
            os.chmod(folder, 0o700)
        return
    sync_folder(os.path.dirname(os.path.abspath(folder)))


def stage(path: str, data: bytes) -> str:
    """Write `data` beside `path`, safely on the disk; returns where. The caller renames it, or `discard`s it."""
    staged = f"{path}.new"
    discard(staged)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        discard(staged)
        raise
    return staged


def replace(path: str, data: bytes) -> None:
    """Put `data` in the place of the file, whole."""
    publish(stage(path, data), path)


def publish(staged: str, path: str) -> None:
    """Rename a staged file to its place."""
    try:
        os.replace(staged, path)
    except BaseException:
        discard(staged)
        raise
    sync_folder(os.path.dirname(path))


def discard(path: str) -> None:
    """Remove a file, if it is there and can be."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def erase(path: str) -> None:
    """Overwrite a file with zeros, then remove it, if it is there. (A disk or a file system may keep copies all the
    same.)"""
    try:
        descriptor = os.open(path, os.O_WRONLY | _FLAGS)
    except FileNotFoundError:
        return
    try:
        left = os.fstat(descriptor).st_size
        while left > 0:
            left -= os.write(descriptor, bytes(min(left, 1 << 16)))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.unlink(path)
    sync_folder(os.path.dirname(path))


def sync_folder(folder: str) -> None:
    """Make names in the folder last. Windows cannot, and needs not."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
