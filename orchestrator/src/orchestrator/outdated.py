"""A condition of automation: something upstream is newer than the asset itself."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg


class Outdated(dg.AutomationCondition[dg.AssetKey]):
    """Hold where any direct upstream was materialized after the asset itself was, or the asset never was.

    By partition where asset and upstream have partitions, else by their latest materializations. Compared are the
    numbers of events in the log, read when the condition is evaluated: no state is kept between two evaluations.
    """

    @property
    def name(self) -> str:
        """Return what Dagster's pages call it."""
        return "outdated"

    def evaluate(self, context: Any) -> Any:
        """Return those of the candidates that are outdated."""
        key, candidates, found = context.key, context.candidate_subset, context.get_empty_subset()
        log = context.asset_graph_view.instance.event_log_storage
        parents = context.asset_graph.get(key).parent_keys
        if candidates.is_empty:
            pass
        elif candidates.is_partitioned:
            days = set(candidates.expensively_compute_partition_keys())
            own, *others = (_latest_by_day(log, one, days) for one in (key, *parents))
            old = {day for day in days if _outdated(own.get(day), (other.get(day) for other in others))}
            found = context.asset_graph_view.get_subset_from_partition_keys(key, context.partitions_def, old)
        else:
            latest = log.get_latest_materialization_storage_ids([key, *parents])
            if _outdated(latest.get(key), map(latest.get, parents)):
                found = candidates
        return dg.AutomationResult(context, found)


def _latest_by_day(log: Any, key: dg.AssetKey, days: set[str]) -> Mapping[str, int]:
    """Return the number of the latest materialization of each day."""
    found: Mapping[str, int] = log.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, days
    )
    return found


def _outdated(own: int | None, others: Iterable[int | None]) -> bool:
    return any(other is not None and (own is None or other > own) for other in others)
