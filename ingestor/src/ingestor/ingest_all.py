"""Ingestion of many partitions: small landing files are judged together, all others one by one."""

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import partial
from io import BytesIO

from ingestor.ingest import Begun, arrived, begin, ingest
from ingestor.validate.engine import Engine, Judge, JudgeTogether
from libs.entities import ENTITIES, contract_of
from libs.stage.command import Partition, attempt
from libs.stage.report import Outcome
from libs.storage.store import Store

SMALL = 1 << 16
"""Bytes of a landing file that is judged together with others."""

WINDOW = 320
"""Partitions that are looked at before the first of them is judged: of no more are small files in memory at once."""

_SMALL_AT_ONCE = 8
"""Small partitions read or written at once: each mostly waits for its objects to be stored."""

_AT_ONCE = 4
"""Other partitions ingested at once: each holds a block or two of its file."""


def ingest_all(
    source: Store, dest: Store, parts: Sequence[Partition], engine: Engine, judge_together: JudgeTogether
) -> Generator[Outcome]:
    """Ingest partitions, outcomes in their order; one that fails does not stop the others."""
    with ExitStack() as pools:
        few, many = ThreadPoolExecutor(_AT_ONCE), ThreadPoolExecutor(_SMALL_AT_ONCE)
        for pool in (few, many):
            pools.callback(pool.shutdown, cancel_futures=True)
        for begun in range(0, len(parts), WINDOW):
            window = _Window(source, dest, engine, judge_together, few, many)
            yield from window.ingest(parts[begun : begun + WINDOW])


@dataclass(frozen=True)
class _Small:
    """A partition whose landing file is small, and has been read."""

    begun: Begun
    data: bytes

    def end(self, judge: Judge) -> Outcome:
        return self.begun.end(BytesIO(self.data), judge, side_by_side=False)


@dataclass(frozen=True)
class _Window:
    """Ingests some partitions: looks at all of them, judges the small ones entity by entity, writes meanwhile."""

    source: Store
    dest: Store
    engine: Engine
    judge_together: JudgeTogether
    few: ThreadPoolExecutor
    many: ThreadPoolExecutor

    def ingest(self, parts: Sequence[Partition]) -> Iterator[Outcome]:
        looked = dict(zip(parts, self.many.map(self._look, parts), strict=True))
        running: dict[Partition, Future[Outcome]] = {}
        for part, found in looked.items():
            if found is None:
                work = partial(ingest, self.source, self.dest, *part, self.engine)
                running[part] = _submit(self.few, part, work)
        for entity in ENTITIES:
            small = {part: found for part, found in looked.items() if part[0] == entity and isinstance(found, _Small)}
            for (part, one), judge in zip(small.items(), self._judges(list(small.values())), strict=True):
                running[part] = _submit(self.many, part, partial(one.end, judge))
        for part, found in looked.items():
            yield found if isinstance(found, Outcome) else running[part].result()

    def _look(self, part: Partition) -> _Small | Outcome | None:
        """Read a small landing file; return the outcome where nothing is left to do, none where the file is larger."""
        return attempt(*part, partial(self._begun, *part))

    def _begun(self, entity: str, day: date) -> _Small | Outcome | None:
        with arrived(self.source, entity, day) as stream:
            data = stream.read(SMALL + 1)
        if len(data) > SMALL:
            return None
        begun = begin(self.source, self.dest, contract_of(entity), day)
        return begun if isinstance(begun, Outcome) else _Small(begun, data)

    def _judges(self, small: Sequence[_Small]) -> Sequence[Judge]:
        """Judge small files of an entity. After a defect each is judged alone, so that only its file fails."""
        if not small:
            return []
        contract = small[0].begun.contract
        try:
            return self.judge_together([(one.data, one.begun.day) for one in small], contract)
        except Exception:
            traceback.print_exc()
            return [partial(self.engine, contract=contract, partition_date=one.begun.day) for one in small]


def _submit(pool: ThreadPoolExecutor, part: Partition, work: Callable[[], Outcome]) -> Future[Outcome]:
    return pool.submit(lambda: attempt(*part, work))
