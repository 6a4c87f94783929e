"""The manifest of a partition: written last, it is the commit point. What no manifest names does not exist.

It holds no clock, no run id and no generation, so that equal work gives equal bytes.
"""

from datetime import date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from libs import layout
from libs.errors import ManifestError
from libs.storage.store import Checksums, Store

FORMAT_VERSION = 1
"""Of the objects that ingestion writes: canonical CSV, quarantine object, manifest."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NamedObject(_Part):
    """An object as it must be found: key, size in bytes, checksums in hexadecimal."""

    key: str
    size: int
    sha256: str
    crc32c: str

    @classmethod
    def of(cls, key: str, checksums: Checksums) -> Self:
        """Name what was just read or written."""
        return cls(key=key, size=checksums.size, sha256=checksums.sha256, crc32c=checksums.crc32c)


class Rows(_Part):
    """Numbers of records: raw = validated + quarantined."""

    raw: int
    validated: int
    quarantined: int


class Drift(_Part):
    """How the file's columns differ from the contract's."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


class Manifest(_Part):
    """What ingestion made of one partition."""

    format_version: int
    contract_version: str
    entity: str
    partition_date: date
    revision: int
    source: NamedObject
    raw: NamedObject
    validated_raw: NamedObject
    quarantine_raw: NamedObject
    rows: Rows
    errors: dict[str, int]
    drift: Drift

    def is_of(self, entity: str, day: date) -> bool:
        """Tell whether it describes this partition, at the keys of the layout."""
        keys = (self.source.key, self.raw.key, self.validated_raw.key, self.quarantine_raw.key)
        layouts = (layout.landing, layout.raw, layout.validated_raw, layout.quarantine_raw)
        return (self.entity, self.partition_date, keys) == (entity, day, tuple(key(entity, day) for key in layouts))

    def to_bytes(self) -> bytes:
        """Render the manifest; equal manifests are equal bytes."""
        return to_json(_in_order(self.model_dump(mode="json")), indent=2) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Self:
        """Read a manifest. Raises ManifestError, which names where it was."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "the whole"
            raise ManifestError(
                f"{where} is no manifest ({field}: {first['msg']}): ingest the partition again"
            ) from error


def _in_order(value: Any) -> Any:
    """Sort the keys of a JSON object."""
    return {key: _in_order(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def find(store: Store, entity: str, day: date) -> tuple[Manifest, str] | None:
    """Return the manifest of a partition with its version in the store, None where it was never ingested."""
    key = layout.manifest(entity, day)
    found = store.read_versioned(key)
    if found is None:
        return None
    return Manifest.from_bytes(found[0], store.url(key)), found[1]
