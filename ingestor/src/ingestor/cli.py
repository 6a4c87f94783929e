"""The command line of the ingestor."""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from threading import Lock
from typing import NoReturn

from ingestor import land
from ingestor.ingest import ingest
from ingestor.ingest_all import ingest_all
from libs.stage import command
from libs.stage.report import Outcome, Report
from libs.storage import open_store
from libs.storage.store import Store

_ENGINES = ("columnar", "reference")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run `ingestor`."""
    parser = command.ArgumentParser(
        prog="ingestor", description="Take landing files in, every record judged by its contract."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_ingest(subparsers)
    land.add_command(subparsers)
    command.main(parser, argv)


def _add_ingest(subparsers: "argparse._SubParsersAction[command.ArgumentParser]") -> None:
    text = "Take landing files to raw, validated_raw and quarantine_raw, one commit each entity and day."
    parser = subparsers.add_parser("ingest", help=text, description=text)
    command.add_partition_arguments(parser)
    parser.add_argument(
        "--source", required=True, metavar="URI", help="store of landing: gs://bucket[/prefix] or folder"
    )
    parser.add_argument("--dest", required=True, metavar="URI", help="store of the other layers, may be the same")
    parser.add_argument(
        "--engine",
        choices=_ENGINES,
        default=_ENGINES[0],
        help="how records are judged; the result is the same: by columns (default), or one by one",
    )
    command.add_report_arguments(parser)
    parser.set_defaults(handle=_ingest)


def _ingest(args: argparse.Namespace) -> int:
    parts = command.partitions(args)
    source, dest = open_store(args.source), open_store(args.dest)
    outcomes = _outcomes(args.engine, source, dest, parts)
    return command.run(Report("ingestor", "ingest"), outcomes, total=len(parts), as_json=args.json)


def _outcomes(engine: str, source: Store, dest: Store, parts: Sequence[command.Partition]) -> Iterator[Outcome]:
    if engine == "columnar":
        from ingestor.validate import columnar  # imports Polars, 0.3 s

        judge = partial(columnar.judge, turn=Lock())
        return ingest_all(source, dest, parts, judge, columnar.judge_together)
    from ingestor.validate import reference

    return command.each(parts, lambda entity, day: ingest(source, dest, entity, day, reference.judge))
