"""Faults put into landing files on purpose, each with a line of truth: so many records must land in quarantine.

A fault damages one record so that this record, and no other, breaks its contract or the file's structure. Damage is
done to the text of clean canonical CSV, in which a record is a line.
"""

import csv
import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta

import numpy as np

from generator.shop import Shop
from generator.streams import Purpose
from libs.contracts.base import Contract
from libs.entities import ENTITIES, contract_of
from libs.errors import CallError

Fields = dict[str, str]
Choose = Callable[[Sequence[str]], str]


@dataclasses.dataclass(frozen=True)
class Record:
    """A record to be damaged: its fields, its contract, its file's day, and a choice among names that is drawn."""

    fields: Fields
    contract: type[Contract]
    day: date
    choose: Choose

    def filled(self, names: Sequence[str]) -> list[str]:
        """Keep the names of fields that are not empty."""
        return [name for name in names if self.fields[name]]

    def line(self, **changed: str) -> bytes:
        """Write the record with some fields changed."""
        return line_of({**self.fields, **changed}.values())


@dataclasses.dataclass(frozen=True)
class Damage:
    """A damaged record as it stands in the file, without its end of line, and the field that is wrong, if it is one."""

    line: bytes
    field: str | None = None


@dataclasses.dataclass(frozen=True)
class Fault:
    """A kind of fault: what it does to a record, in words and in deed, and the entities it suits."""

    name: str
    says: str
    damage: Callable[[Record], Damage]
    entities: tuple[str, ...] = tuple(ENTITIES)


@dataclasses.dataclass(frozen=True)
class Truth:
    """A damaged record: its number in the file, counted from 1 without the header, the fault, the field."""

    row_number: int
    kind: str
    field: str | None

    def to_line(self) -> str:
        """Write it as a line of JSON."""
        return json.dumps(dataclasses.asdict(self)) + "\n"


def line_of(values: Iterable[str]) -> bytes:
    """Write a record as canonical CSV, without its end of line."""
    return ",".join(_quoted(value) for value in values).encode()


def _quoted(value: str) -> str:
    return f'"{value.replace(chr(34), chr(34) * 2)}"' if any(c in value for c in ',"\r\n') else value


def _names(record: Record, *kinds: str) -> list[str]:
    return [column.name for column in record.contract.columns() if column.type.kind in kinds]


def _change(record: Record, names: Sequence[str], new: Callable[[str], str]) -> Damage:
    field = record.choose(names)
    return Damage(record.line(**{field: new(record.fields[field])}), field)


def _bad_type(record: Record) -> Damage:
    return _change(record, record.filled(_names(record, "decimal", "integer", "timestamp")), lambda _: "n/a")


def _missing_value(record: Record) -> Damage:
    return _change(record, [c.name for c in record.contract.columns() if not c.nullable], lambda _: "")


def _unknown_enum(record: Record) -> Damage:
    listed = [c.name for c in record.contract.columns() if c.type.values and c.type.name != "currency"]
    return _change(record, record.filled(listed), lambda old: "XX" if old.isupper() else "surprise")


def _no_such_currency(record: Record) -> Damage:
    return _change(record, ["currency"], lambda _: "EUX")


def _bad_boolean(record: Record) -> Damage:
    return _change(record, _names(record, "boolean"), lambda _: "maybe")


def _bad_id(record: Record) -> Damage:
    ids = [column.name for column in record.contract.columns() if column.type.name == "id"]
    return _change(record, record.filled(ids), lambda old: f"{old} ")


def _bare_date(record: Record) -> Damage:
    return _change(record, record.filled(_names(record, "timestamp")), lambda old: old[:10])


def _change_before_event(record: Record) -> Damage:
    event = datetime.fromisoformat(record.fields[record.contract.event_time])
    early = event - timedelta(days=1)
    field = record.contract.change_time
    return Damage(record.line(**{field: f"{early:%Y-%m-%dT%H:%M:%SZ}"}), field)


def _future_date(record: Record) -> Damage:
    event, change = record.contract.event_time, record.contract.change_time
    future = f"{record.day + timedelta(days=2):%Y-%m-%d}T12:00:00Z"
    return Damage(record.line(**{event: future, change: future}), event)


def _broken_rule(record: Record) -> Damage:
    """Break what only the fields together say: a total, a price without currency, a payment for nothing."""
    match record.contract.entity:
        case "orders":
            return Damage(record.line(total=_one_more(record.fields["total"])), "total")
        case "order_items":
            return Damage(record.line(line_total=_one_more(record.fields["line_total"])), "line_total")
        case "products":
            return Damage(record.line(currency=""), "unit_price")
        case _:
            return Damage(record.line(order_id="", customer_id=""), "order_id")


def _one_more(amount: str) -> str:
    """Add one to an amount of any currency, in whole numbers."""
    whole, point, decimals = amount.lstrip("-").partition(".")
    return f"{'-' if amount.startswith('-') else ''}{int(whole) + 1}{point}{decimals}"


def _text_field(record: Record) -> str:
    return record.choose(record.filled([c.name for c in record.contract.columns() if c.type.name in ("text", "id")]))


def _nul_byte(record: Record) -> Damage:
    field = _text_field(record)
    return Damage(record.line(**{field: f"{record.fields[field]}\0"}), field)


def _undecodable_bytes(record: Record) -> Damage:
    field = _text_field(record)
    marked = record.line(**{field: f"{record.fields[field]}\0"})
    return Damage(marked.replace(b"\0", b"\xff\xfe"), field)


def _stray_quote(record: Record) -> Damage:
    field = _text_field(record)
    before, after = record.line(**{field: "\0"}).split(b"\0")
    return Damage(before + b'"abc"x' + after, field)


def _ragged_row(record: Record) -> Damage:
    values = list(record.fields.values())
    return Damage(line_of([*values, "surplus"] if record.choose(["short", "long"]) == "long" else values[:-1]))


def _duplicate_version(record: Record) -> Damage:
    return Damage(record.line(), record.contract.key[0])


DUPLICATE = "duplicate_version"
"""The one fault that adds a record: the first stays good, the one after it is too many."""

_MONEY = ("products", "orders", "order_items", "payments")
_LISTS = ("customers", "orders", "payments")

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("bad_type", "`n/a` where a number or a time must stand", _bad_type),
        Fault("missing_value", "a field that must be given is empty", _missing_value),
        Fault("unknown_enum", "a word or country that is not in the list", _unknown_enum, _LISTS),
        Fault("broken_rule", "a total that does not add up, a price without currency, a payment for nobody",
              _broken_rule, _MONEY),
        Fault(DUPLICATE, "the record again, with the same key and `updated_at`", _duplicate_version),
        Fault("ragged_row", "a field too many, or one too few", _ragged_row),
        Fault("stray_quote", "text after a closing quote: `\"abc\"x`", _stray_quote),
        Fault("undecodable_bytes", "bytes that are not UTF-8", _undecodable_bytes),
        Fault("change_before_event", "`updated_at` a day before the event", _change_before_event),
        Fault("future_date", "an event two days after the file's day", _future_date),
        Fault("no_such_currency", "`EUX`", _no_such_currency, _MONEY),
        Fault("nul_byte", "a NUL within a text or id", _nul_byte),
        Fault("bad_id", "an id that ends with a blank", _bad_id),
        Fault("bare_date", "a date where a time must stand", _bare_date),
        Fault("bad_boolean", "`maybe`", _bad_boolean, ("customers", "products")),
    )
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Plan:
    """The share of records to damage, and the kinds. Raises CallError for what no plan can be."""

    rate: float = 0.0
    kinds: tuple[str, ...] = tuple(FAULTS)

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise CallError(f"--fault-rate {self.rate} is not within 0 and 1")
        for kind in self.kinds:
            if kind not in FAULTS:
                raise CallError(f"unknown fault {kind!r}: use one of {', '.join(FAULTS)}")

    def suiting(self, entity: str) -> list[Fault]:
        """Return the faults of the plan that suit an entity, in the order of FAULTS."""
        return [fault for fault in FAULTS.values() if fault.name in self.kinds and entity in fault.entities]


def damage(shop: Shop, plan: Plan, entity: str, day: date, clean: bytes) -> tuple[bytes, list[Truth]]:
    """Damage a share of the records of a clean file; return the file and the truth about it."""
    header, *lines = clean.removesuffix(b"\n").split(b"\n")
    faults = plan.suiting(entity)
    rng = shop.stream(Purpose.FAULTS, day, list(ENTITIES).index(entity))
    count = min(int(plan.rate * len(lines) + rng.random()), len(lines)) if faults else 0
    hit = np.sort(rng.permutation(len(lines))[:count])
    kinds = rng.integers(0, max(len(faults), 1), size=count)
    draws = rng.random(count)
    columns = header.decode().split(",")
    written, truths = [header], []
    done = added = 0
    for place, kind, drawn in zip(hit.tolist(), kinds.tolist(), draws.tolist(), strict=True):
        fault = faults[kind]
        written += lines[done:place]
        fields = dict(zip(columns, next(csv.reader([lines[place].decode()], strict=True)), strict=True))
        record = Record(fields, contract_of(entity), day, lambda names, drawn=drawn: names[int(drawn * len(names))])  # type: ignore[misc]
        damaged = fault.damage(record)
        if fault.name == DUPLICATE:
            written.append(lines[place])
            added += 1
        written.append(damaged.line)
        truths.append(Truth(place + 1 + added, fault.name, damaged.field))
        done = place + 1
    written += lines[done:]
    return b"\n".join(written) + b"\n", truths
