"""When assets are made without anybody asking: as soon as what they are made of is there, and good."""

import operator
from functools import reduce
from typing import Any

import dagster as dg
from dagster import AutomationCondition as On

from libs.entities import ENTITIES
from orchestrator.outdated import Outdated

Condition = On[dg.AssetKey]


def _any_entity(group: str, condition: Any) -> Condition:
    """Hold where a condition does for any entity's asset of a group: on the same day, or on any for models."""
    return reduce(operator.or_, (On.asset_matches(dg.AssetKey([group, name]), condition) for name in ENTITIES))


_CHECKED = On.all_deps_blocking_checks_passed()

_OUTDATED: Any = Outdated() | On.any_deps_match(On.will_be_requested())
"""Asked last, of the event log as it is by then. What `eager` goes by is read piece by piece while a run writes its
events, and of a run of several days it knows only the last as the run's own: alone it may ask again for days that have
just been made. Models need it not: what is known of an asset without days is read at one time."""

FOLLOW_ANY_DAY: Condition = (On.eager().without(On.in_latest_time_window()) & _CHECKED & _OUTDATED).with_label(
    "follow any day"
)
"""For daily assets: any day that comes or is mended upstream, this year's or last; a failed check holds up its day."""

FOLLOW_INGESTION = (FOLLOW_ANY_DAY & ~_any_entity("quarantine_raw", On.in_progress())).with_label("follow ingestion")
"""For landing tables: a day's entities together, when the run that ingests them has told of all. (A run's events come
one by one, the quarantine's last; whoever looks in between sees half a day.)"""

_MORE_IS_COMING = (
    _any_entity("warehouse", On.in_progress() | On.newly_updated())
    | _any_entity("validated_raw", On.in_progress() | On.newly_updated())
    | _any_entity("landing", On.newly_updated())
)

FOLLOW_ANY_LOAD = (On.eager().without(~On.any_deps_missing()) & _CHECKED & ~_MORE_IS_COMING).with_label(
    "follow any load"
)
"""For models on landing tables: once after whatever was loaded, not waiting for every day of the calendar; nor
beginning while anything of what arrived at the same time is still on its way."""

FOLLOW_MODELS = On.eager()
"""For models on models: together with those, in the same run."""
