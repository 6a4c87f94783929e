"""The command line of the loader."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

from libs import layout
from libs.errors import StageError
from libs.stage import command, warehouse
from libs.stage.command import Partition
from libs.stage.report import Report
from libs.storage import open_store
from libs.storage.store import Store
from loader.load import load


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the stage."""
    command.main(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser = command.ArgumentParser(prog="loader", description="Load validated objects into the warehouse.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=command.ArgumentParser)
    one = commands.add_parser(
        "load",
        help="load partitions into the landing tables",
        description="Load what the manifests of the partitions name into the landing tables, replacing what was there. "
        "What is loaded already is left alone.",
    )
    command.add_partition_arguments(one)
    one.add_argument("--source", required=True, metavar="URI", help="the store: gs://bucket[/prefix] or a local folder")
    one.add_argument("--target", choices=["duckdb"], default="duckdb", help="the kind of warehouse (default: duckdb)")
    warehouse.add_warehouse_arguments(one)
    one.add_argument(
        "--force", action="store_true", help="load again what is unchanged, and replace a higher revision by a lower"
    )
    command.add_report_arguments(one)
    one.set_defaults(handle=_load)
    return parser


def _load(args: argparse.Namespace) -> int:
    from loader.targets.duckdb import open_duckdb  # takes 0.1 s to import

    parts = command.partitions(args)
    store = open_store(args.source)
    _need_manifests(store, parts)
    path = warehouse.locate(args.warehouse, os.environ)
    with open_duckdb(path, args.lock_wait, _tell) as target:
        return command.run(
            Report("loader", "load"),
            load(store, target, parts, force=args.force, clock=_now),
            total=len(parts),
            as_json=args.json,
        )


def _need_manifests(store: Store, parts: Sequence[Partition]) -> None:
    """Refuse a store in which nothing was ever ingested, with one line instead of one for each partition."""
    key = layout.manifest(*parts[0])
    if store.stat(key) is None and next(iter(store.list(f"{key.partition('/')[0]}/")), None) is None:
        raise StageError(f"{store.uri} holds no manifests: look whether it is the right source, and ingest first")


def _tell(message: str) -> None:
    print(f"loader load: {message}", file=sys.stderr)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
