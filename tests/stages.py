"""Stages as their users call them, and snapshots of what they made."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[1]
OLIST = ROOT / ".." / "shared" / "data" / "olist"


def environment(data: Path) -> dict[str, str]:
    """Return an environment in which everything that is made lies below `data`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Not measured either: each package's own tests hold the coverage, and tracing makes whole runs half as slow again.
    unwanted = ("LAKE", "WAREHOUSE", "COV", "DAGSTER_", "LANDING", "FIRST_DAY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    dbt = {"DBT_TARGET_PATH": str(data / "dbt-target"), "DBT_LOG_PATH": str(data / "dbt-logs")}
    return {**kept, **dbt, "PATH": path, "DATA": str(data), "COLUMNS": "160", "UV_NO_SYNC": "1"}


def call(data: Path, *words: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
    """Run a command at the root of the checkout; fail with what it said where its exit code is another."""
    done = subprocess.run(
        words, cwd=ROOT, env=environment(data), capture_output=True, text=True, check=False, timeout=300
    )
    assert code is None or done.returncode == code, (
        f"{words} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def objects(lake: Path) -> dict[str, str]:
    """Return the sha256 of every object of a local lake by its key."""
    return {
        path.relative_to(lake).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(lake.rglob("*"))
        if path.is_file() and ".tmp" not in path.parts
    }


def tables(warehouse: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of every table of a warehouse, without the clock's columns, in a fixed order."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        names = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_type = 'BASE TABLE' order by all"
        ).fetchall()
        return {
            name: sorted(
                connection.execute(
                    f"select columns(lambda c: c not in ('_loaded_at', 'loaded_at')) from {name}"
                ).fetchall(),
                key=repr,
            )
            for (name,) in names
        }


def query(warehouse: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask a warehouse, read-only."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def snapshot(data: Path) -> Mapping[str, object]:
    """Return everything that was made below `data` by the shop's stages."""
    return {"objects": objects(data / "lake"), **tables(data / "warehouse" / "shop.duckdb")}
