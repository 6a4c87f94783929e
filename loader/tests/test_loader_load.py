"""Partitions are replaced whole, once for each manifest, and never by anything that no manifest names."""

import resource
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from loader_samples import (
    DAY,
    DAYS,
    canonical_csv,
    content,
    manifest,
    put,
    put_manifest,
    query,
    row,
    rows,
    write,
)

from libs import layout
from libs.entities import ENTITIES
from libs.errors import StageError
from libs.manifest import FORMAT_VERSION
from libs.stage.command import Partition
from libs.stage.report import Outcome
from libs.storage.local import LocalStore
from loader import load as loading
from loader import verify
from loader.targets.duckdb import DuckdbTarget, open_duckdb
from loader.targets.target import identifier
from loader.verify import fetch_object

FIRST, SECOND = datetime(2025, 11, 16, 3), datetime(2025, 11, 17, 3)  # noqa: DTZ001 - the warehouse's times have no zone


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "store"))


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse" / "shop.duckdb"


def load(
    store: LocalStore, warehouse: Path, parts: Sequence[Partition], *, force: bool = False, at: datetime = FIRST
) -> list[Outcome]:
    with open_duckdb(warehouse, 0, pytest.fail) as target:
        return list(loading.load(store, target, parts, force=force, clock=lambda: at))


def load_one(store: LocalStore, warehouse: Path, entity: str = "orders", *, force: bool = False) -> Outcome:
    (outcome,) = load(store, warehouse, [(entity, DAY)], force=force)
    return outcome


def keys(warehouse: Path, entity: str = "orders", day: date = DAY) -> list[str]:
    key = ENTITIES[entity].key[0]
    found = query(warehouse, f"SELECT {key} FROM landing.{entity} WHERE _partition_date = '{day}' ORDER BY 1")
    return [text for (text,) in found]


def test_all_five_tables_are_made_with_the_contracts_columns_and_types(store: LocalStore, warehouse: Path) -> None:
    put(store, "payments", DAY, rows("payments", 1))

    load_one(store, warehouse, "payments")

    found = query(
        warehouse,
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE schema_name = 'landing' AND table_name <> '_loads' ORDER BY table_name, column_index",
    )
    own = [("_partition_date", "DATE", False), ("_source_object", "VARCHAR", False), ("_loaded_at", "TIMESTAMP", False)]
    types = {"text": "VARCHAR", "integer": "BIGINT", "boolean": "BOOLEAN", "timestamp": "TIMESTAMP"}
    assert found == [
        (entity, *column)
        for entity in sorted(ENTITIES)
        for column in [
            *(
                (c.name, types.get(c.type.kind, f"DECIMAL({c.type.precision},{c.type.scale})"), c.nullable)
                for c in ENTITIES[entity].columns()
            ),
            *own,
        ]
    ]
    assert ("payments", "amount", "DECIMAL(18,4)", False) in found
    assert ("order_items", "quantity", "DECIMAL(18,3)", False) in found


def test_a_loaded_partition_is_done_and_stands_in_the_ledger(store: LocalStore, warehouse: Path) -> None:
    its = put(store, "orders", DAY, rows("orders", 3), revision=2)

    outcome = load_one(store, warehouse)

    assert outcome == Outcome(
        "orders",
        DAY,
        "done",
        {"inserted": 3, "deleted": 0, "skipped": 0},
        {
            "revision": 2,
            "validated": 3,
            "source_object": "validated_raw/orders/2025/11/15/orders.csv",
            "warehouse": str(warehouse),
        },
    )
    assert keys(warehouse) == ["k0", "k1", "k2"]
    (entry,) = query(warehouse, "SELECT * FROM landing._loads")
    assert entry == ("orders", DAY, 2, entry[3], 3, FIRST)
    assert entry[3] == loading.manifest_sha256(its)
    assert query(warehouse, "SELECT sum(total) FROM landing.orders") == [(Decimal("37.5000"),)]


def test_loading_twice_changes_nothing(store: LocalStore, warehouse: Path) -> None:
    parts = [(entity, day) for day in DAYS for entity in ENTITIES]
    for entity, day in parts:
        put(store, entity, day, rows(entity, 2))
    load(store, warehouse, parts)
    before, everything = warehouse.read_bytes(), "SELECT * FROM landing.orders ORDER BY ALL"
    first = query(warehouse, everything)

    outcomes = load(store, warehouse, parts, at=SECOND)

    assert {outcome.status for outcome in outcomes} == {"unchanged"}
    assert all(outcome.numbers == {"inserted": 0, "deleted": 0, "skipped": 2} for outcome in outcomes)
    assert query(warehouse, everything) == first
    assert warehouse.read_bytes() == before


def test_a_newer_manifest_replaces_the_partition_and_no_other(store: LocalStore, warehouse: Path) -> None:
    for day in DAYS:
        put(store, "orders", day, rows("orders", 3))
    load(store, warehouse, [("orders", day) for day in DAYS])
    put(store, "orders", DAY, rows("orders", 2, channel="web"), revision=2)

    outcome = load_one(store, warehouse)

    assert (outcome.status, outcome.numbers) == ("done", {"inserted": 2, "deleted": 3, "skipped": 0})
    assert [len(keys(warehouse, day=day)) for day in DAYS] == [2, 3, 3]
    assert query(warehouse, "SELECT count(*) FROM landing.orders WHERE channel = 'web'") == [(2,)]


def test_a_day_without_rows_is_loaded_and_empties_what_was_there(store: LocalStore, warehouse: Path) -> None:
    put(store, "orders", DAY, rows("orders", 3))
    load_one(store, warehouse)
    put(store, "orders", DAY, [], revision=2)

    outcome = load_one(store, warehouse)

    assert (outcome.status, outcome.numbers) == ("done", {"inserted": 0, "deleted": 3, "skipped": 0})
    assert keys(warehouse) == []
    assert query(warehouse, "SELECT revision, rows FROM landing._loads") == [(2, 0)]


def test_a_lower_revision_is_refused_unless_forced(store: LocalStore, warehouse: Path) -> None:
    put(store, "orders", DAY, rows("orders", 3), revision=5)
    load_one(store, warehouse)
    put(store, "orders", DAY, rows("orders", 1), revision=4)

    refused = load_one(store, warehouse)

    assert refused.status == "failed"
    assert "revision 5" in refused.error
    assert "--force" in refused.error
    assert len(keys(warehouse)) == 3
    forced = load_one(store, warehouse, force=True)
    assert (forced.status, forced.numbers) == ("done", {"inserted": 1, "deleted": 3, "skipped": 0})
    assert query(warehouse, "SELECT revision FROM landing._loads") == [(4,)]


def test_force_loads_again_what_is_unchanged_and_mends_a_table(store: LocalStore, warehouse: Path) -> None:
    put(store, "orders", DAY, rows("orders", 3))
    load_one(store, warehouse)
    with duckdb.connect(warehouse) as connection:
        connection.execute("DELETE FROM landing.orders WHERE order_id = 'k1'")

    outcome = load_one(store, warehouse, force=True)

    assert (outcome.status, outcome.numbers) == ("done", {"inserted": 3, "deleted": 2, "skipped": 0})
    assert keys(warehouse) == ["k0", "k1", "k2"]


def test_a_partition_never_ingested_says_what_to_run(store: LocalStore, warehouse: Path) -> None:
    outcome = load_one(store, warehouse)

    assert outcome.status == "failed"
    assert "never ingested" in outcome.error
    assert "ingestor ingest --entity orders --date 2025-11-15" in outcome.error


@pytest.mark.parametrize(
    "data",
    [
        canonical_csv("orders", [row("orders", order_id="k9"), *rows("orders", 2)]),  # longer
        canonical_csv("orders", rows("orders", 3)).replace(b"sale", b"sail"),  # as long
        b"",
    ],
)
def test_an_object_other_than_the_one_named_is_never_loaded(data: bytes, store: LocalStore, warehouse: Path) -> None:
    put(store, "orders", DAY, rows("orders", 3))
    write(store, layout.validated_raw("orders", DAY), data)

    outcome = load_one(store, warehouse)

    assert outcome.status == "failed"
    assert "is not the object that the manifest names" in outcome.error
    assert outcome.error.endswith("ingest again")
    assert keys(warehouse) == []
    assert query(warehouse, "SELECT * FROM landing._loads") == []


def test_an_object_that_is_gone_means_ingest_again(store: LocalStore, warehouse: Path) -> None:
    put(store, "orders", DAY, rows("orders", 3))
    store.delete(layout.validated_raw("orders", DAY))

    outcome = load_one(store, warehouse)

    assert outcome.status == "failed"
    assert "is missing: ingest again" in outcome.error


def test_a_full_temporary_folder_fails_in_words(store: LocalStore) -> None:
    put(store, "orders", DAY, rows("orders", 300))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with duckdb.connect(":memory:") as connection:
        target = DuckdbTarget(connection, "memory")
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
            (outcome,) = loading.load(store, target, [("orders", DAY)], force=False, clock=lambda: FIRST)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert outcome.error == f"cannot write a file in {tempfile.gettempdir()}: File too large"


def test_a_missing_temporary_folder_fails_in_words(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SMALL", 10)
    its = put(store, "orders", DAY, rows("orders", 3))

    with pytest.raises(StageError, match=r"cannot copy .* No such file or directory"):
        fetch_object(store, its, ENTITIES["orders"], tmp_path / "missing" / "copy.csv")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": FORMAT_VERSION + 1}, "install a newer loader"),
        ({"format_version": FORMAT_VERSION - 1}, "ingest again"),
        ({"contract_version": "0" * 16}, "ingest again"),
        ({"entity": "payments"}, "ingest again"),
        ({"partition_date": DAYS[1]}, "ingest again"),
    ],
)
def test_a_manifest_of_another_making_is_refused(
    changes: dict[str, object], said: str, store: LocalStore, warehouse: Path
) -> None:
    put(store, "orders", DAY, rows("orders", 3), changes=changes)

    outcome = load_one(store, warehouse)

    assert outcome.status == "failed"
    assert said in outcome.error
    assert keys(warehouse) == []


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", layout.validated_raw("orders", DAYS[1])])
def test_a_manifest_that_names_the_object_of_another_partition_is_refused(
    key: str, store: LocalStore, warehouse: Path
) -> None:
    its = put(store, "orders", DAY, rows("orders", 3))
    named = its.validated_raw.model_copy(update={"key": key})
    put_manifest(store, layout.manifest("orders", DAY), its.model_copy(update={"validated_raw": named}))

    outcome = load_one(store, warehouse)

    assert "names the object of another partition" in outcome.error


def test_what_is_no_manifest_is_refused(store: LocalStore, warehouse: Path) -> None:
    write(store, layout.manifest("orders", DAY), b'{"entity": "orders"}')

    assert "is no manifest" in load_one(store, warehouse).error


@pytest.mark.parametrize(("there", "named"), [(3, 2), (3, 4), (3, 0), (0, 1)])
def test_another_number_of_rows_than_the_manifest_says_is_not_loaded(
    there: int, named: int, store: LocalStore, warehouse: Path
) -> None:
    put(store, "orders", DAY, rows("orders", 5))
    load_one(store, warehouse)
    data = canonical_csv("orders", rows("orders", there))
    write(store, layout.validated_raw("orders", DAY), data)
    put_manifest(store, layout.manifest("orders", DAY), manifest("orders", DAY, data, named, revision=2))

    outcome = load_one(store, warehouse)

    assert outcome.status == "failed"
    assert "nothing loaded, ingest again" in outcome.error
    assert len(keys(warehouse)) == 5
    assert query(warehouse, "SELECT revision, rows FROM landing._loads") == [(1, 5)]


@pytest.mark.parametrize(
    "bad",
    [
        canonical_csv("orders", rows("orders", 1, total="much")),
        canonical_csv("orders", rows("orders", 1, total="")),
        canonical_csv("orders", rows("orders", 1, ordered_at="2025-02-30T00:00:00Z")),
        canonical_csv("orders", rows("orders", 1)) + b"k1,ragged\n",
        canonical_csv("orders", rows("orders", 1)).replace(b"order_id,customer_id", b"customer_id,order_id"),
        canonical_csv("orders", rows("orders", 1)).replace(b"k0", b"\xff"),
        canonical_csv("orders", rows("orders", 1)) + b'"x\n',
        canonical_csv("orders", rows("orders", 1)) + b'"x',
        canonical_csv("orders", rows("orders", 2))[:-1],
    ],
    ids=["type", "null", "time", "ragged", "columns", "encoding", "quote", "quote at the end", "line without end"],
)
@pytest.mark.parametrize("small", [0, 1 << 17])
def test_one_bad_day_stops_neither_its_neighbours_nor_other_entities(
    bad: bytes, small: int, store: LocalStore, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SMALL", small)
    parts = [(entity, day) for day in DAYS for entity in ("orders", "payments")]
    for entity, day in parts:
        put(store, entity, day, rows(entity, 2))
    write(store, layout.validated_raw("orders", DAYS[1]), bad)
    put_manifest(store, layout.manifest("orders", DAYS[1]), manifest("orders", DAYS[1], bad, 1))

    outcomes = load(store, warehouse, parts)

    (failed,) = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert failed.name == f"orders {DAYS[1]}"
    assert failed.error.endswith("ingest again")
    assert "\n" not in failed.error
    assert [len(keys(warehouse, day=day)) for day in DAYS] == [2, 0, 2]
    assert query(warehouse, "SELECT count(*) FROM landing.payments") == [(6,)]
    assert query(warehouse, "SELECT count(*) FROM landing._loads") == [(5,)]


@pytest.mark.parametrize(("partitions", "size"), [(1, 1 << 30), (2, 1 << 30), (256, 1)])
def test_groups_of_any_size_give_the_same_warehouse(
    partitions: int, size: int, store: LocalStore, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [(entity, day) for day in DAYS for entity in ENTITIES]
    for number, (entity, day) in enumerate(parts):
        put(store, entity, day, rows(entity, number % 4))
    load(store, warehouse, parts)
    monkeypatch.setattr(loading, "GROUP_PARTITIONS", partitions)
    monkeypatch.setattr(loading, "GROUP_BYTES", size)
    other = tmp_path / "other.duckdb"

    outcomes = load(store, other, parts)

    assert {outcome.status for outcome in outcomes} == {"done"}
    assert content(other) == content(warehouse)


@pytest.fixture
def loaded(store: LocalStore, warehouse: Path) -> Iterator[Path]:
    put(store, "orders", DAY, rows("orders", 3, channel="web"))
    load_one(store, warehouse)
    return warehouse


def alter(warehouse: Path, *statements: str) -> None:
    with duckdb.connect(warehouse) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_new_nullable_column_of_the_contract_is_added(store: LocalStore, loaded: Path) -> None:
    alter(loaded, "ALTER TABLE landing.orders DROP COLUMN channel")  # as it was before the contract had it

    assert load_one(store, loaded).status == "unchanged"

    assert query(loaded, "SELECT channel FROM landing.orders") == [(None,)] * 3
    assert load_one(store, loaded, force=True).status == "done"
    assert query(loaded, "SELECT channel, _partition_date FROM landing.orders") == [("web", DAY)] * 3


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE landing.orders ALTER channel TYPE INTEGER USING 1", '"channel" INTEGER'),
        ("ALTER TABLE landing.orders ADD COLUMN colour VARCHAR", "colour is no column of the contract"),
        ("ALTER TABLE landing.orders DROP COLUMN total", "total is missing"),
        ("ALTER TABLE landing.orders ALTER total DROP NOT NULL", '"total" DECIMAL(18,4) NOT NULL'),
    ],
)
def test_a_table_that_does_not_fit_is_refused_and_the_other_entities_are_loaded(
    statement: str, said: str, store: LocalStore, loaded: Path
) -> None:
    alter(loaded, statement)
    put(store, "payments", DAY, rows("payments", 1))

    payments, orders = sorted(load(store, loaded, [("orders", DAY), ("payments", DAY)]), key=lambda o: o.status)

    assert (payments.entity, payments.status) == ("payments", "done")
    assert (orders.entity, orders.status) == ("orders", "failed")
    assert said in orders.error
    assert "drop that table" in orders.error


def test_a_table_dropped_to_fit_the_contract_is_loaded_again(store: LocalStore, loaded: Path) -> None:
    alter(loaded, "DROP TABLE landing.orders")

    outcome = load_one(store, loaded)

    assert (outcome.status, outcome.numbers["inserted"]) == ("done", 3)
    assert len(keys(loaded)) == 3


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a;b", "A", "é", "a.b", "1a"])
def test_names_that_are_not_plain_never_reach_sql(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        identifier(name)
