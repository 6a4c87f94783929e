"""What loading needs of a warehouse, and no more. `duckdb` is one implementation."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from libs.contracts.base import Contract
from libs.stage.command import Partition

SCHEMA = "landing"
"""The schema of the landing tables."""

LEDGER = "_loads"
"""The table that says what was loaded last of each partition."""


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A row of the ledger: what of a partition is in the warehouse."""

    revision: int
    manifest_sha256: str
    rows: int


@dataclasses.dataclass(frozen=True)
class Content:
    """A validated object whose checksums are the manifest's: CSV with the contract's header, that ends with a record.

    `at` is its bytes, or a local copy of it. Where it is not `quoted` there is no quote in it.
    """

    at: bytes | Path
    size: int
    quoted: bool


@dataclasses.dataclass(frozen=True)
class Ingested:
    """What the manifest of a partition says of it."""

    day: date
    revision: int
    manifest_sha256: str
    rows: int
    source_object: str


@dataclasses.dataclass(frozen=True)
class Verified(Ingested):
    """A partition ready to load."""

    content: Content


class Target(Protocol):
    """An open warehouse. It raises StageError, in words for people, where it refuses or fails."""

    @property
    def warehouse(self) -> str:
        """Where the warehouse is, for people and reports."""

    def prepare(self, contracts: Iterable[type[Contract]]) -> Mapping[str, str]:
        """Make the ledger and the landing tables, or add the contracts' new nullable columns, in one transaction.

        A table newly made has nothing loaded: its rows of the ledger go. Returns, by entity, what is wrong with tables
        that cannot be made to fit, and what to do.
        """

    def ledger(self) -> Mapping[Partition, Loaded]:
        """Return what is loaded. It holds as long as the target is open and only `replace` writes."""

    def replace(self, contract: type[Contract], parts: Sequence[Verified], loaded_at: datetime) -> Mapping[date, int]:
        """Replace partitions of one entity, with their rows of the ledger, in one transaction.

        Returns how many rows were deleted, of each day that had any. Raises StageError, with nothing changed, where an
        object's values do not fit the columns or its number of rows is not the one expected.
        """


def identifier(name: str) -> str:
    """Quote a name for SQL. Raises ValueError for any that is not lower snake case: contracts have no others."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise ValueError(f"not a name for a table or column: {name!r}")
    return f'"{name}"'
