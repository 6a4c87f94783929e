"""`ingestor land`: a shop's own files become landing files, as an export says."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from libs.entities import ENTITIES
from libs.errors import CallError
from libs.stage import command
from libs.stage.report import Report
from libs.storage import open_store

if TYPE_CHECKING:
    from ingestor.export_run import Accounts


def add_command(subparsers: "argparse._SubParsersAction[command.ArgumentParser]") -> None:
    """Add `land` to the commands of the ingestor."""
    text = "Make landing files of a shop's own files, as an export says: one for each day and entity."
    parser = subparsers.add_parser("land", help=text, description=text)
    parser.add_argument("--export", required=True, metavar="NAME", help="a shipped export, or the path of a folder")
    parser.add_argument("--input", required=True, metavar="DIR", type=Path, help="folder of the shop's own files")
    parser.add_argument("--dest", required=True, metavar="URI", help="store of landing: gs://bucket[/prefix] or folder")
    command.add_report_arguments(parser)
    parser.set_defaults(handle=_handle)


def _handle(args: argparse.Namespace) -> int:
    from ingestor import export_run  # imports DuckDB and pycountry, 0.2 s that other commands need not wait for
    from ingestor.export import find

    export = find(args.export)
    store = open_store(args.dest)
    if not args.input.is_dir():
        raise CallError(f"there is no folder {args.input}: let --input name the folder of the shop's files")
    with export_run.workspace() as connection:
        accounts = export_run.make(connection, export, args.input)
        report = Report("ingestor", "land", notes={"accounts": asdict(accounts) | {"days": accounts.days}})
        outcomes = export_run.write(connection, accounts, store)
        code = command.run(report, outcomes, total=accounts.days * len(ENTITIES), as_json=args.json)
    if not args.json:
        print(told(accounts))
    return code


def told(accounts: "Accounts") -> str:
    """Render the accounts for people: a line a file, a line an entity."""
    lines = ["", "read"]
    for file in accounts.files:
        odd = {"short": file.short, "with surplus fields": file.surplus, "damaged": file.damaged}
        among = ", ".join(f"{number:,} {what}" for what, number in odd.items() if number)
        lines.append(f"  {file.file}: {file.rows:,} rows into {file.table}" + (f" ({among})" if among else ""))
    lines.append("landed")
    for entity, account in accounts.entities.items():
        folded = f" - {account.folded:,} earlier versions of the same day" if account.folded else ""
        undated = f" ({account.undated:,} without a usable day, on the first)" if account.undated else ""
        lines.append(f"  {entity}: {account.returned:,} rows returned{folded} = {account.landed:,} landed{undated}")
    lines.append(
        f"{accounts.days:,} day{'s' if accounts.days > 1 else ''}, {accounts.first_day} to {accounts.last_day}"
    )
    return "\n".join(lines)
