"""Where things are: the object store and the warehouse."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from pydantic import Field

LAKE = ".data/lake"
WAREHOUSE = ".data/warehouse/shop.duckdb"


class Places(dg.ConfigurableResource[None]):
    """Where things are, set once for a deployment by its environment; the launchpad shows it under `resources`."""

    lake: str = Field(description="the object store: gs://bucket[/prefix], or a local folder")
    warehouse: str = Field(description="the warehouse's DuckDB file")


def places(environment: Mapping[str, str]) -> Places:
    """Return the places that LAKE and WAREHOUSE name, by default folders below the current one.

    Those that the environment names are shown as such, and read when a run begins.
    """
    return Places(
        lake=dg.EnvVar("LAKE") if environment.get("LAKE") else str(Path(LAKE).absolute()),
        warehouse=dg.EnvVar("WAREHOUSE") if environment.get("WAREHOUSE") else str(Path(WAREHOUSE).absolute()),
    )
