"""Use cases, callable from a test with no stream. No JSON-RPC number is known here."""
