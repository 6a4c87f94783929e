"""From a manifest to a verified local copy of the object that it names."""

import hashlib
from datetime import date
from pathlib import Path

from libs import layout, manifest
from libs.contracts.base import Contract
from libs.errors import ManifestError, ObjectNotFoundError, StageError
from libs.manifest import FORMAT_VERSION, Manifest
from libs.storage.store import CHUNK, Checksums, Store


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


def copy_object(store: Store, its: Manifest, contract: type[Contract], file: Path) -> bool:
    """Copy the validated object to a local file; tell whether there is a quote in it.

    Raises StageError where it is not the one that the manifest names.
    """
    named = its.validated_raw
    where = store.url(named.key)
    checksums, quoted = Checksums(), False
    try:
        with store.read(named.key) as source, file.open("wb") as copy:
            while data := source.read(CHUNK):
                checksums.update(data)
                quoted = quoted or b'"' in data
                copy.write(data)
    except ObjectNotFoundError as error:
        raise ObjectNotFoundError(f"{where}, which the manifest names, is missing: ingest again") from error
    except OSError as error:
        raise StageError(f"cannot copy {where} to {file.parent}: {error.strerror or error}") from error
    if (checksums.size, checksums.sha256) != (named.size, named.sha256):
        raise StageError(
            f"{where} is not the object that the manifest names "
            f"({checksums.size} bytes, sha256 {checksums.sha256[:12]}…; "
            f"expected {named.size}, {named.sha256[:12]}…): ingest again"
        )
    _check_header(where, its.rows.validated, contract, file)
    return quoted


def _check_header(where: str, rows: int, contract: type[Contract], file: Path) -> None:
    """Compare the first line with the contract, for targets read by position; without rows it is all there is."""
    header = (",".join(column.name for column in contract.columns()) + "\n").encode()
    with file.open("rb") as copy:
        first = copy.read(len(header) + 1)
    if not first.startswith(header):
        raise StageError(f"{where} does not begin with the columns of its contract: ingest again")
    if (first == header) != (rows == 0):
        raise StageError(f"{where} and its manifest ({rows} rows) disagree: nothing loaded, ingest again")
