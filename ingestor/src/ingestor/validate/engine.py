"""What an engine of validation is: landing file in, validated rows and quarantined records out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from ingestor.partition import Sink
from ingestor.records import ByteStream
from libs.contracts.base import Contract
from libs.errors import StageError
from libs.manifest import Drift, Rows


class RefusedError(StageError):
    """The file as a whole cannot be used; none of its records was judged."""


@dataclass(frozen=True)
class Judgement:
    """What an engine found: numbers of records, errors by type (a record may have several), drift of the columns."""

    rows: Rows
    errors: dict[str, int]
    drift: Drift


class Engine(Protocol):
    """Judges a landing file. All engines write the same bytes; the reference loop defines them."""

    def __call__(
        self, source: ByteStream, contract: type[Contract], partition_date: date, *, validated: Sink, quarantine: Sink
    ) -> Judgement:
        """Read the source to its end, write canonical CSV to both sinks.

        Raises RefusedError where the header is not to be used.
        """


class Judge(Protocol):
    """Judges one landing file, whose contract and day it knows."""

    def __call__(self, source: ByteStream, *, validated: Sink, quarantine: Sink) -> Judgement:
        """Do as an engine does."""


class JudgeTogether(Protocol):
    """Judges small landing files of an entity, for which an engine would take longer one by one."""

    def __call__(self, files: Sequence[tuple[bytes, date]], contract: type[Contract]) -> Sequence[Judge]:
        """Take files, each with its day; return for each who tells of it what the engine would find."""
