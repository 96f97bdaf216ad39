"""`llm-sidecar schema`: the protocol, for people and for other programs' generators.

Law: without `--write`, stdout holds one document and nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from llm_sidecar.protocol.files import FORMATS, write_files


def main(arguments: list[str]) -> int:
    """Print one format, or write every generated file. Returns the exit code."""
    options = _parser().parse_args(arguments)
    return _write(options.write) if options.write is not None else _print(FORMATS[options.format]())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llm-sidecar schema", description="Print the protocol this version speaks.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--format", choices=list(FORMATS), default="openrpc", help="what to print (default: openrpc)")
    choice.add_argument("--write", type=Path, metavar="DIR", help="write all generated files into DIR instead")
    return parser


def _write(folder: Path) -> int:
    try:
        written = write_files(folder)
    except OSError as error:
        sys.stderr.write(f"llm-sidecar schema: cannot write {error.filename}: {error.strerror}\n")
        return 1
    except ValueError as error:
        sys.stderr.write(f"llm-sidecar schema: {error}\n")
        return 1
    print(f"{len(written)} files written to {folder}")
    return 0


def _print(text: str) -> int:
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader (`head`, a pager) has seen enough; Python's own flush at the exit must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
