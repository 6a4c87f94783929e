"""Ingestion of many partitions: small landing files are judged together, all others one by one."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from ingestor.ingest import ingest
from ingestor.ingest_small import Ingesting, Small, batches, judge, read_small
from ingestor.validate.engine import Engine, JudgeTogether
from libs.stage.command import Partition, attempt
from libs.stage.report import Outcome
from libs.storage.store import Store

WINDOW = 240
"""Partitions that are looked at before the first of them is judged: of no more are small files in memory at once."""

_AT_ONCE = 3
"""Other partitions ingested at once: each holds a block or two of its file."""


def ingest_all(
    source: Store, dest: Store, parts: Sequence[Partition], engine: Engine, judge_together: JudgeTogether
) -> Generator[Outcome]:
    """Ingest partitions, outcomes in their order; one that fails does not stop the others."""
    with ThreadPoolExecutor(_AT_ONCE) as others, ThreadPoolExecutor(source.at_once) as reading:
        window = _Window(source, dest, engine, judge_together, others, reading)
        try:
            for at in range(0, len(parts), WINDOW):
                yield from window.ingest(parts[at : at + WINDOW])
        finally:
            for pool in (others, reading):
                pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class _Window:
    """Ingests some partitions: looks at all of them, then the small ones, then the others, for both need memory."""

    source: Store
    dest: Store
    engine: Engine
    judge_together: JudgeTogether
    others: ThreadPoolExecutor
    reading: ThreadPoolExecutor

    def ingest(self, parts: Sequence[Partition]) -> Iterator[Outcome]:
        looked = dict(zip(parts, self.reading.map(self._look, parts), strict=True))
        outcomes = {part: found for part, found in looked.items() if isinstance(found, Outcome)}
        outcomes.update(self._small({part: found for part, found in looked.items() if isinstance(found, Small)}))
        others = {part: self.others.submit(self._other, part) for part in parts if part not in outcomes}
        return (outcomes[part] if part in outcomes else others[part].result() for part in parts)

    def _look(self, part: Partition) -> Small | Outcome | None:
        return attempt(*part, partial(read_small, self.source, self.dest, *part))

    def _other(self, part: Partition) -> Outcome:
        return attempt(*part, partial(ingest, self.source, self.dest, *part, self.engine))

    def _small(self, small: Mapping[Partition, Small]) -> Iterator[tuple[Partition, Outcome]]:
        """Judge a batch while that before is on its way into the store."""
        before = Ingesting(self.dest, {}, {})
        try:
            for batch in batches(small):
                found = judge(batch, self.engine, self.judge_together)
                yield from before.finish().items()
                before = Ingesting(self.dest, batch, found)
                before.begin()
            yield from before.finish().items()
        finally:
            before.close()
