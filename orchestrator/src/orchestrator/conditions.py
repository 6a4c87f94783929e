"""When assets are made without anybody asking: as soon as what they are made of is there, and good."""

import dagster as dg

_CHECKED = dg.AutomationCondition.all_deps_blocking_checks_passed()

FOLLOW_ANY_DAY = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window()) & _CHECKED
"""For daily assets: any day that comes or is mended upstream, this year's or last; a failed check holds up its day."""

FOLLOW_ANY_LOAD = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing()) & _CHECKED
"""For unpartitioned models: once after whatever was loaded, without waiting for every day of the calendar."""
