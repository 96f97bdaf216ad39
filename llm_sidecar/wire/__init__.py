"""Bytes in, values out: no await, no I/O."""
