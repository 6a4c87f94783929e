"""Ingestion and loading through a bucket, by the stages' own commands (fake-gcs-server in a container)."""

import hashlib
import json
import sys
import uuid
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from stages import call, objects, tables

from libs import layout
from libs.entities import ENTITIES
from libs.stage.command import day

pytestmark = pytest.mark.docker

FIRST, LAST = "2025-11-01", "2025-11-02"
RANGE = ("--date", FIRST, "--to", LAST)

_SMALL_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 23, 1 << 23))
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def bucket(fake_gcs: str, monkeypatch: pytest.MonkeyPatch) -> storage.Bucket:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake_gcs)
    return storage.Client("test", AnonymousCredentials()).create_bucket(f"lake-{uuid.uuid4().hex}")


def run_days(data: Path, lake: str) -> None:
    call(data, "generator", "generate", *RANGE, "--orders-per-day", "100", "--fault-rate", "0.05", "--dest", lake)
    call(data, "ingestor", "ingest", *RANGE, "--source", lake, "--dest", lake)
    load(data, lake)


def load(data: Path, lake: str, code: int = 0) -> str:
    found = call(data, "loader", "load", *RANGE, "--source", lake, "--warehouse", str(warehouse(data)), code=code)
    return found.stdout + found.stderr


def warehouse(data: Path) -> Path:
    return data / "warehouse" / "shop.duckdb"


def landing(data: Path) -> dict[str, list[tuple[object, ...]]]:
    found = tables(warehouse(data))
    return {name: found[f"landing.{name}"] for name in ENTITIES}


def test_days_go_through_a_bucket_as_through_a_folder(bucket: storage.Bucket, tmp_path: Path) -> None:
    cloud, local = tmp_path / "cloud", tmp_path / "local"
    lake = f"gs://{bucket.name}/shop"
    run_days(cloud, lake)
    run_days(local, str(local / "lake"))

    found = {blob.name.removeprefix("shop/"): blob.download_as_bytes() for blob in bucket.list_blobs()}
    assert {key: hashlib.sha256(data).hexdigest() for key, data in found.items()} == objects(local / "lake")
    assert found[layout.quarantine_raw("orders", day(LAST))].count(b"\n") > 1
    assert landing(cloud) == landing(local)
    assert all(landing(cloud).values())

    before = tables(warehouse(cloud))
    load(cloud, lake)
    assert tables(warehouse(cloud)) == before


def test_an_object_that_was_damaged_in_the_bucket_is_refused_and_made_anew(
    bucket: storage.Bucket, tmp_path: Path
) -> None:
    lake = f"gs://{bucket.name}"
    run_days(tmp_path, lake)
    before = landing(tmp_path)
    damaged = bucket.blob(layout.validated_raw("orders", day(FIRST)))
    whole = damaged.download_as_bytes()
    damaged.upload_from_string(whole.replace(b",sale,", b",SALE,", 1))
    warehouse(tmp_path).unlink()

    said = load(tmp_path, lake, code=1)
    assert f"{lake}/{damaged.name}" in said
    assert "ingest" in said
    assert "Traceback" not in said
    call(tmp_path, "ingestor", "ingest", *RANGE, "--source", lake, "--dest", lake)
    assert damaged.download_as_bytes() == whole
    manifest = json.loads(bucket.blob(layout.manifest("orders", day(FIRST))).download_as_bytes())
    assert manifest["revision"] == 1
    load(tmp_path, lake)
    assert landing(tmp_path) == before


def test_a_large_file_goes_from_bucket_to_bucket_without_a_copy_of_it_here(
    bucket: storage.Bucket, tmp_path: Path
) -> None:
    """As where no file of this machine may be half as large as the landing file."""
    lake = f"gs://{bucket.name}"
    orders = ("--entity", "orders", "--date", FIRST)
    call(tmp_path, "generator", "generate", *orders, "--orders-per-day", "100000", "--dest", lake)
    ingest = (sys.executable, "-c", _SMALL_FILES, "ingestor", "ingest", *orders, "--source", lake, "--dest")

    call(tmp_path, *ingest, lake)
    landing_file = bucket.get_blob(layout.landing("orders", day(FIRST)))
    raw = bucket.get_blob(layout.raw("orders", day(FIRST)))
    assert raw.crc32c == landing_file.crc32c
    assert raw.size > 2 << 23
    assert "File too large" in call(tmp_path, *ingest, str(tmp_path / "lake"), code=1).stderr
