"""Ingestion: landing to raw, validated_raw and quarantine_raw."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from libs.entities import ENTITIES
from orchestrator import metadata
from orchestrator.conditions import FOLLOW_LANDING
from orchestrator.launchers.launcher import StageLauncher
from orchestrator.places import Places
from orchestrator.settings import Settings
from orchestrator.stage_assets import Stage, run_stage

_LAYERS = {
    "raw": ("landing", "The landing file of {}, byte for byte."),
    "validated_raw": ("raw", "The rows of {} that keep their contract, as canonical CSV."),
    "quarantine_raw": ("raw", "The records of {} that do not keep their contract, verbatim, each with its errors."),
}


class IngestOptions(dg.Config):
    """When the share of quarantined records is alarming."""

    quarantine_warn: float = Field(default=0.05, ge=0, le=1, description="above this share the check warns")
    quarantine_error: float = Field(
        default=0.25, ge=0, le=1, description="above this share it fails, and the day is not loaded"
    )


def ingestion(settings: Settings) -> dg.Definitions:
    """Return the assets of the three layers with their checks."""

    @dg.multi_asset(
        specs=[
            dg.AssetSpec(
                metadata.key(layer, entity),
                deps=[metadata.key(upstream, entity)],
                description=description.format(entity),
                group_name="ingestion",
                kinds={"csv", "pydantic"} if layer != "raw" else {"csv"},
                owners=["team:data-platform"],
                partitions_def=settings.days,
                automation_condition=FOLLOW_LANDING,
            )
            for layer, (upstream, description) in _LAYERS.items()
            for entity in ENTITIES
        ],
        check_specs=[spec for entity in ENTITIES for spec in _checks(settings, entity)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def ingestor(
        context: dg.AssetExecutionContext, config: IngestOptions, launcher: StageLauncher, places: Places
    ) -> Iterator[Any]:
        command = ["ingestor", "ingest", "--source", places.lake, "--dest", places.lake]
        facts = metadata.ingested(config.quarantine_warn, config.quarantine_error)
        yield from run_stage(context, Stage(command, facts), launcher, places)

    return dg.Definitions(assets=[ingestor])


def _checks(settings: Settings, entity: str) -> Iterator[dg.AssetCheckSpec]:
    validated = metadata.key("validated_raw", entity)
    yield dg.AssetCheckSpec(
        "conservation",
        asset=validated,
        description="Every record is validated or quarantined: raw = validated + quarantined.",
        blocking=True,
        partitions_def=settings.days,
    )
    yield dg.AssetCheckSpec(
        "quarantine_rate",
        asset=validated,
        description="The share of quarantined records is as usual; far above it the day is not loaded.",
        blocking=True,
        partitions_def=settings.days,
    )
    yield dg.AssetCheckSpec(
        "columns",
        asset=metadata.key("raw", entity),
        description="The file has the contract's columns, no fewer and no more (drift).",
        partitions_def=settings.days,
    )
