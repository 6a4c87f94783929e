"""When assets are made without anybody asking: as soon as what they are made of is there, and good."""

import operator
from functools import reduce
from typing import Any

import dagster as dg
from dagster import AutomationCondition as On

from libs.entities import ENTITIES
from orchestrator.log_conditions import Outdated, Overtaken

Condition = On[dg.AssetKey]


def _any_entity(group: str, condition: Any) -> Condition:
    """Hold where a condition does for any entity's asset of a group: on the same day, or on any for models."""
    return reduce(operator.or_, (On.asset_matches(dg.AssetKey([group, name]), condition) for name in ENTITIES))


_CHECKED = On.all_deps_blocking_checks_passed()

_OUTDATED: Any = Outdated() | On.any_deps_match(On.will_be_requested())
"""Of a run of several days `eager` knows only the last as the run's own: alone it may ask again for days that the run
has made while it looked. Models need it not: what is known of an asset without days is read at one time."""


def _follow_any_day(group: str, *before: str) -> Any:
    """Follow the assets of a group, a day's entities together; a failed check holds up its day.

    It may be any day that comes or is mended upstream, this year's or last. The events of a run come one by one, those
    of the group last, after those of the groups `before`. Whoever looks in between sees half a day, so nothing is asked
    for while more of it is being made, nor, which has to be asked after that, where more has come since the look began.
    """
    overtaken = reduce(operator.or_, (_any_entity(name, Overtaken()) for name in (group, *before)))
    eager = On.eager().without(On.in_latest_time_window())
    return eager & _CHECKED & ~_any_entity(group, On.in_progress()) & ~overtaken & _OUTDATED


FOLLOW_LANDING = _follow_any_day("landing").with_label("follow landing")
"""For what is ingested."""

FOLLOW_INGESTION = _follow_any_day("quarantine_raw", "validated_raw").with_label("follow ingestion")
"""For landing tables. The quarantine is told last."""

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
