"""The reference engine: one record after the other through Pydantic. Plain and exact, it defines what is right."""

from collections import Counter
from contextlib import closing
from datetime import date

from pydantic import ValidationError

from ingestor.canonical import RowFormat
from ingestor.partition import QUARANTINE_HEADER, Lines, RecordError, Sink, quarantine_line
from ingestor.records import ByteStream, Record, read_records
from ingestor.validate.engine import Judgement
from ingestor.validate.header import Header, read_header
from ingestor.validate.versions import VersionFormat, Versions
from libs.contracts.base import Contract
from libs.manifest import Rows


def judge(
    source: ByteStream, contract: type[Contract], partition_date: date, *, validated: Sink, quarantine: Sink
) -> Judgement:
    """Judge every record of a landing file (see `Engine`)."""
    records = read_records(source)
    header = read_header(next(records, None), contract)
    good, bad = Lines(validated), Lines(quarantine)
    row = RowFormat(contract.columns())
    good.append(row.header)
    bad.append(QUARANTINE_HEADER)
    types = Counter[str]()
    passed = quarantined = 0
    version = VersionFormat(contract)
    with closing(Versions()) as versions:
        for record in records:
            verdict = check(record, header, contract, partition_date)
            if not isinstance(verdict, list):
                earlier = versions.earlier(version.text(verdict.__dict__), record.number)
                verdict = verdict if earlier is None else [version.duplicate(earlier)]
            if isinstance(verdict, list):
                quarantined += 1
                bad.append(quarantine_line(record, verdict))
                types.update(error.type for error in verdict)
            else:
                passed += 1
                good.append(row.line(verdict.__dict__))
    good.flush()
    bad.flush()
    rows = Rows(raw=passed + quarantined, validated=passed, quarantined=quarantined)
    return Judgement(rows, dict(sorted(types.items())), header.drift)


def check(
    record: Record, header: Header, contract: type[Contract], partition_date: date
) -> Contract | list[RecordError]:
    """Judge one record by itself: return its row, or its errors."""
    if record.damage is not None:
        return [RecordError(None, record.damage.type, record.damage.message)]
    fields = record.fields
    if len(fields) != header.width:
        message = f"the header names {header.width} columns, the record has {len(fields)} fields"
        return [RecordError(None, "ragged_row", message)]
    texts = {name: fields[position] for position, name in header.positions if fields[position]}
    try:
        return contract.model_validate(texts, context=partition_date)
    except ValidationError as broken:
        return [
            RecordError(str(error["loc"][0]), error["type"], error["msg"], texts.get(str(error["loc"][0])))
            for error in broken.errors(include_url=False, include_context=False, include_input=False)
        ]
