"""Stored connections: their keys, their tests, and finding them on this machine."""
