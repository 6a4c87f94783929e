"""Landing: the generator's output, or files that others drop."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from libs.entities import ENTITIES
from orchestrator import metadata
from orchestrator.launchers.launcher import StageLauncher
from orchestrator.places import Places
from orchestrator.settings import Settings
from orchestrator.stage_assets import Stage, run_stage


class GenerateOptions(dg.Config):
    """The synthetic shop that is generated."""

    seed: int = Field(default=1, description="another seed is another shop")
    orders_per_day: int = Field(default=200, gt=0, description="orders of a usual day")
    currencies: list[str] = Field(default=["EUR"], description="ISO 4217 codes; the catalogue has the first")
    fault_rate: float = Field(default=0.0, ge=0, le=1, description="share of records to damage")


def landing(settings: Settings) -> dg.Definitions:
    """Return the landing assets. Where others drop the files nothing here can write over them by a click."""
    specs = [
        dg.AssetSpec(
            metadata.key("landing", entity),
            description=f"The file of {entity} as it arrived, untouched.",
            group_name="landing",
            kinds={"csv"},
            owners=["team:data-platform"],
            partitions_def=settings.days,
        )
        for entity in ENTITIES
    ]
    if settings.landing == "external":
        return dg.Definitions(assets=specs)

    @dg.multi_asset(specs=specs, can_subset=True, backfill_policy=dg.BackfillPolicy.single_run())
    def generator(
        context: dg.AssetExecutionContext, config: GenerateOptions, launcher: StageLauncher, places: Places
    ) -> Iterator[Any]:
        command = ["generator", "generate", "--dest", places.lake, *_options(config, settings.days.start)]
        yield from run_stage(context, Stage(command, metadata.generated), launcher, places)

    return dg.Definitions(assets=[generator])


def _options(config: GenerateOptions, opened: datetime) -> list[str]:
    return [
        "--opened",
        f"{opened:%Y-%m-%d}",
        "--seed",
        str(config.seed),
        "--orders-per-day",
        str(config.orders_per_day),
        *(word for code in config.currencies for word in ("--currency", code)),
        "--fault-rate",
        str(config.fault_rate),
    ]
