"""The conformance runner: plays the conversations of `protocol/vectors` with any sidecar and holds it to the contract.

Law: it stands by itself, beside `vectors/`, `schemas/` and `openrpc.json`: Python's standard library and nothing of the
package it tests. `jsonschema` is used where it is installed; where not, the report says what was not checked.
"""
