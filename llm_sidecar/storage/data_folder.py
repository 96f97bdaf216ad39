"""The data folder, and the lock that one sidecar at a time holds on it.

Law: taking the lock is all that happens here, once, at the start of `serve`; it costs next to nothing and imports
nothing heavy. The lock ends with the process, however that ends; where the system can, the folder itself is locked,
too, so that it still is when somebody has tidied the file away. The folder and all that is in it are the user's alone.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import Final

from llm_sidecar import log
from llm_sidecar.errors import SidecarError

IN_MEMORY: Final = ":memory:"
"""As a data folder: nothing is kept on the disk. (SQLite's own word for it.)"""
_LOCK_FILE: Final = "lock"


class DataFolder:
    """A folder that this process serves. `path` is None where nothing is kept; `problem` says why nothing can be."""

    def __init__(self, path: str | None, locks: list[int], problem: SidecarError | None = None) -> None:
        self.path = path
        self.problem = problem
        self._locks = locks

    @classmethod
    def take(cls, path: str) -> DataFolder:
        """Make the folder where it is missing (mode 0700) and lock it. Raises `DATA_DIR_LOCKED`; a folder that cannot
        be made or written to is served without a lock: there is nothing that two could write."""
        if path == IN_MEMORY:
            return cls(None, [])
        folder = cls(path, [])
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            folder._locks.append(os.open(os.path.join(path, _LOCK_FILE), os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            reason = type(error).__name__
            message = "The data folder cannot be written to: nothing will be kept. See `--data-dir`."
            folder.problem = SidecarError("STORAGE_WRITE_ERROR", message, details={"reason": reason})
        else:
            _warn_of_others(path)
        if not all(map(_lock, folder._locks)) or not folder._lock_itself(path):
            folder.release()
            raise SidecarError(
                "DATA_DIR_LOCKED",
                "Another sidecar serves this data folder. Give each application its own with `--data-dir`.",
            )
        return folder

    def _lock_itself(self, path: str) -> bool:
        """Lock the folder; False where another holds it. (Windows has no such lock, and some networks' disks.)"""
        if sys.platform == "win32" or not os.access(path, os.W_OK):
            return True
        import fcntl

        try:
            self._locks.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
            fcntl.flock(self._locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def release(self) -> None:
        """Let another have it."""
        while self._locks:
            os.close(self._locks.pop())


def _warn_of_others(path: str) -> None:
    """A folder that was there already is left as it is: it may be anybody's (`/tmp`)."""
    if os.name == "posix" and os.stat(path).st_mode & stat.S_IWOTH:
        log.warning("everybody can change the data folder: take that right from them", dataDir=path)


def _lock(descriptor: int) -> bool:
    """Whether nobody else holds it. (A lock of the open file: two in one process exclude each other, too.)"""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
