"""What ingestion is held against, each as a process of its own: `peers.py NAME FILE FOLDER DAY`.

* polars, duckdb: the file read as text columns and written again, no check;
* pandera: a data frame validated against a schema, split into valid and invalid rows, both written;
* dlt: rows validated by the contract, those it refuses dropped, the others written.

Each imports what it needs itself, for its start is measured, too.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libs.contracts.types import FieldType


def polars(file: Path, folder: Path, _: date) -> None:
    """Rewrite the file by Polars."""
    import polars as pl

    pl.scan_csv(file, infer_schema=False).sink_csv(folder / "rewritten.csv")


def duckdb(file: Path, folder: Path, _: date) -> None:
    """Rewrite the file by DuckDB. It is told the columns, for it would read 20,480 rows to find their types."""
    import duckdb

    with file.open(encoding="utf-8") as lines:
        columns = dict.fromkeys(next(lines).rstrip("\r\n").split(","), "VARCHAR")
    options = f"all_varchar = true, auto_detect = false, header = true, delim = ',', columns = {columns}"
    duckdb.sql(f"copy (from read_csv('{file}', {options})) to '{folder / 'rewritten.csv'}' (header)")


def pandera(file: Path, folder: Path, day: date) -> None:
    """Validate the file as a data frame. Quotes are read as text, for Polars stops at the first that is damaged."""
    import polars as pl

    frame = pl.read_csv(file, infer_schema=False, quote_char=None, encoding="utf8-lossy", truncate_ragged_lines=True)
    numbered = frame.with_row_index("row_number")
    valid = _schema(day).validate(numbered, lazy=True)
    invalid = numbered.join(valid.select("row_number"), on="row_number", how="anti")
    valid.drop("row_number").write_csv(folder / "accepted.csv")
    invalid.write_csv(folder / "rejected.csv")


def _schema(day: date) -> Any:
    """Declare the contract for pandera: every field, and of the rules total, times and versions."""
    import polars as pl
    from pandera.polars import Check, Column, DataFrameSchema

    from libs.contracts.orders import Order

    def check(holds: pl.Expr) -> Check:
        return Check(lambda data: data.lazyframe.select(holds))

    def field(name: str, of: "FieldType") -> list[Check]:
        checks = [Check.str_matches(of.pattern)]
        if of.values is not None:
            checks.append(Check.isin(of.values))
        if of.kind == "decimal" and of.precision is not None and of.scale is not None:
            checks.append(Check.str_matches(rf"^-?[0-9]{{1,{of.precision - of.scale}}}(\.[0-9]{{1,{of.scale}}})?$"))
        if of.kind == "timestamp":
            checks.append(check(time(name).is_not_null() | pl.col(name).is_null()))
        return checks

    def time(name: str) -> pl.Expr:
        return pl.col(name).str.to_datetime(time_zone="UTC", strict=False)

    def money(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Decimal(18, 4), strict=False)

    total = money("subtotal") - money("discount") + money("tax") + money("shipping") + money("other")
    return DataFrameSchema(
        {
            column.name: Column(str, field(column.name, column.type), nullable=column.nullable)
            for column in Order.columns()
        },
        checks=[
            check(total == money("total")),
            check(time("updated_at") >= time("ordered_at")),
            check(time("ordered_at").dt.date() <= day + timedelta(days=1)),
            check(pl.struct("order_id", "updated_at").is_first_distinct()),
        ],
        drop_invalid_rows=True,
    )


def dlt(file: Path, folder: Path, _: date) -> None:
    """Load the file row by row through the contract. Its rules see no partition's day: dlt passes none."""
    import dlt

    from libs.contracts.orders import Order

    orders = dlt.resource(
        _rows(file),
        name="orders",
        columns=Order,
        schema_contract={"tables": "evolve", "columns": "discard_row", "data_type": "discard_row"},
    )
    destination = dlt.destinations.filesystem(bucket_url=folder.as_uri())
    pipeline = dlt.pipeline(
        "orders", destination=destination, dataset_name="accepted", pipelines_dir=str(folder / "pipelines")
    )
    pipeline.run(orders, loader_file_format="csv")


def _rows(file: Path) -> Iterator[dict[str, str]]:
    """Read rows as the contract wants them: an empty field is null."""
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        for row in csv.DictReader(lines):
            yield {name: text for name, text in row.items() if text}


if __name__ == "__main__":
    peers: dict[str, Callable[[Path, Path, date], None]] = {
        "polars": polars,
        "duckdb": duckdb,
        "pandera": pandera,
        "dlt": dlt,
    }
    name, file, folder, day = sys.argv[1:]
    peers[name](Path(file), Path(folder), date.fromisoformat(day))
