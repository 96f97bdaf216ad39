"""Adapters: one per wire format. They never know JSON-RPC, SQLite, or where a key came from."""
