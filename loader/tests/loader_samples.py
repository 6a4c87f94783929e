"""What the loader's tests load: validated objects and manifests, made by libs alone as ingestion would make them."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from libs import layout
from libs.entities import ENTITIES
from libs.manifest import FORMAT_VERSION, Drift, Manifest, NamedObject, Rows
from libs.storage.store import Checksums, Store

DAY = date(2025, 11, 15)
DAYS = [DAY + timedelta(n) for n in range(3)]

TIMES = {"created_at": "2025-11-15T09:30:00Z", "updated_at": "2025-11-15T09:30:00Z"}
ROWS: dict[str, dict[str, str]] = {
    "customers": {"customer_id": "c1", "email": "a@example.org", "marketing_opt_in": "true", **TIMES},
    "products": {"product_id": "p1", "name": "Lamp", "unit_price": "12.5000", "currency": "EUR", **TIMES},
    "orders": {
        "order_id": "o1",
        "kind": "sale",
        "status": "created",
        "currency": "EUR",
        "subtotal": "12.50",
        "discount": "0",
        "tax": "0",
        "shipping": "0",
        "other": "0",
        "total": "12.50",
        "ordered_at": "2025-11-15T09:30:00Z",
        "updated_at": "2025-11-15T09:30:00Z",
    },
    "order_items": {
        "order_id": "o1",
        "line_number": "1",
        "quantity": "1",
        "unit_price": "12.50",
        "discount": "0",
        "line_total": "12.50",
        "currency": "EUR",
        "ordered_at": "2025-11-15T09:30:00Z",
        "updated_at": "2025-11-15T09:30:00Z",
    },
    "payments": {
        "payment_id": "y1",
        "order_id": "o1",
        "kind": "payment",
        "method": "card",
        "status": "settled",
        "amount": "12.50",
        "currency": "EUR",
        "paid_at": "2025-11-15T09:30:00Z",
        "updated_at": "2025-11-15T09:30:00Z",
    },
}
"""A good row of each entity."""


def row(entity: str, **fields: str) -> dict[str, str]:
    """Return the good row of an entity with some fields changed."""
    return {**ROWS[entity], **fields}


def rows(entity: str, number: int, **fields: str) -> list[dict[str, str]]:
    """Return rows with keys of their own."""
    key = ENTITIES[entity].key[0]
    return [row(entity, **{key: f"k{n}", **fields}) for n in range(number)]


def canonical_csv(entity: str, records: Sequence[Mapping[str, str]]) -> bytes:
    """Write records as the design says: contract's columns, `\\n`, quotes only where they are needed."""
    names = [column.name for column in ENTITIES[entity].columns()]
    lines = [names, *([record.get(name, "") for name in names] for record in records)]
    return "".join(",".join(map(_field, line)) + "\n" for line in lines).encode()


def _field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text


def put(
    store: Store,
    entity: str,
    day: date,
    records: Sequence[Mapping[str, str]],
    revision: int = 1,
    changes: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write a partition's validated object and its manifest, with some of its fields changed."""
    data = canonical_csv(entity, records)
    write(store, layout.validated_raw(entity, day), data)
    its = manifest(entity, day, data, len(records), revision).model_copy(update=changes)
    put_manifest(store, layout.manifest(entity, day), its)
    return its


def manifest(entity: str, day: date, data: bytes, number: int, revision: int = 1) -> Manifest:
    """Make the manifest of a validated object."""
    sums = Checksums()
    sums.update(data)
    return Manifest(
        format_version=FORMAT_VERSION,
        contract_version=ENTITIES[entity].version(),
        entity=entity,
        partition_date=day,
        revision=revision,
        source=NamedObject.of(layout.landing(entity, day), sums),
        raw=NamedObject.of(layout.raw(entity, day), sums),
        validated_raw=NamedObject.of(layout.validated_raw(entity, day), sums),
        quarantine_raw=NamedObject.of(layout.quarantine_raw(entity, day), sums),
        rows=Rows(raw=number, validated=number, quarantined=0),
        errors={},
        drift=Drift(),
    )


def put_manifest(store: Store, key: str, its: Manifest) -> None:
    """Write a manifest over the one that is there."""
    found = store.read_versioned(key)
    store.write_if(key, its.to_bytes(), found[1] if found else None)


def write(store: Store, key: str, data: bytes) -> None:
    """Write an object."""
    with store.write(key) as writer:
        writer.write(data)


def query(warehouse: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask a warehouse that nobody has open."""
    with duckdb.connect(warehouse, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def content(warehouse: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that is in a warehouse, but when it was loaded."""
    with duckdb.connect(warehouse, read_only=True) as connection:
        times = {**dict.fromkeys(ENTITIES, "_loaded_at"), "_loads": "loaded_at"}
        return {
            table: connection.execute(f"SELECT * EXCLUDE ({time}) FROM landing.{table} ORDER BY ALL").fetchall()
            for table, time in times.items()
        }
