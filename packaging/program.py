"""The packaged command `llm-sidecar`: what is different where no Python is installed, and then the command itself.

Law: it runs before the protocol's descriptors are claimed, so it prints nothing and imports next to nothing. Children
get the environment that the host gave, not the one that the package's loader made for itself.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from llm_sidecar.cli.main import main

IS_PACKAGED_LLM_SIDECAR: Final = True
"""Looked for by `llm_sidecar.packaged`."""

_LOADER_VARIABLES: Final = "_PYI_"
_CERTIFICATES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL
    "/etc/ssl/cert.pem",  # macOS, Alpine, FreeBSD
)


def restore_environment() -> None:
    """Undo what the loader did: its own variables, and the library path that leads into this package."""
    for name in [name for name in os.environ if name.startswith(_LOADER_VARIABLES)]:
        del os.environ[name]
    if sys.platform == "linux":
        original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
        if original is not None:
            os.environ["LD_LIBRARY_PATH"] = original
        else:
            os.environ.pop("LD_LIBRARY_PATH", None)


def find_certificates() -> None:
    """Let OpenSSL find the system's certificates: it was built where they may have been in another place.

    Nothing is done where it finds some, where the user says which, and on Windows (Python reads the system's store)."""
    if sys.platform == "win32" or "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return
    import _ssl  # loaded by asyncio anyway; `ssl` itself would do more

    _, file, _, folder = _ssl.get_default_verify_paths()
    if os.path.isfile(file) or (os.path.isdir(folder) and os.listdir(folder)):
        return
    for found in _CERTIFICATES:
        if os.path.isfile(found):
            os.environ["SSL_CERT_FILE"] = found
            return


if __name__ == "__main__":
    restore_environment()
    find_certificates()
    main()
