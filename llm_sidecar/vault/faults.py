"""What can be wrong with the vault, said once: each error names the file and what a person can do about it.

Law: a message holds a path and facts we chose; never a key, a passphrase, a record or another library's text.
"""

from __future__ import annotations

import errno

from llm_sidecar.errors import SidecarError

_REPAIR = (
    "Put a backup (`{path}.1`, `.2`, `.3`) in its place and unlock it with `acceptOlder`, or move all of them away to "
    "start without stored keys"
)


def corrupt(path: str, why: str) -> SidecarError:
    """Damage, or a file that is no vault."""
    return _fault(
        "VAULT_CORRUPT", path, f"{path} is damaged ({why}); nothing was changed. {_REPAIR.format(path=path)}."
    )


def tampered(path: str, why: str) -> SidecarError:
    """Somebody altered the file, or set it back."""
    return _fault(
        "VAULT_TAMPERED",
        path,
        f"{path} was altered: {why}; nothing was changed. If you did not do that, replace the keys it holds at their "
        f"providers. {_REPAIR.format(path=path)}.",
    )


def set_back(path: str, generation: int, expected: int) -> SidecarError:
    """An older state of the file was put in its place."""
    return _fault(
        "VAULT_TAMPERED",
        path,
        f"{path} was set back: it is generation {generation}, and {expected} was written already; nothing was changed. "
        "Put the newest copy back; or, if you put a backup there yourself, unlock it with `acceptOlder`.",
    )


def misplaced(path: str, profile_id: str) -> SidecarError:
    """A record that does not decrypt as what it is asked for."""
    return _fault(
        "VAULT_TAMPERED",
        path,
        f"The key stored for profile {profile_id} in {path} does not belong to this profile and endpoint: one of "
        "them was altered. Enter the key again.",
    )


def missing(profile_id: str) -> SidecarError:
    return SidecarError("API_KEY_MISSING", f"No key is stored for profile {profile_id}: enter one.")


def newer(path: str, version: int) -> SidecarError:
    return _fault(
        "VAULT_NEWER",
        path,
        f"{path} has format {version}, which this version does not know; nothing was changed. Update llm-sidecar.",
    )


def wrong_key(path: str, source: str) -> SidecarError:
    return _fault(
        "VAULT_WRONG_KEY",
        path,
        f"The key given ({source}) is not the one of {path}; nothing was changed. Give the key that wrote it.",
    )


def locked(path: str, why: str) -> SidecarError:
    return _fault("VAULT_LOCKED", path, f"{path} is locked: {why}.")


def unreadable(path: str, why: str, *, reason: str) -> SidecarError:
    """`reason` is the name of an errno, or a word of ours."""
    return _fault("VAULT_READ_ERROR", path, f"{path} cannot be read: {why}.", reason)


def unwritable(path: str, why: str, *, reason: str) -> SidecarError:
    return _fault("VAULT_WRITE_ERROR", path, f"{path} cannot be written: {why}; what it held is intact.", reason)


def errno_name(error: OSError) -> str:
    """`ENOSPC`, `EROFS`, …; `EIO` where the system named none."""
    return errno.errorcode.get(error.errno or errno.EIO, "EIO")


def _fault(code: str, path: str, message: str, reason: str | None = None) -> SidecarError:
    details = {"file": path}
    if reason is not None:
        details["reason"] = reason
    return SidecarError(code, message, details=details)
