"""The header of a landing file: whether the file can be used, and where its columns stand."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ingestor.records import Record
from ingestor.validate.engine import RefusedError
from libs.contracts.base import Contract
from libs.manifest import Drift

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Header:
    """Where the contract's columns stand: (position in the record, name) each, and how many fields a record has."""

    positions: tuple[tuple[int, str], ...]
    width: int
    drift: Drift


def read_header(record: Record | None, contract: type[Contract]) -> Header:
    """Read the first record of a file. Raises RefusedError for one that cannot be its header."""
    if record is None:
        raise RefusedError("it is empty; a day on which nothing happened has a header")
    if record.damage is not None:
        raise RefusedError(_told(record, record.damage.message))
    names = record.fields
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise RefusedError(f"its header names columns more than once: {_listed(repeated)}")
    columns = contract.columns()
    known = {column.name for column in columns}
    extra = tuple(name for name in names if name not in known)
    absent = [column for column in columns if column.name not in names]
    required = [column.name for column in absent if not column.nullable]
    if required:
        raise RefusedError(f"its header lacks required columns: {_listed(required)}{_hint(names, extra)}")
    return Header(
        positions=tuple((position, name) for position, name in enumerate(names) if name in known),
        width=len(names),
        drift=Drift(missing=tuple(column.name for column in absent), extra=extra),
    )


def _told(record: Record, damage: str) -> str:
    if record.raw.startswith(_UTF16) or b"\0" in record.raw[:2]:
        return "it looks like UTF-16: save it as UTF-8"
    return f"its header is damaged: {damage}"


def _hint(names: list[str], extra: tuple[str, ...]) -> str:
    if len(names) == 1:
        for delimiter, word in _OTHER_DELIMITERS.items():
            if delimiter in names[0]:
                return f"; its fields seem to be separated by {word}, they must be by commas"
    return f"; it has unknown ones: {_listed(extra)}" if extra else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name or "(no name)" for name in names)
