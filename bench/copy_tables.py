"""Copy every table of a DuckDB file's schemas into a new file, from plain selects: the limit that a build is held to.

Prints JSON: seconds of each schema, and rows and tables in all.
"""

import argparse
import json
import time
from pathlib import Path

import duckdb


def copy(built: Path, to: Path, schemas: list[str]) -> dict[str, float]:
    """Copy the schemas' tables; return the seconds of each schema, the last with the final checkpoint."""
    seconds = {}
    with duckdb.connect(str(to)) as db:
        db.execute(f"attach '{str(built).replace(chr(39), chr(39) * 2)}' as built (read_only)")
        for schema in schemas:
            begin = time.monotonic()
            db.execute(f'create schema "{schema}"')
            for (table,) in db.execute(
                "select table_name from duckdb_tables() where database_name = 'built' and schema_name = ? order by all",
                [schema],
            ).fetchall():
                db.execute(f'create table "{schema}"."{table}" as select * from built."{schema}"."{table}"')
            seconds[schema] = time.monotonic() - begin
        begin = time.monotonic()
        db.execute("checkpoint")
        seconds[schemas[-1]] += time.monotonic() - begin
    return {schema: round(value, 2) for schema, value in seconds.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("built", type=Path)
    parser.add_argument("to", type=Path)
    parser.add_argument("schemas", nargs="+")
    arguments = parser.parse_args()
    print(json.dumps(copy(arguments.built, arguments.to, arguments.schemas)))
