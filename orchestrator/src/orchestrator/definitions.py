"""The code location: what this deployment's environment makes of the definitions."""

import os
import warnings

import dagster as dg

from orchestrator.defs.automation import automation
from orchestrator.defs.dbt_models import dbt_models
from orchestrator.defs.ingestion import ingestion
from orchestrator.defs.landing import landing
from orchestrator.defs.warehouse import warehouse
from orchestrator.settings import Settings


def build(settings: Settings) -> dg.Definitions:
    """Put the definitions together. Stages are processes of their own, so steps need none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # checks by day: see docs/decisions/0007
        warnings.simplefilter("ignore", dg.BetaWarning)  # a condition of our own: the same
        parts = [part(settings) for part in (landing, ingestion, warehouse, dbt_models, automation)]
    return dg.Definitions.merge(
        *parts,
        dg.Definitions(
            resources={"launcher": settings.launcher, "places": settings.places},
            executor=dg.in_process_executor,
            jobs=[dg.define_asset_job("daily", "*", description="From files to marts, for a day or a range of days.")],
        ),
    )


defs = build(Settings.of(os.environ))
