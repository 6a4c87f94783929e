"""From a manifest to the verified content of the object that it names."""

import hashlib
from contextlib import nullcontext
from datetime import date
from io import BytesIO
from pathlib import Path

from libs import layout, manifest
from libs.contracts.base import Contract
from libs.errors import ManifestError, ObjectNotFoundError, StageError
from libs.manifest import FORMAT_VERSION, Manifest
from libs.storage.store import CHUNK, Checksums, Store
from loader.targets.target import Content

SMALL = 1 << 17
"""Bytes of an object that is held in memory until it is loaded."""


def find_manifest(store: Store, contract: type[Contract], day: date) -> Manifest:
    """Return the manifest of a partition. Raises ManifestError where there is none, or none that may be loaded."""
    entity = contract.entity
    found = manifest.find(store, entity, day)
    if found is None:
        raise ManifestError(f"was never ingested: run `ingestor ingest --entity {entity} --date {day} …` first")
    its, where = found[0], store.url(layout.manifest(entity, day))
    if its.format_version > FORMAT_VERSION:
        raise ManifestError(
            f"{where} has format {its.format_version}, this loader knows {FORMAT_VERSION}: install a newer loader"
        )
    if its.format_version < FORMAT_VERSION:
        raise ManifestError(f"{where} has the old format {its.format_version}: ingest again")
    if (its.entity, its.partition_date) != (entity, day):
        raise ManifestError(f"{where} is of {its.entity} {its.partition_date}: ingest again")
    if its.contract_version != contract.version():
        raise ManifestError(
            f"{where} was made by contract {its.contract_version}, now it is {contract.version()}: ingest again"
        )
    if its.validated_raw.key != layout.validated_raw(entity, day):
        raise ManifestError(f"{where} names the object of another partition, {its.validated_raw.key!r}: ingest again")
    return its


def manifest_sha256(its: Manifest) -> str:
    """Return the checksum of a manifest: equal work has the same one."""
    return hashlib.sha256(its.to_bytes()).hexdigest()


def fetch_object(store: Store, its: Manifest, contract: type[Contract], file: Path) -> Content:
    """Return the validated object: its bytes where they are few, else a copy of it in this local file.

    Raises StageError where it is not the one that the manifest names.
    """
    named = its.validated_raw
    where = store.url(named.key)
    small = BytesIO() if named.size <= SMALL else None
    checksums, quotes, begin, end = Checksums(), 0, b"", b""
    try:
        with store.read(named.key) as source, nullcontext(small) if small else file.open("wb") as copy:
            while data := source.read(CHUNK):
                begin, end = begin or data, data[-1:]
                checksums.update(data)
                quotes += data.count(b'"')
                if checksums.size <= named.size:
                    copy.write(data)
    except ObjectNotFoundError as error:
        raise ObjectNotFoundError(f"{where}, which the manifest names, is missing: ingest again") from error
    except OSError as error:
        raise StageError(
            f"cannot copy {where} to {'memory' if small else file.parent}: {error.strerror or error}"
        ) from error
    if (checksums.size, checksums.sha256) != (named.size, named.sha256):
        raise StageError(
            f"{where} is not the object that the manifest names "
            f"({checksums.size} bytes, sha256 {checksums.sha256[:12]}…; "
            f"expected {named.size}, {named.sha256[:12]}…): ingest again"
        )
    _check_header(where, begin, checksums.size, its.rows.validated, contract)
    if quotes % 2 or end != b"\n":  # DuckDB may leave out what is no whole record
        raise StageError(f"{where} ends within a record: nothing loaded, ingest again")
    return Content(small.getvalue() if small else file, checksums.size, quoted=quotes > 0)


def _check_header(where: str, begin: bytes, size: int, rows: int, contract: type[Contract]) -> None:
    """Compare the first line with the contract, for targets read by position; without rows it is all there is."""
    header = (",".join(column.name for column in contract.columns()) + "\n").encode()
    if not begin.startswith(header):
        raise StageError(f"{where} does not begin with the columns of its contract: ingest again")
    if (size == len(header)) != (rows == 0):
        raise StageError(f"{where} and its manifest ({rows} rows) disagree: nothing loaded, ingest again")
