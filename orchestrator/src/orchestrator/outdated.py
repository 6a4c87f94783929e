"""A condition of automation: of a day, something upstream is newer than the asset itself."""

from collections.abc import Mapping
from typing import Any

import dagster as dg


class Outdated(dg.AutomationCondition[dg.AssetKey]):
    """Hold for the days on which any direct upstream was materialized after the asset itself, or the asset never was.

    For an asset whose upstreams have the same partitions. Compared are the numbers of events in the log, read when the
    condition is evaluated: no state is kept between two evaluations.
    """

    @property
    def name(self) -> str:
        """Return what Dagster's pages call it."""
        return "outdated"

    def evaluate(self, context: Any) -> Any:
        """Return those of the candidates that are outdated."""
        days = set(context.candidate_subset.expensively_compute_partition_keys())
        found: set[str] = set()
        if days:  # the log takes none for all
            log = context.asset_graph_view.instance.event_log_storage
            own = _latest(log, context.key, days)
            for parent in context.asset_graph.get(context.key).parent_keys:
                latest = _latest(log, parent, days)
                found |= {day for day, number in latest.items() if day not in own or number > own[day]}
        subset = context.asset_graph_view.get_subset_from_partition_keys(context.key, context.partitions_def, found)
        return dg.AutomationResult(context, subset)


def _latest(log: Any, key: dg.AssetKey, days: set[str]) -> Mapping[str, int]:
    """Return the number of the latest materialization of each day that has one."""
    found: Mapping[str, int] = log.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, days
    )
    return found
