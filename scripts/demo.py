"""The demos: all stages in turn, then what came out. Each stage is called as a user calls it."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import summary

from libs.storage import open_store


def stage(*words: str) -> None:
    """Run a stage's command; end with its exit code if it fails."""
    print(f"\n$ {' '.join(words)}", flush=True)
    code = subprocess.run(words, check=False).returncode
    if code:
        sys.exit(code)


def through_the_stages(lake: str, warehouse: str, first: str, last: str) -> None:
    """Take landed days to the marts."""
    stage("ingestor", "ingest", "--date", first, "--to", last, "--source", lake, "--dest", lake)
    stage("loader", "load", "--date", first, "--to", last, "--source", lake, "--warehouse", warehouse)
    stage("dbt-stage", "build", "--warehouse", warehouse)


def shop(args: argparse.Namespace) -> None:
    """Take fifteen days of the synthetic shop, one record in a hundred damaged, to the marts."""
    first, last = "2025-11-01", "2025-11-15"
    stage("generator", "generate", "--date", first, "--to", last, "--dest", args.lake, "--fault-rate", "0.01")
    through_the_stages(args.lake, args.warehouse, first, last)
    summary.days(args.lake, args.warehouse, first, last)


def olist(args: argparse.Namespace) -> None:
    """Take a real shop from its own files to the marts; compare rows and money at both ends."""
    if not args.input.is_dir():
        sys.exit(f"demo-olist: {args.input} is no folder: give the one with Olist's five CSV files")
    stage("ingestor", "land", "--export", "olist", "--input", str(args.input), "--dest", args.lake)
    landed = [key.split("/")[2] for key in open_store(args.lake).list("landing/ecommerce/")]
    through_the_stages(args.lake, args.warehouse, landed[0], landed[-1])
    summary.months(args.warehouse)
    summary.compare_olist(args.input, args.lake, args.warehouse)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    demos = parser.add_subparsers(required=True)
    for demo in (shop, olist):
        command = demos.add_parser(demo.__name__, help=demo.__doc__)
        command.add_argument("--lake", required=True, help="the object store")
        command.add_argument("--warehouse", required=True, help="the DuckDB file")
        command.set_defaults(demo=demo)
        if demo is olist:
            command.add_argument("--input", type=Path, required=True, help="the folder with Olist's files")
    args = parser.parse_args(argv)
    began = time.monotonic()
    try:
        args.demo(args)
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"\nDone in {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
