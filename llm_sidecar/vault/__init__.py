"""Keys at rest: bytes to bytes and one file. Knows no table, no provider and no message of the protocol."""
