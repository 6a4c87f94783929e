"""Conditions of automation that read the event log as it is when they are asked, later than all else of a look.

Dagster's own conditions read the log piece by piece while runs write into it: one may know less than the next. These
two tell where that matters. Both are for assets by day; upstreams have the same days. Neither keeps any state.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import dagster as dg


class _OfDays(dg.AutomationCondition[dg.AssetKey]):
    """A condition that asks the log for days."""

    @abstractmethod
    def days(self, context: Any, days: set[str]) -> set[str]:
        """Return the days, of those that are candidates, for which it holds."""

    def evaluate(self, context: Any) -> Any:
        """Return those of the candidates for which it holds."""
        candidates = set(context.candidate_subset.expensively_compute_partition_keys())
        found = self.days(context, candidates) if candidates else set()  # the log takes no days for all
        subset = context.asset_graph_view.get_subset_from_partition_keys(context.key, context.partitions_def, found)
        return dg.AutomationResult(context, subset)


class Outdated(_OfDays):
    """Hold for the days on which a direct upstream was materialized after the asset itself, or the asset never was."""

    @property
    def name(self) -> str:
        """Return what Dagster's pages call it."""
        return "outdated"

    def days(self, context: Any, days: set[str]) -> set[str]:
        """Compare the numbers of the latest events."""
        own, found = _latest(context, context.key, days), set[str]()
        for parent in context.asset_graph.get(context.key).parent_keys:
            latest = _latest(context, parent, days)
            found |= {day for day, number in latest.items() if day not in own or number > own[day]}
        return found


class Overtaken(_OfDays):
    """Hold for the days on which the asset was materialized after the look began: what it saw of them may be half."""

    @property
    def name(self) -> str:
        """Return what Dagster's pages call it."""
        return "overtaken"

    def days(self, context: Any, days: set[str]) -> set[str]:
        """Look for events behind the last one that there was when the look began."""
        return set(_latest(context, context.key, days, after=context.asset_graph_view.last_event_id))


def _latest(context: Any, key: dg.AssetKey, days: set[str], after: int | None = None) -> Mapping[str, int]:
    """Return the number of the latest materialization of each day that has one, and one behind `after`."""
    log = context.asset_graph_view.instance.event_log_storage
    found: Mapping[str, int] = log.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, days, after_cursor=after
    )
    return found
