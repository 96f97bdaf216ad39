"""Anthropic's Messages format: requests, streams, batches."""
