"""Commands for people, and `serve` for hosts."""
