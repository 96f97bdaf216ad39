"""A socket whose reads cost what they bring.

Law: the same bytes as from any other socket; it asks the kernel for fewer at once where few come.

asyncio asks for 256 KiB at every read. A buffer that large is no part of the C library's heap: it is mapped anew and
given back for every token that arrives, which costs several times the read itself.
"""

from __future__ import annotations

import socket
from typing import Final

from llm_sidecar.limits import KIB

SMALL_READ_BYTES: Final = 64 * KIB
"""Well below 128 KiB, from where on glibc maps memory; and with it a stream at full speed is still read in bulk."""


class FrugalSocket(socket.socket):
    """Reads `SMALL_READ_BYTES` at most, unless the last read brought as many: then as many as it is asked for."""

    _is_flooded = False

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size if self._is_flooded else min(size, SMALL_READ_BYTES), flags)
        self._is_flooded = len(data) >= SMALL_READ_BYTES
        return data
