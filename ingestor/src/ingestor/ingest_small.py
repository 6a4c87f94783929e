"""Ingestion of small landing files: many are judged, and what is made of them is written, at once."""

import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from io import BytesIO
from typing import BinaryIO

from ingestor.ingest import LAYERS, Begun, arrived, begin, is_in_force
from ingestor.validate.engine import Engine, Judged, JudgeTogether, RefusedError, judge_alone
from libs import layout
from libs.entities import ENTITIES, contract_of
from libs.errors import ConflictError
from libs.manifest import Manifest
from libs.stage.command import Partition, attempt
from libs.stage.report import Outcome
from libs.storage.store import Store, checksums_of_bytes

SMALL = 1 << 16
"""Bytes that a landing file has at most to be judged together with others."""

BATCH_FILES, BATCH_BYTES, BATCH_LINES = 64, 1 << 20, 1 << 15
"""What is judged together has no more files, bytes and lines, if it is not one file: of each file three objects may be
open at once, and what is made of its lines may be far longer."""


@dataclass(frozen=True)
class Small:
    """A partition whose landing file is small, and has been read."""

    begun: Begun
    data: bytes


@dataclass(frozen=True)
class _Ready:
    """A manifest that may be put in force, for its objects stand."""

    begun: Begun
    manifest: Manifest
    key: str
    data: bytes


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


def write(
    dest: Store, batch: Mapping[Partition, Small], found: Mapping[Partition, _Found]
) -> Generator[dict[Partition, Outcome]]:
    """Write the objects of small files, then the manifests of those whose objects all stand, then yield outcomes.

    Before that nothing is yielded, twice: the store has been given something, and who iterates can do something else.
    """
    judged = [(part, one) for part, one in found.items() if isinstance(one, Judged)]
    objects = {key: data for part, one in judged for key, data in _objects(part, one).items()}
    with closing(dest.begin_many(objects)) as writing:
        yield {}
        errors = writing.finish()
    ready = {part: attempt(*part, partial(_ready, batch[part].begun, one, errors)) for part, one in found.items()}
    manifests = {one.key: (one.data, one.begun.version) for one in ready.values() if isinstance(one, _Ready)}
    with closing(dest.begin_many_if(manifests)) as writing:
        yield {}
        errors = writing.finish()
    yield {
        part: attempt(*part, partial(_done, dest, one, errors)) if isinstance(one, _Ready) else one
        for part, one in ready.items()
    }


def _objects(part: Partition, judged: Judged) -> dict[str, bytes]:
    made = {"raw": judged.data, "validated_raw": judged.validated, "quarantine_raw": judged.quarantine}
    return {key(*part): made[layer] for layer, key in LAYERS.items()}


def _ready(begun: Begun, found: _Found, errors: Mapping[str, Exception]) -> _Ready | Outcome:
    """Describe objects that all stand. Raises StageError for a file that was refused, or whose object has an error."""
    if isinstance(found, Outcome):
        return found
    if isinstance(found, RefusedError):
        raise begun.refused(found) from found
    entity, day = begun.contract.entity, begun.day
    objects = _objects((entity, day), found)
    for key in objects:
        if key in errors:
            raise errors[key]
    checksums = dict(zip(LAYERS, map(checksums_of_bytes, objects.values()), strict=True))
    manifest = begun.manifest(found.judgement, checksums)
    return _Ready(begun, manifest, layout.manifest(entity, day), manifest.to_bytes())


def _done(dest: Store, ready: _Ready, errors: Mapping[str, Exception]) -> Outcome:
    """Tell of a manifest that is in force; another run may have put the same one there."""
    error = errors.get(ready.key)
    if error is not None and not (isinstance(error, ConflictError) and is_in_force(dest, ready.key, ready.data)):
        raise error
    return ready.begun.done(ready.manifest)
