"""The command line of the generator."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NoReturn

from generator.faults import FAULTS, Plan, Truth, damage
from generator.files import Files
from generator.shop import Shop
from libs import layout
from libs.stage import command
from libs.stage.report import Outcome, Report
from libs.storage import open_store
from libs.storage.store import Store, put


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    command.main(_parser(), argv)


def generate(files: Files, plan: Plan, store: Store, entity: str, day: date) -> Outcome:
    """Write the landing file of an entity and a day, and its truth file where it has faults."""
    pieces, truths = files.pieces(entity, day), list[Truth]()
    if plan.rate:
        damaged, truths = damage(files.shop, plan, entity, day, b"".join(pieces))
        pieces = iter([damaged])
    truth_changed = _put_truth(store, layout.faults(entity, day), "".join(one.to_line() for one in truths).encode())
    counts: list[int] = []
    checksums, written = put(store, layout.landing(entity, day), _counted(pieces, counts))
    return Outcome(
        entity,
        day,
        "done" if truth_changed or written else "unchanged",
        numbers={"rows": sum(counts) - 1, "faults": len(truths), "bytes": checksums.size},
        details={"url": store.url(layout.landing(entity, day)), "sha256": checksums.sha256},
    )


def _counted(pieces: Iterable[bytes], counts: list[int]) -> Iterator[bytes]:
    """Note how many lines each piece has, as it goes by."""
    for piece in pieces:
        counts.append(piece.count(b"\n"))
        yield piece


def _put_truth(store: Store, key: str, data: bytes) -> bool:
    """Write the truth file, or remove one that an earlier call with faults left; tell whether anything was changed."""
    if data:
        _, written = put(store, key, [data])
        return written
    if store.stat(key) is None:
        return False
    store.delete(key)
    return True


def _generate(args: argparse.Namespace) -> int:
    shop = Shop(args.seed, args.opened, args.orders_per_day, tuple(dict.fromkeys(args.currencies or ["EUR"])))
    plan = Plan(args.fault_rate, tuple(args.faults or FAULTS))
    parts = command.partitions(args)
    for day in (parts[0][1], parts[-1][1]):
        shop.check(day)
    store = open_store(args.dest)
    files = Files(shop)
    outcomes = command.each(parts, lambda entity, day: generate(files, plan, store, entity, day))
    return command.run(Report("generator", "generate"), outcomes, total=len(parts), as_json=args.json)


def _parser() -> argparse.ArgumentParser:
    parser = command.ArgumentParser(prog="generator", description="A synthetic shop: the same days, the same bytes.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=command.ArgumentParser)
    one = commands.add_parser("generate", help="write the landing files of some days")
    usual = Shop()
    command.add_partition_arguments(one)
    one.add_argument("--dest", required=True, metavar="URI", help="where to: gs://bucket[/prefix], or a local folder")
    one.add_argument(
        "--opened", type=command.day, default=usual.opened, metavar="DAY", help="the shop's first day (%(default)s)"
    )
    one.add_argument("--seed", type=int, default=usual.seed, metavar="N", help="another shop (%(default)s)")
    one.add_argument(
        "--orders-per-day", type=int, default=usual.orders_per_day, metavar="N", help="on a usual day (%(default)s)"
    )
    one.add_argument(
        "--currency",
        dest="currencies",
        action="append",
        metavar="CODE",
        help="a currency orders come in, may be repeated; the catalogue has the first (default: EUR)",
    )
    one.add_argument(
        "--fault-rate", type=float, default=0.0, metavar="R", help="share of records to damage, 0 to 1 (%(default)s)"
    )
    one.add_argument(
        "--fault",
        dest="faults",
        action="append",
        metavar="KIND",
        help=f"a kind of fault, may be repeated (default: all): {', '.join(FAULTS)}",
    )
    command.add_report_arguments(one)
    one.set_defaults(handle=_generate)
    return parser
