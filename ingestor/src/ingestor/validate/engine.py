"""What an engine of validation is: landing file in, validated rows and quarantined records out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
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


@dataclass(frozen=True)
class Judged:
    """A small landing file, with what an engine writes and tells of it."""

    data: bytes
    validated: bytes
    quarantine: bytes
    judgement: Judgement


class Engine(Protocol):
    """Judges a landing file. All engines write the same bytes; the reference loop defines them."""

    def __call__(
        self, source: ByteStream, contract: type[Contract], partition_date: date, *, validated: Sink, quarantine: Sink
    ) -> Judgement:
        """Read the source to its end, write canonical CSV to both sinks.

        Raises RefusedError where the header is not to be used.
        """


class JudgeTogether(Protocol):
    """Judges small landing files of an entity, for which an engine would take longer one by one."""

    def __call__(
        self, files: Sequence[tuple[bytes, date]], contract: type[Contract]
    ) -> Sequence[Judged | RefusedError]:
        """Take files, each with its day; return for each what the engine would write, or why it refuses it."""


def judge_alone(engine: Engine, data: bytes, contract: type[Contract], partition_date: date) -> Judged | RefusedError:
    """Judge one small landing file in memory."""
    validated, quarantine = BytesIO(), BytesIO()
    try:
        judgement = engine(BytesIO(data), contract, partition_date, validated=validated, quarantine=quarantine)
    except RefusedError as error:
        return error
    return Judged(data, validated.getvalue(), quarantine.getvalue(), judgement)
