"""What happens without anybody asking: stages follow each other, the synthetic shop has its day, files arrive."""

import dagster as dg

from libs import layout
from libs.storage import open_store
from orchestrator import metadata
from orchestrator.arrivals import arrived
from orchestrator.places import Places
from orchestrator.settings import Settings

EVERY_SECONDS = 10


def automation(settings: Settings) -> dg.Definitions:
    """Return the sensor that lets assets follow each other, and what begins with a new day of files."""
    follow = dg.AutomationConditionSensorDefinition(
        "follow",
        target="*",
        use_user_code_server=True,  # a condition of our own is no part of Dagster's daemon
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVERY_SECONDS,
        description="Ingestion follows landing, loading follows ingestion, dbt follows loading; failed checks hold up.",
    )
    if settings.landing == "external":
        return dg.Definitions(sensors=[follow, _arrivals(settings)])
    shop_day = dg.define_asset_job(
        "shop_day",
        selection=dg.AssetSelection.groups("landing"),
        description="The landing files of one day of the synthetic shop; all that follows is automation's.",
    )
    nightly = dg.build_schedule_from_partitioned_job(
        shop_day,
        name="shop_day",
        hour_of_day=1,
        minute_of_hour=0,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="At 01:00 UTC: the day before, which ended at midnight UTC. Is switched on by hand.",
    )
    return dg.Definitions(sensors=[follow], schedules=[nightly])


def _arrivals(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="arrivals",
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Files that others put into landing, or changed there, become materializations of its assets.",
    )
    def arrivals(context: dg.SensorEvaluationContext, places: Places) -> dg.SensorResult:
        store = open_store(places.lake)
        days = set(settings.days.get_partition_keys())
        found, cursor = arrived(store.listing(layout.LANDING), days, context.cursor)
        events = [
            dg.AssetMaterialization(
                metadata.key("landing", arrival.entity),
                partition=arrival.day,
                metadata={"dagster/uri": store.url(arrival.file.key), "bytes": arrival.file.size},
            )
            for arrival in found
        ]
        return dg.SensorResult(asset_events=events, cursor=cursor)

    return arrivals
