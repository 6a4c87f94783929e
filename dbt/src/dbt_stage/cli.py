"""The command line: `dbt-stage build`, `reconcile`, `manifest` and `sources`."""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from dbt_stage import project, sources
from dbt_stage.nodes import counts, render
from libs.contracts.iso import MINOR_UNITS
from libs.errors import StageError
from libs.stage import command
from libs.stage.report import Outcome, Report
from libs.stage.warehouse import add_warehouse_arguments

_WIDTH_OF_FILES = 160  # where the output is no terminal


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    command.main(_parser(), argv)


def _parser() -> command.ArgumentParser:
    parser = command.ArgumentParser(prog="dbt-stage", description="Landing tables to staging, intermediate and marts.")
    parser.add_argument(
        "--project-dir", type=Path, help="folder of the dbt project (default: DBT_PROJECT_DIR, or beside)"
    )
    commands = parser.add_subparsers(dest="command", required=True, parser_class=command.ArgumentParser)

    build = commands.add_parser("build", help="build every model and run every test")
    build.add_argument("--target", choices=["duckdb"], help="the warehouse (default: the profile's, duckdb)")
    add_warehouse_arguments(build)
    build.add_argument("--select", nargs="+", default=[], metavar="NODE", help="what to build, in dbt's words")
    build.add_argument(
        "--indirect-selection",
        choices=["eager", "cautious", "buildable", "empty"],
        help="which tests of what is selected run, in dbt's words (default: eager)",
    )
    build.add_argument("--full-refresh", action="store_true", help="build incremental models anew")
    command.add_report_arguments(build)
    build.set_defaults(handle=_build)

    reconcile = commands.add_parser("reconcile", help="print how sales become cash, reason by reason")
    add_warehouse_arguments(reconcile)
    reconcile.add_argument("--currency", type=_currency, metavar="CODE", help="only this one (default: every one)")
    command.add_report_arguments(reconcile)
    reconcile.set_defaults(handle=_reconcile)

    manifest = commands.add_parser("manifest", help="print the path of the project's manifest, parsed if need be")
    manifest.add_argument("--dest", type=Path, metavar="FILE", help="write it to this file")
    manifest.set_defaults(handle=_manifest)

    generated = commands.add_parser("sources", help="write the files that the contracts determine")
    generated.add_argument("--check", action="store_true", help="write nothing, exit with 1 where one is stale")
    generated.set_defaults(handle=_sources)
    return parser


def _build(args: argparse.Namespace) -> int:
    from dbt_stage import warehouse  # imports duckdb, 0.1 s

    folder = project.find(args.project_dir)
    file = warehouse.locate(args.warehouse, os.environ)
    warehouse.wait_until_free(file, args.lock_wait, lambda message: _tell("build", message))
    from dbt_stage import build  # imports dbt, seconds
    from dbt_stage.messages import in_background
    from libs.stage.messages import opened

    begin = time.monotonic()
    call = build.Call(folder, args.target, file, args.select, args.indirect_selection, args.full_refresh)
    with ExitStack() as stack:
        stack.enter_context(_interrupted_by_sigterm())
        send = stack.enter_context(in_background(stack.enter_context(opened())))
        started, finished = _progress(stack)
        nodes = build.run(call, started, finished, send)
    seconds = time.monotonic() - begin
    if not nodes:
        raise StageError(f"nothing in the project is selected by {' '.join(args.select)!r}")
    report = Report("dbt-stage", "build", [node.outcome() for node in nodes])
    report.notes = {"warehouse": str(file), "seconds": round(seconds, 3), **counts(nodes)}
    print(report.to_json() if args.json else render(nodes, seconds))
    return report.exit_code


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, a launcher's way to stop a stage, do what Ctrl-C does: dbt cancels its queries and ends."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _reconcile(args: argparse.Namespace) -> int:
    from dbt_stage import bridge_table, reconcile, warehouse  # import duckdb and rich, 0.3 s

    def say(message: str) -> None:
        _tell("reconcile", message)

    file = warehouse.locate(args.warehouse, os.environ)
    found = reconcile.read(file, args.lock_wait, say)
    if args.currency:
        found = found.of(args.currency)
    report = Report("dbt-stage", "reconcile", [bridge.outcome() for bridge in found.bridges])
    report.notes = {"warehouse": str(file), "other_findings": [one.as_dict() for one in found.others]}
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_OF_FILES
    print(report.to_json() if args.json else bridge_table.render(found, width))
    for outcome in report.failed:
        say(str(outcome.error))
    return report.exit_code


def _currency(text: str) -> str:
    if text not in MINOR_UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 4217 currency: write it as EUR")
    return text


def _tell(name: str, message: str) -> None:
    print(f"dbt-stage {name}: {message}", file=sys.stderr)


def _progress(stack: ExitStack) -> tuple[Callable[[int], None], Callable[[Outcome], None]]:
    """Return what shows progress: a bar that begins once dbt knows how many nodes there are."""
    from libs.stage import terminal  # imports rich, 0.1 s

    advance: list[Callable[[Outcome], None]] = []

    def started(total: int) -> None:
        advance.append(stack.enter_context(terminal.progress("dbt-stage build", total)))

    def finished(outcome: Outcome) -> None:
        advance[0](outcome)

    return started, finished


def _manifest(args: argparse.Namespace) -> int:
    from dbt_stage import manifest

    folder = project.find(args.project_dir)
    file = manifest.current(folder, Path(os.environ.get("DBT_TARGET_PATH") or folder / "target").absolute())
    if args.dest:
        manifest.write(args.dest, file.read_bytes())
    print(args.dest or file)
    return 0


def _sources(args: argparse.Namespace) -> int:
    folder = project.find(args.project_dir)
    if args.check:
        found = sources.stale(folder)
        if found:
            names = ", ".join(map(str, found))
            raise StageError(f"stale: {names}; run `dbt-stage sources` and commit what it writes")
        return 0
    for path in sources.write(folder):
        print(f"written: {path}")
    return 0
