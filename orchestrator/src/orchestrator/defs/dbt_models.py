"""dbt's models, seeds and tests: staging, intermediate, marts."""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets
from pydantic import Field

from orchestrator.dbt_graph import manifest
from orchestrator.dbt_graph.events import Graph, build
from orchestrator.launchers.launcher import StageLauncher
from orchestrator.places import Places
from orchestrator.settings import Settings


class BuildOptions(dg.Config):
    """How to build."""

    full_refresh: bool = Field(default=False, description="build incremental models anew")


def dbt_models(settings: Settings) -> dg.Definitions:  # noqa: ARG001 - models have no partitions
    """Return the assets of the project's models and seeds, its tests as their checks.

    Raises dg.DagsterInvalidDefinitionError where there is no manifest of the project.
    """
    graph = Graph(manifest.load(os.environ))

    @dbt_assets(
        manifest=graph.manifest,
        dagster_dbt_translator=graph.translator,
        name="dbt",
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="duckdb",
    )
    def dbt(
        context: dg.AssetExecutionContext, config: BuildOptions, launcher: StageLauncher, places: Places
    ) -> Iterator[Any]:
        options = ["--full-refresh"] if config.full_refresh else []
        yield from build(context, graph, options, launcher, places)

    return dg.Definitions(assets=[dbt])
