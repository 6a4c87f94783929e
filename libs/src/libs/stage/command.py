"""The command line that stages share: arguments, partitions, progress, exit codes.

Exit codes: 0 done, 1 the data or the run failed, 2 the call was wrong, 130 interrupted. Errors are one line on stderr;
a traceback shows only for a defect of the stage itself.
"""

import argparse
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import NoReturn, TypeVar

from libs.entities import ENTITIES, contract_of
from libs.errors import CallError, StageError
from libs.stage.report import Outcome, Report

T = TypeVar("T")

Partition = tuple[str, date]


class ArgumentParser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong with the call and exit with 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def day(text: str) -> date:
    """Read a calendar day of the years that contracts know, YYYY-MM-DD only."""
    try:
        if re.fullmatch(r"(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no day of the calendar: write it as 2025-11-15")


def entity(text: str) -> str:
    """Read the name of an entity."""
    try:
        return contract_of(text).entity
    except CallError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_partition_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --entity (repeatable), --date and --to."""
    parser.add_argument(
        "--entity",
        dest="entities",
        action="append",
        type=entity,
        metavar="NAME",
        help=f"an entity, may be repeated (default: all): {', '.join(ENTITIES)}",
    )
    parser.add_argument("--date", required=True, type=day, metavar="DAY", help="the day, as 2025-11-15 (UTC)")
    parser.add_argument("--to", type=day, metavar="DAY", help="the last day of a range that begins with --date")


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print the report as JSON on standard output")


def partitions(args: argparse.Namespace) -> list[Partition]:
    """Return the (entity, day) pairs that the arguments name, day by day, entities in the registry's order.

    Raises CallError where --to is before --date.
    """
    last = args.to or args.date
    if last < args.date:
        raise CallError(f"--to {last} is before --date {args.date}")
    chosen = [name for name in ENTITIES if args.entities is None or name in args.entities]
    days = (args.date + timedelta(n) for n in range((last - args.date).days + 1))
    return [(name, one_day) for one_day in days for name in chosen]


def each(parts: Iterable[Partition], work: Callable[[str, date], Outcome]) -> Iterator[Outcome]:
    """Do the work for every partition, outcomes in their order; one that fails does not stop the others."""
    return (attempt(*part, partial(work, *part)) for part in parts)


def attempt(name: str, one_day: date | None, work: Callable[[], T]) -> T | Outcome:
    """Do one unit of work; turn an error into a failed outcome. The traceback of a defect is printed."""
    try:
        return work()
    except StageError as error:
        return Outcome(name, one_day, "failed", error=str(error))
    except Exception as error:
        traceback.print_exc()
        return Outcome(name, one_day, "failed", error=_defect(error))


def run(report: Report, outcomes: Iterable[Outcome], *, total: int, as_json: bool) -> int:
    """Take outcomes as they come, show progress and failures on stderr, print the report; return the exit code.

    Each outcome is also a message to the launcher, where there is one.
    """
    from libs.stage import messages, terminal  # import dagster_pipes and rich, 0.1 s

    with messages.opened() as send, terminal.progress(f"{report.stage} {report.command}", total) as advance:
        for outcome in outcomes:
            report.outcomes.append(outcome)
            advance(outcome)
            if messages.launched():
                send(outcome.to_message())
    print(report.to_json() if as_json else terminal.summary(report))
    return report.exit_code


def main(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> NoReturn:
    """Parse the arguments, call what `set_defaults(handle=…)` names, and exit with its code."""
    args = parser.parse_args(argv)
    prog = f"{parser.prog} {getattr(args, 'command', '')}".strip()
    try:
        code = args.handle(args)
        sys.stdout.flush()
    except CallError as error:
        _say(prog, str(error))
        code = 2
    except StageError as error:
        _say(prog, str(error))
        code = 1
    except KeyboardInterrupt:
        _say(prog, "interrupted; what was committed stays, run again for the rest")
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    except OSError as error:
        _say(prog, f"{error.filename or 'the system'}: {error.strerror or error}")
        code = 1
    except Exception as error:  # a defect: its traceback is what helps
        traceback.print_exc()
        _say(prog, _defect(error))
        code = 1
    sys.exit(code)


def _defect(error: Exception) -> str:
    return f"this is a defect of the stage, not of your data: {type(error).__name__}: {error}"


def _say(prog: str, message: str) -> None:
    print(f"{prog}: {message}", file=sys.stderr)
