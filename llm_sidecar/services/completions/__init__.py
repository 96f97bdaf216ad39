"""Whole answers in one response: a text, a chat completion."""
