"""Ingestion of one partition: landing in; raw, validated_raw, quarantine_raw and, last of all, the manifest out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO, Protocol

from ingestor.partition import samples
from ingestor.records import ByteStream
from ingestor.validate.engine import Engine, Judgement, RefusedError
from libs import layout
from libs.contracts.base import Contract
from libs.entities import contract_of
from libs.errors import ConflictError, ManifestError, ObjectNotFoundError, StageError
from libs.manifest import FORMAT_VERSION, Drift, Manifest, NamedObject
from libs.stage.report import Outcome, Status
from libs.storage.store import Checksums, ObjectWriter, Stat, Store, checksums_of, write_all

LAYERS = {"raw": layout.raw, "validated_raw": layout.validated_raw, "quarantine_raw": layout.quarantine_raw}
"""What is written before the manifest, and its key."""

SAMPLES = 5
"""Quarantined records shown in an outcome."""


def ingest(source: Store, dest: Store, entity: str, day: date, engine: Engine) -> Outcome:
    """Ingest the landing file of a partition, unless what the manifest says of it still holds.

    Nothing is published of a file that is refused. Raises StageError; CallError for an unknown entity.
    """
    contract = contract_of(entity)
    begun = begin(source, dest, contract, day)
    if isinstance(begun, Outcome):
        return begun
    with arrived(source, entity, day) as stream:
        try:
            judgement, checksums = _write_objects(stream, dest, contract, day, engine)
        except RefusedError as error:
            raise begun.refused(error) from error
    manifest = begun.manifest(judgement, checksums)
    _commit(dest, manifest, begun.version)
    return begun.done(manifest, _samples(dest, manifest))


class Landing(Protocol):
    """What ingestion needs of the store of landing files."""

    def url(self, key: str) -> str:
        """Return where an object is."""

    def read(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for reading. Raises ObjectNotFoundError."""


def begin(source: Landing, dest: Store, contract: type[Contract], day: date) -> "Begun | Outcome":
    """Begin the ingestion of a partition; return its outcome where there is nothing to do. Raises StageError."""
    previous, version, warning = _previous(dest, contract.entity, day)
    if previous is not None and _still_holds(previous, source, dest, contract):
        return _outcome("unchanged", previous, _samples(dest, previous), source, dest, warning)
    return Begun(source, dest, contract, day, previous, version, warning)


@dataclass(frozen=True)
class Begun:
    """The ingestion of a partition that has something to do: the manifest in force, and the version of its object."""

    source: Landing
    dest: Store
    contract: type[Contract]
    day: date
    previous: Manifest | None
    version: str | None
    warning: str | None

    def refused(self, error: RefusedError) -> StageError:
        """Tell of a landing file that cannot be used."""
        url = self.source.url(layout.landing(self.contract.entity, self.day))
        return StageError(f"{url} is refused, nothing was written: {error}")

    def manifest(self, judgement: Judgement, checksums: Mapping[str, Checksums]) -> Manifest:
        """Describe what was found, and the object of each layer."""
        contract, entity, day = self.contract, self.contract.entity, self.day
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            contract_version=contract.version(),
            entity=entity,
            partition_date=day,
            revision=1,
            # What was read is what raw holds, so that both agree even if the landing file changed meanwhile.
            source=NamedObject.of(layout.landing(entity, day), checksums["raw"]),
            **{layer: NamedObject.of(key(entity, day), checksums[layer]) for layer, key in LAYERS.items()},
            rows=judgement.rows,
            errors=judgement.errors,
            drift=judgement.drift,
        )
        return _revised(manifest, self.previous)

    def done(self, manifest: Manifest, quarantined: Sequence[Mapping[str, Any]]) -> Outcome:
        """Tell of an ingestion whose manifest is in force, with samples of what was quarantined."""
        return _outcome("done", manifest, quarantined, self.source, self.dest, self.warning)


def _previous(dest: Store, entity: str, day: date) -> tuple[Manifest | None, str | None, str | None]:
    """Return the manifest in force, the version of its object, and a warning where it is there but unreadable."""
    key = layout.manifest(entity, day)
    found = dest.read_versioned(key)
    if found is None:
        return None, None, None
    data, version = found
    try:
        manifest = Manifest.from_bytes(data, dest.url(key))
        if not manifest.is_of(entity, day):
            raise ManifestError(f"{dest.url(key)} is the manifest of another partition")
        return manifest, version, None
    except ManifestError as error:
        said = str(error).removesuffix(": ingest the partition again")
        return None, version, f"{said}: it is replaced, revisions begin with 1 again, load the partition with --force"


def _still_holds(manifest: Manifest, source: Landing, dest: Store, contract: type[Contract]) -> bool:
    """Tell whether ingesting again would only repeat what stands there already.

    Checksums are compared, not sizes alone: where the loader has refused an object and said "ingest again", that must
    mend it. The source is read for its sha256; for what ingestion wrote, the checksum that the store keeps is enough.
    """
    return (
        manifest.contract_version == contract.version()
        and manifest.format_version == FORMAT_VERSION
        and _is_unchanged(source, manifest.source)
        and all(_stands(dest, named) for named in (manifest.raw, manifest.validated_raw, manifest.quarantine_raw))
    )


def _is_unchanged(source: Landing, named: NamedObject) -> bool:
    try:
        with source.read(named.key) as stream:
            return NamedObject.of(named.key, checksums_of(stream)) == named
    except ObjectNotFoundError:
        return False


def _stands(store: Store, named: NamedObject) -> bool:
    return store.stat(named.key) == Stat(named.size, named.crc32c)


def _revised(manifest: Manifest, previous: Manifest | None) -> Manifest:
    """Count the revision up, unless only objects that were lost or damaged have been written anew."""
    if previous is None:
        return manifest
    same = manifest.model_copy(update={"revision": previous.revision})
    return same if same == previous else manifest.model_copy(update={"revision": previous.revision + 1})


def _write_objects(
    stream: BinaryIO, dest: Store, contract: type[Contract], day: date, engine: Engine
) -> tuple[Judgement, dict[str, Checksums]]:
    """Read the source once and write its three objects, published when all are complete."""
    with write_all(dest, [key(contract.entity, day) for key in LAYERS.values()]) as opened:
        writers = dict(zip(LAYERS, opened, strict=True))
        judgement = engine(
            _Tee(stream, writers["raw"]),
            contract,
            day,
            validated=writers["validated_raw"],
            quarantine=writers["quarantine_raw"],
        )
    return judgement, {layer: writer.checksums for layer, writer in writers.items()}


@contextmanager
def arrived(source: Landing, entity: str, day: date) -> Iterator[BinaryIO]:
    """Open a landing file. Raises StageError where there is none."""
    with ExitStack() as opened:
        try:
            stream = opened.enter_context(source.read(layout.landing(entity, day)))
        except ObjectNotFoundError as error:
            raise StageError(f"the landing file has not arrived: {error}") from error
        yield stream


class _Tee:
    """A stream whose bytes are copied as they are read."""

    def __init__(self, stream: ByteStream, copy: ObjectWriter) -> None:
        self._stream = stream
        self._copy = copy

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._copy.write(data)
        return data


def _commit(dest: Store, manifest: Manifest, version: str | None) -> None:
    """Put the manifest in force."""
    key = layout.manifest(manifest.entity, manifest.partition_date)
    data = manifest.to_bytes()
    try:
        dest.write_if(key, data, version)
    except ConflictError as error:
        raise_unless_in_force(error, dest, key, data)


def raise_unless_in_force(error: Exception, dest: Store, key: str, data: bytes) -> None:
    """Raise the error with which a manifest was refused, unless another run has put the same one in force."""
    found = dest.read_versioned(key) if isinstance(error, ConflictError) else None
    if found is None or found[0] != data:
        raise error


def _outcome(
    status: Status,
    manifest: Manifest,
    quarantined: Sequence[Mapping[str, Any]],
    source: Landing,
    dest: Store,
    warning: str | None,
) -> Outcome:
    entity, day, rows = manifest.entity, manifest.partition_date, manifest.rows
    details: dict[str, Any] = {
        "urls": {
            "source": source.url(manifest.source.key),
            **{layer: dest.url(key(entity, day)) for layer, key in LAYERS.items()},
            "manifest": dest.url(layout.manifest(entity, day)),
        },
        "source_sha256": manifest.source.sha256,
        "objects": {layer: getattr(manifest, layer).model_dump() for layer in LAYERS},
        "contract_version": manifest.contract_version,
        "revision": manifest.revision,
        "drift": manifest.drift.model_dump(mode="json"),
        "errors": manifest.errors,
        "samples": list(quarantined),
    }
    if warnings := [one for one in (warning, _drifted(manifest.drift)) if one]:
        details["warning"] = "; ".join(warnings)
    numbers = {
        "rows": rows.raw,
        "validated": rows.validated,
        "quarantined": rows.quarantined,
        "bytes": manifest.source.size,
    }
    return Outcome(entity, day, status, numbers, details)


def _drifted(drift: Drift) -> str | None:
    """Say how the file's columns differ from the contract's, for a misspelt one is null in every row."""
    missing = f"columns that the file lacks are null: {', '.join(drift.missing)}" if drift.missing else ""
    extra = f"columns that the contract does not know are in raw only: {', '.join(drift.extra)}" if drift.extra else ""
    return "; ".join(filter(None, (missing, extra))) or None


def _samples(dest: Store, manifest: Manifest) -> list[dict[str, Any]]:
    if not manifest.rows.quarantined:
        return []
    with dest.read(manifest.quarantine_raw.key) as stream:
        return list(samples(stream, SAMPLES))
