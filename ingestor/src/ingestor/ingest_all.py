"""Ingestion of many partitions: small landing files are judged together, all others one by one."""

import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from io import BytesIO
from typing import BinaryIO

from ingestor.ingest import Begun, arrived, begin, ingest
from ingestor.validate.engine import Engine, Judge, JudgeTogether
from libs import layout
from libs.entities import ENTITIES, contract_of
from libs.stage.command import Partition, attempt
from libs.stage.report import Outcome
from libs.storage.store import Store

SMALL = 1 << 16
"""Bytes that a landing file has at most to be judged together with others."""

WINDOW = 320
"""Partitions that are looked at before the first of them is judged: of no more are small files in memory at once."""

BATCH_BYTES, BATCH_LINES = 1 << 20, 1 << 15
"""What is judged together has no more bytes and lines, if it is not one file: what is made of it may be far longer."""

_SMALL_AT_ONCE = 8
"""Small partitions read or written at once: each mostly waits for its objects to be stored."""

_AT_ONCE = 3
"""Other partitions ingested at once: each holds a block or two of its file."""


def ingest_all(
    source: Store, dest: Store, parts: Sequence[Partition], engine: Engine, judge_together: JudgeTogether
) -> Generator[Outcome]:
    """Ingest partitions, outcomes in their order; one that fails does not stop the others."""
    with ThreadPoolExecutor(_AT_ONCE) as few, ThreadPoolExecutor(_SMALL_AT_ONCE) as many:
        window = _Window(source, dest, engine, judge_together, few, many)
        try:
            for at in range(0, len(parts), WINDOW):
                yield from window.ingest(parts[at : at + WINDOW])
        finally:
            for pool in (few, many):
                pool.shutdown(wait=False, cancel_futures=True)


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


@dataclass(frozen=True)
class _Small:
    """A partition whose landing file is small, and has been read."""

    begun: Begun
    data: bytes

    def end(self, judge: Judge) -> Outcome:
        return self.begun.end(BytesIO(self.data), judge, side_by_side=False)


@dataclass(frozen=True)
class _Window:
    """Ingests some partitions: looks at all of them, then the small ones, then the others, for both need memory."""

    source: Store
    dest: Store
    engine: Engine
    judge_together: JudgeTogether
    few: ThreadPoolExecutor
    many: ThreadPoolExecutor

    def ingest(self, parts: Sequence[Partition]) -> Iterator[Outcome]:
        looked = dict(zip(parts, self.many.map(self._look, parts), strict=True))
        outcomes = {part: found for part, found in looked.items() if isinstance(found, Outcome)}
        outcomes.update(self._small({part: found for part, found in looked.items() if isinstance(found, _Small)}))
        others = {
            part: _submit(self.few, part, partial(ingest, self.source, self.dest, *part, self.engine))
            for part in parts
            if part not in outcomes
        }
        return (outcomes[part] if part in outcomes else others[part].result() for part in parts)

    def _look(self, part: Partition) -> _Small | Outcome | None:
        """Read a small landing file; return the outcome where nothing is left to do, none where the file is larger."""
        return attempt(*part, partial(self._begun, *part))

    def _begun(self, entity: str, day: date) -> _Small | Outcome | None:
        if (self.source.size(layout.landing(entity, day)) or 0) > SMALL:
            return None
        held = _Held(self.source)
        begun = begin(held, self.dest, contract_of(entity), day)
        if isinstance(begun, Outcome):
            return begun
        with arrived(held, entity, day) as stream:
            data = stream.read()
        return _Small(begun, data) if len(data) <= SMALL else None

    def _small(self, small: Mapping[Partition, _Small]) -> Iterator[tuple[Partition, Outcome]]:
        """Judge a batch while that before is written."""
        before: list[tuple[Partition, Future[Outcome]]] = []
        for batch in batches(small):
            ones = [small[part] for part in batch]
            judges = self._judges(ones)
            begun = [
                (part, _submit(self.many, part, partial(one.end, judge)))
                for part, one, judge in zip(batch, ones, judges, strict=True)
            ]
            yield from ((part, future.result()) for part, future in before)
            before = begun
        yield from ((part, future.result()) for part, future in before)

    def _judges(self, batch: Sequence[_Small]) -> Sequence[Judge]:
        """Judge small files of an entity. After a defect each is judged alone, so that only its file fails."""
        contract = batch[0].begun.contract
        try:
            return self.judge_together([(one.data, one.begun.day) for one in batch], contract)
        except Exception:
            traceback.print_exc()
            return [partial(self.engine, contract=contract, partition_date=one.begun.day) for one in batch]


def batches(small: Mapping[Partition, _Small]) -> Iterator[list[Partition]]:
    """Divide partitions into what is judged together: of one entity, not too many bytes and lines."""
    for entity in ENTITIES:
        batch: list[Partition] = []
        size = lines = 0
        for part, one in small.items():
            if part[0] != entity:
                continue
            its_lines = one.data.count(b"\n")
            if batch and (size + len(one.data) > BATCH_BYTES or lines + its_lines > BATCH_LINES):
                yield batch
                batch, size, lines = [], 0, 0
            batch.append(part)
            size += len(one.data)
            lines += its_lines
        if batch:
            yield batch


def _submit(pool: ThreadPoolExecutor, part: Partition, work: Callable[[], Outcome]) -> Future[Outcome]:
    return pool.submit(lambda: attempt(*part, work))
