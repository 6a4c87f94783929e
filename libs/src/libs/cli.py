"""The command of the shared package: generate what is written from the contracts."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from libs.document import documents
from libs.errors import StageError
from libs.stage.command import ArgumentParser
from libs.stage.command import main as run_main


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the `libs` command."""
    parser = ArgumentParser(prog="libs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    document = commands.add_parser("document", help="write JSON Schema and data dictionary from the contracts")
    document.add_argument("--dest", type=Path, default=Path("docs"), metavar="DIR", help="where to (default: docs)")
    document.add_argument("--check", action="store_true", help="write nothing; fail where what is there is stale")
    document.set_defaults(handle=_document)
    run_main(parser, argv)


def _document(args: argparse.Namespace) -> int:
    for name, text in documents().items():
        path: Path = args.dest / name
        current = path.read_text(encoding="utf-8") if path.exists() else None
        if current == text:
            continue
        if args.check:
            raise StageError(f"{path} is stale: run `uv run just document`")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
    return 0
