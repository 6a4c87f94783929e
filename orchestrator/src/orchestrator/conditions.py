"""When assets are made without anybody asking: as soon as what they are made of is there, and good."""

from dagster import AutomationCondition as On

_CHECKED = On.all_deps_blocking_checks_passed()

FOLLOW_ANY_DAY = (On.eager().without(On.in_latest_time_window()) & _CHECKED).with_label("follow any day")
"""For daily assets: any day that comes or is mended upstream, this year's or last; a failed check holds up its day."""

_MORE_IS_COMING = On.any_deps_match(  # to a landing table, which is a dependency
    On.any_deps_match(  # from validated rows that are being made, or just were, so that loading begins in this tick
        On.in_progress()
        | On.newly_updated()
        | On.any_deps_match(On.any_deps_match(On.newly_updated()))  # or from landing files that have just arrived
    )
)

FOLLOW_ANY_LOAD = (On.eager().without(~On.any_deps_missing()) & _CHECKED & ~_MORE_IS_COMING).with_label(
    "follow any load"
)
"""For models on landing tables: once after whatever was loaded, not waiting for every day of the calendar; nor
beginning while more of what arrived at the same time is on its way."""

FOLLOW_MODELS = On.eager()
"""For models on models: together with those, in the same run."""
