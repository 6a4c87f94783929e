"""Ingestion of small landing files: many are judged, and what is made of them is written, at once."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO

from ingestor.ingest import LAYERS, SAMPLES, Begun, arrived, begin, raise_unless_in_force
from ingestor.partition import samples
from ingestor.validate.engine import Engine, Judged, JudgeTogether, RefusedError, judge_alone
from libs import layout
from libs.entities import ENTITIES, contract_of
from libs.manifest import Manifest
from libs.stage.command import Partition, attempt
from libs.stage.report import Outcome
from libs.storage.store import Commit, Store, checksums_of

SMALL = 1 << 16
"""Bytes that a landing file has at most to be judged together with others."""

BATCH_FILES, BATCH_BYTES, BATCH_LINES = 48, 1 << 20, 1 << 15
"""What is judged together has no more files, bytes and lines, if it is not one file: four files are open of each while
they are written (macOS lets a process have 256), and what is made of lines may be far longer than they are."""


@dataclass(frozen=True)
class Small:
    """A partition whose landing file is small, and has been read."""

    begun: Begun
    data: bytes


@dataclass(frozen=True)
class _Ready:
    """A partition that is to be committed: the manifest that will be in force, samples of what was quarantined."""

    begun: Begun
    manifest: Manifest
    commit: Commit
    quarantined: list[dict[str, Any]]


_Found = Judged | RefusedError | Outcome
"""What was found of a small file; an outcome if judging failed."""


def read_small(source: Store, dest: Store, entity: str, day: date) -> Small | Outcome | None:
    """Read a small landing file; return the outcome where nothing is left to do, none where the file is larger.

    Raises StageError.
    """
    if (source.size(layout.landing(entity, day)) or 0) > SMALL:
        return None
    held = _Held(source)
    begun = begin(held, dest, contract_of(entity), day)
    if isinstance(begun, Outcome):
        return begun
    with arrived(held, entity, day) as stream:
        data = stream.read()
    return Small(begun, data) if len(data) <= SMALL else None


class _Held:
    """A store of which one small file is read, once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._data: bytes | None = None

    def url(self, key: str) -> str:
        return self._store.url(key)

    @contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        if self._data is None:
            with self._store.read(key) as stream:
                self._data = stream.read(SMALL + 1)
        yield BytesIO(self._data)


def batches(small: Mapping[Partition, Small]) -> Iterator[dict[Partition, Small]]:
    """Divide partitions into what is judged together: of one entity, not too many files, bytes and lines."""
    for entity in ENTITIES:
        batch: dict[Partition, Small] = {}
        size = lines = 0
        for part, one in small.items():
            if part[0] != entity:
                continue
            its_lines = one.data.count(b"\n")
            full = len(batch) == BATCH_FILES or size + len(one.data) > BATCH_BYTES or lines + its_lines > BATCH_LINES
            if batch and full:
                yield batch
                batch, size, lines = {}, 0, 0
            batch[part] = one
            size += len(one.data)
            lines += its_lines
        if batch:
            yield batch


def judge(
    batch: Mapping[Partition, Small], engine: Engine, judge_together: JudgeTogether
) -> Mapping[Partition, _Found]:
    """Judge small files of an entity. After a defect each is judged alone, so that only its file fails."""
    contract = next(iter(batch.values())).begun.contract
    files = [(one.data, day) for (_, day), one in batch.items()]
    try:
        return dict(zip(batch, judge_together(files, contract), strict=True))
    except Exception:
        traceback.print_exc()
        return {
            (entity, day): attempt(entity, day, partial(judge_alone, engine, data, contract, day))
            for (entity, day), (data, _) in zip(batch, files, strict=True)
        }


class Ingesting:
    """Small partitions on their way into a store, while others are judged."""

    def __init__(self, dest: Store, batch: Mapping[Partition, Small], found: Mapping[Partition, _Found]) -> None:
        self._dest = dest
        self._ready = {part: attempt(*part, partial(_ready, batch[part].begun, one)) for part, one in found.items()}
        self._committing = dest.commit([one.commit for one in self._ready.values() if isinstance(one, _Ready)])

    def begin(self) -> None:
        """Give them to the store."""
        self._committing.begin()

    def finish(self) -> dict[Partition, Outcome]:
        """Wait until they are committed; return what became of each."""
        errors = iter(self._committing.finish())
        return {
            part: attempt(*part, partial(_done, self._dest, one, next(errors))) if isinstance(one, _Ready) else one
            for part, one in self._ready.items()
        }

    def close(self) -> None:
        """Drop what is not committed yet, where the store still can."""
        self._committing.close()


def _ready(begun: Begun, found: _Found) -> _Ready | Outcome:
    """Make what is to be written. Raises StageError for a file that was refused."""
    if isinstance(found, Outcome):
        return found
    if isinstance(found, RefusedError):
        raise begun.refused(found) from found
    entity, day = begun.contract.entity, begun.day
    made = {"raw": found.data, "validated_raw": found.validated, "quarantine_raw": found.quarantine}
    checksums = {layer: checksums_of(BytesIO(data)) for layer, data in made.items()}
    manifest = begun.manifest(found.judgement, checksums)
    objects = {key(entity, day): made[layer] for layer, key in LAYERS.items()}
    commit = Commit(objects, layout.manifest(entity, day), manifest.to_bytes(), begun.version)
    return _Ready(begun, manifest, commit, list(samples(BytesIO(found.quarantine), SAMPLES)))


def _done(dest: Store, ready: _Ready, error: Exception | None) -> Outcome:
    if error is not None:
        raise_unless_in_force(error, dest, ready.commit.key, ready.commit.data)
    return ready.begun.done(ready.manifest, ready.quarantined)
