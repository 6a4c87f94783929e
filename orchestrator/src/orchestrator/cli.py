"""The command line of the orchestrator."""

import argparse
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from libs.errors import CallError
from libs.stage import command
from orchestrator import home

if TYPE_CHECKING:
    import dagster as dg

_PORT = "3000"


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # what a shell does to its background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    command.main(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser = command.ArgumentParser(prog="orchestrator", description="Run the stages through Dagster.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=command.ArgumentParser)
    one = commands.add_parser(
        "backfill",
        help="run days through the stages",
        description="Run days through the stages, in this process, with Dagster's history in DAGSTER_HOME. Of what "
        "fails the rest goes on: days and entities that are good are carried to the marts.",
    )
    one.add_argument("first", type=command.day, metavar="FIRST", help="the day, as 2025-11-01 (UTC)")
    one.add_argument("last", type=command.day, nargs="?", metavar="LAST", help="the last day of a range")
    one.add_argument(
        "--select", default="*", metavar="SELECTION", help='assets, as Dagster writes them: "group:warehouse"'
    )
    one.add_argument("--config", type=Path, metavar="FILE", help="run config, as in the launchpad, as YAML")
    one.set_defaults(handle=_backfill)
    one = commands.add_parser(
        "status",
        help="print what the history says",
        description="Print what was done, what failed and what is missing of the latest days, and how dbt ended.",
    )
    one.add_argument("--days", type=_count, default=14, metavar="N", help="how many days to show (default: 14)")
    one.set_defaults(handle=_status)
    one = commands.add_parser(
        "dev",
        help=f"open the UI, by default on port {_PORT}",
        description="Run `dagster dev` with the history in DAGSTER_HOME; takes the options of `dagster dev`.",
        add_help=False,
        prefix_chars="\0",
    )
    one.add_argument("options", nargs=argparse.REMAINDER)
    one.set_defaults(handle=_dev)
    one = commands.add_parser(
        "bucket",
        help="make the lake's bucket in the emulator",
        description="Make the bucket that LAKE names in the emulator at STORAGE_EMULATOR_HOST, if it has none.",
    )
    one.set_defaults(handle=_bucket)
    one = commands.add_parser(
        "reap",
        help="remove the containers of stages whose run was killed",
        description="Remove the containers of stages whose run has ended without removing them, of those in "
        "STAGE_NETWORK where that is set.",
    )
    one.add_argument("--every", type=_count, metavar="SECONDS", help="go on, and look so often (default: once)")
    one.set_defaults(handle=_reap)
    return parser


def _backfill(args: argparse.Namespace) -> int:
    began = time.monotonic()
    place = _home()
    defs = _definitions()
    import dagster as dg

    from orchestrator import report
    from orchestrator.backfill import JOB, Backfill, bury, stages
    from orchestrator.event_log import engines_kept
    from orchestrator.progress import Bars, output_to

    chosen, job = stages(defs, args.select), defs.resolve_job_def(JOB)
    days = _days(args.first, args.last or args.first)
    config = _run_config(args.config, job)
    log = place / "logs" / f"backfill-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    log.parent.mkdir(exist_ok=True)
    with (
        home.alone(place),
        output_to(log) as terminal,
        engines_kept(),
        dg.DagsterInstance.from_config(str(place)) as instance,
    ):
        bury(instance)
        backfill = Backfill(instance, job, chosen, days, config)
        with Bars(backfill.totals, terminal) as bars:
            backfill.run(bars)
    print(report.summary(backfill, days, time.monotonic() - began))
    failures = report.failures(backfill)
    for line in failures:
        print(f"orchestrator backfill: {line}", file=sys.stderr)
    if failures:
        print(f"orchestrator backfill: the log of the runs is {log}", file=sys.stderr)
    return 1 if failures else 0


def _status(args: argparse.Namespace) -> int:
    place = _home()
    defs = _definitions()
    import dagster as dg

    from orchestrator import status

    with dg.DagsterInstance.from_config(str(place)) as instance:
        print(status.render(status.look(instance, defs, args.days)))
    return 0


def _dev(args: argparse.Namespace) -> NoReturn:
    os.environ["DAGSTER_HOME"] = str(home.prepare(os.environ))
    # Automation waits so long before it looks: what arrives together is told event by event, and then seen together.
    os.environ.setdefault("DAGSTER_AUTOMATION_TICK_SETTLE_SECONDS", "1")
    options = args.options if {"-p", "--port"} & {word.partition("=")[0] for word in args.options} else []
    options = options or ["--port", _PORT, *args.options]
    _need_free_port(options)
    words = [sys.executable, "-m", "dagster", "dev", "--module-name", "orchestrator.definitions", *options]
    os.execv(words[0], words)  # noqa: S606 - no shell is what is wanted


def _bucket(args: argparse.Namespace) -> int:
    from orchestrator import stack

    print(f"orchestrator {args.command}: {stack.make_bucket(os.environ)}")
    return 0


def _reap(args: argparse.Namespace) -> int:
    import dagster as dg
    import docker

    from orchestrator import stack

    client, network = docker.from_env(), os.environ.get("STAGE_NETWORK")
    with dg.DagsterInstance.get() as instance:
        while True:
            stack.reap(client, instance, network, lambda said: print(f"orchestrator reap: {said}", flush=True))
            if args.every is None:
                return 0
            time.sleep(args.every)


def _need_free_port(options: Sequence[str]) -> None:
    """Refuse a port that is taken: Dagster would run on without its pages, and somebody else's would be looked at."""
    words = [part for word in options for part in word.split("=", 1)]
    port = words[max(words.index(name) for name in ("-p", "--port") if name in words) + 1 :][:1]
    if port and port[0].isdecimal():
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", int(port[0])))
            except (OSError, OverflowError):
                raise CallError(f"port {port[0]} is taken: name another, such as --port 3001") from None


def _home() -> Path:
    """Return the folder of the history, made ready, also for the processes that Dagster starts."""
    place = home.prepare(os.environ)
    os.environ["DAGSTER_HOME"] = str(place)
    return place


def _definitions() -> "dg.Definitions":
    import dagster as dg  # takes 2 s

    warnings.filterwarnings("ignore", category=dg.BetaWarning)  # a selection written as text
    try:
        from orchestrator.definitions import defs
    except dg.DagsterInvalidDefinitionError as error:
        raise CallError(str(error)) from error
    return defs


def _days(first: date, last: date) -> list[str]:
    from orchestrator.settings import Settings

    if last < first:
        raise CallError(f"the last day, {last}, is before the first, {first}")
    known = Settings.of(os.environ).days.get_partition_keys()
    if not known or str(last) > known[-1]:
        raise CallError(f"{last} is not over yet (UTC)" + (f": {known[-1]} is the latest day" if known else ""))
    if str(first) < known[0]:
        raise CallError(f"{first} is before {known[0]}, where history begins: FIRST_DAY sets another first day")
    return [day for day in known if str(first) <= day <= str(last)]


def _run_config(path: Path | None, job: "dg.JobDefinition") -> dict[str, Any]:
    import dagster as dg
    from dagster._check import CheckError  # what Dagster raises for YAML that is no mapping

    if path is None:
        return {}
    if not path.is_file():
        raise CallError(f"--config {path}: there is no such file")
    try:
        found = dict(dg.config_from_files([str(path)]))
        dg.validate_run_config(job, found)
    except (dg.DagsterError, CheckError) as error:
        raise CallError(f"--config {path}: {_one_line(error)}") from error
    return found


def _one_line(error: Exception) -> str:
    import dagster as dg

    if isinstance(error, dg.DagsterInvalidConfigError):
        return "; ".join(found.message.strip() for found in error.errors)
    return " ".join(str(error).split())


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: write it as 14")
    return int(text)
