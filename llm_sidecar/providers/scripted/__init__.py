"""The demo provider: answers that are written down, or directed by the message; no key, no network."""
