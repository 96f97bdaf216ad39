"""Inferences: admitted, run, relayed, ended."""
