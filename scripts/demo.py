"""The demos, then what came out: the shop through Dagster, Olist stage by stage, each called as a user calls it."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import summary

from libs.storage import open_store

SHOP = Path(__file__).with_name("demo.yaml")


def command(*words: str) -> None:
    """Run a command; end with its exit code if it fails."""
    print(f"\n$ {' '.join(words)}", flush=True)
    code = subprocess.run(words, check=False).returncode
    if code:
        sys.exit(code)


def through_the_stages(lake: str, warehouse: str, first: str, last: str) -> None:
    """Take landed days to the marts."""
    command("ingestor", "ingest", "--date", first, "--to", last, "--source", lake, "--dest", lake)
    command("loader", "load", "--date", first, "--to", last, "--source", lake, "--warehouse", warehouse)
    command("dbt-stage", "build", "--warehouse", warehouse)


def shop(args: argparse.Namespace) -> None:
    """Take fifteen days of the synthetic shop, one record in a hundred damaged, to the marts."""
    if os.environ.get("LANDING", "generator") != "generator":
        sys.exit("demo: LANDING says that files come from others: the synthetic shop's would be written among them")
    first, last = "2025-11-01", "2025-11-15"
    os.environ |= {"LAKE": args.lake, "WAREHOUSE": args.warehouse}
    command("orchestrator", "backfill", first, last, "--config", os.path.relpath(SHOP))
    summary.days(args.lake, args.warehouse, first, last)


def olist(args: argparse.Namespace) -> None:
    """Take a real shop from its own files to the marts; compare rows and money at both ends."""
    if not args.input.is_dir():
        sys.exit(f"demo-olist: {args.input} is no folder: give the one with Olist's five CSV files")
    command("ingestor", "land", "--export", "olist", "--input", str(args.input), "--dest", args.lake)
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
