"""The option that names a data folder to look into: one that is there, so that a misspelt name makes no new one."""

from __future__ import annotations

import argparse
import os


def add_kept_folder(parser: argparse.ArgumentParser) -> None:
    """`--data-dir`, of a command that only reads."""
    parser.add_argument("--data-dir", metavar="DIR", type=_folder, help="the sidecar's folder (else as for `serve`)")


def _folder(path: str) -> str:
    if not os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"there is no folder {path!r}")
    return path
