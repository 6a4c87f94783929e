"""The warehouse's landing tables, which dbt reads as its sources."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from libs.entities import ENTITIES
from orchestrator import metadata
from orchestrator.conditions import FOLLOW_INGESTION
from orchestrator.launchers.launcher import StageLauncher
from orchestrator.places import Places
from orchestrator.settings import Settings
from orchestrator.stage_assets import Stage, run_stage


class LoadOptions(dg.Config):
    """How to load."""

    force: bool = Field(
        default=False, description="load again what is unchanged, and replace a higher revision by a lower"
    )


def warehouse(settings: Settings) -> dg.Definitions:
    """Return the assets of the landing tables with their checks."""

    @dg.multi_asset(
        specs=[
            dg.AssetSpec(
                metadata.key("warehouse", entity),
                deps=[metadata.key("validated_raw", entity)],
                description=f"The landing table of {entity}: every version of every row, a day replaced as a whole.",
                group_name="warehouse",
                kinds={"duckdb", "table"},
                owners=["team:data-platform"],
                partitions_def=settings.days,
                automation_condition=FOLLOW_INGESTION,
            )
            for entity in ENTITIES
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "loaded_rows",
                asset=metadata.key("warehouse", entity),
                description="As many rows are loaded as were validated.",
                blocking=True,
                partitions_def=settings.days,
            )
            for entity in ENTITIES
        ],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="duckdb",
    )
    def loader(
        context: dg.AssetExecutionContext, config: LoadOptions, launcher: StageLauncher, places: Places
    ) -> Iterator[Any]:
        command = ["loader", "load", "--source", places.lake, "--warehouse", places.warehouse]
        command += ["--force"] if config.force else []
        yield from run_stage(context, Stage(command, metadata.loaded), launcher, places)

    return dg.Definitions(assets=[loader])
