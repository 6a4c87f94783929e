"""The demos: all stages in turn, then what came out. Each stage is called as a user calls it."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import summary

from libs.storage import open_store

DATA = Path(".data")


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


def shop(_: argparse.Namespace) -> None:
    """Take fifteen days of the synthetic shop, one record in a hundred damaged, to the marts."""
    lake = os.environ.get("LAKE", str(DATA / "lake"))
    warehouse = os.environ.get("WAREHOUSE", str(DATA / "warehouse" / "shop.duckdb"))
    first, last = "2025-11-01", "2025-11-15"
    stage("generator", "generate", "--date", first, "--to", last, "--dest", lake, "--fault-rate", "0.01")
    through_the_stages(lake, warehouse, first, last)
    summary.days(lake, warehouse, first, last)


def olist(args: argparse.Namespace) -> None:
    """Take a real shop from its own files to the marts; compare rows and money at both ends."""
    if not args.input.is_dir():
        sys.exit(f"demo-olist: {args.input} is no folder: give the one with Olist's five CSV files")
    lake, warehouse = str(DATA / "olist" / "lake"), str(DATA / "olist" / "olist.duckdb")
    stage("ingestor", "land", "--export", "olist", "--input", str(args.input), "--dest", lake)
    landed = [key.split("/")[2] for key in open_store(lake).list("landing/ecommerce/")]
    through_the_stages(lake, warehouse, landed[0], landed[-1])
    summary.months(warehouse)
    summary.compare_olist(args.input, lake, warehouse)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    demos = parser.add_subparsers(required=True)
    demos.add_parser("shop").set_defaults(demo=shop)
    with_input = demos.add_parser("olist")
    with_input.add_argument("--input", type=Path, required=True)
    with_input.set_defaults(demo=olist)
    args = parser.parse_args(argv)
    began = time.monotonic()
    args.demo(args)
    print(f"\nDone in {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
