"""Loading: validated objects, as their manifests name them, into the landing tables of a target.

Partitions of one entity are gathered into groups, and a group is one transaction: most of what a small partition costs
is the transaction. Where a group fails each of its days is tried alone, so that good days are committed all the same.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from libs.contracts.base import Contract
from libs.entities import ENTITIES
from libs.errors import StageError
from libs.stage.command import Partition
from libs.stage.report import Outcome, Status
from libs.storage.store import Store
from loader.targets.target import Ingested, Loaded, Target, Verified
from loader.verify import fetch_object, find_manifest, manifest_sha256

GROUP_PARTITIONS = 256
"""A group has no more partitions than this."""

GROUP_BYTES = 256 << 20
"""A group that has reached this size is closed: it lies in memory or on the local disk until it is loaded."""


def load(
    store: Store, target: Target, parts: Sequence[Partition], *, force: bool, clock: Callable[[], datetime]
) -> Iterator[Outcome]:
    """Load partitions; yield what became of each, entity by entity.

    All landing tables are made first. `force` loads what is unchanged, or newer in the warehouse, too. `clock` tells
    the time in UTC, without a time zone.
    """
    misfits = target.prepare(ENTITIES.values())
    ledger = target.ledger()
    for entity, contract in ENTITIES.items():
        days = [day for name, day in parts if name == entity]
        if entity in misfits:
            yield from (_failed(entity, day, misfits[entity]) for day in days)
        elif days:
            yield from _EntityLoad(store, target, contract, ledger, force, clock).run(days)


@dataclasses.dataclass(frozen=True)
class _EntityLoad:
    store: Store
    target: Target
    contract: type[Contract]
    ledger: Mapping[Partition, Loaded]
    force: bool
    clock: Callable[[], datetime]

    def run(self, days: Sequence[date]) -> Iterator[Outcome]:
        """Gather groups and load them."""
        left = deque(days)
        while left:
            with TemporaryDirectory(prefix="loader-") as folder:
                group: list[Verified] = []
                size = 0
                while left and len(group) < GROUP_PARTITIONS and size < GROUP_BYTES:
                    found = self._verify(left.popleft(), Path(folder))
                    if isinstance(found, Outcome):
                        yield found
                    else:
                        group.append(found)
                        size += found.content.size
                if group:
                    yield from self._commit(group)

    def _verify(self, day: date, folder: Path) -> Verified | Outcome:
        """Return the partition ready to load, or what became of it already."""
        try:
            its = find_manifest(self.store, self.contract, day)
            part = Ingested(
                day=day,
                revision=its.revision,
                manifest_sha256=manifest_sha256(its),
                rows=its.rows.validated,
                source_object=its.validated_raw.key,
            )
            loaded = self.ledger.get((self.contract.entity, day))
            if loaded and not self.force:
                if loaded.manifest_sha256 == part.manifest_sha256:
                    return self._outcome("unchanged", part, skipped=loaded.rows)
                if part.revision < loaded.revision:
                    raise StageError(
                        f"the warehouse has revision {loaded.revision}, {self.store.uri} only {part.revision}: "
                        "load with --force if that source is the right one"
                    )
            content = fetch_object(self.store, its, self.contract, folder / f"{day}.csv")
            return Verified(**vars(part), content=content)
        except StageError as error:
            return _failed(self.contract.entity, day, error)

    def _commit(self, group: Sequence[Verified]) -> Iterator[Outcome]:
        """Load a group in one transaction, or else each day in one of its own."""
        try:
            deleted = self.target.replace(self.contract, group, self.clock())
        except StageError as error:
            if len(group) == 1:
                yield _failed(self.contract.entity, group[0].day, error)
                return
            for part in group:
                yield from self._commit([part])
        else:
            for part in group:
                yield self._outcome("done", part, inserted=part.rows, deleted=deleted.get(part.day, 0))

    def _outcome(self, status: Status, part: Ingested, **numbers: int) -> Outcome:
        return Outcome(
            self.contract.entity,
            part.day,
            status,
            numbers={"inserted": 0, "deleted": 0, "skipped": 0, **numbers},
            details={
                "revision": part.revision,
                "validated": part.rows,
                "source_object": part.source_object,
                "warehouse": self.target.warehouse,
            },
        )


def _failed(entity: str, day: date, error: StageError | str) -> Outcome:
    return Outcome(entity, day, "failed", error=str(error))
