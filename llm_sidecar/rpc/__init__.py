"""Ids, tasks, cancellation, and the one writer. Never what a token is."""
