"""What is generated from `messages.catalogue`: OpenRPC, JSON Schema, TypeScript, and the pages of the channels.

Law: the top floor, beside `cli`; pure, from the catalogue to text. Nothing is said about a method here that the
catalogue, a struct or the table of errors does not say; only the examples are written by hand.
"""
