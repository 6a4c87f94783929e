"""The code location: what this deployment's environment makes of the definitions."""

import os
import warnings

import dagster as dg

from orchestrator.settings import Settings

warnings.filterwarnings("ignore", category=dg.PreviewWarning)  # checks by day

from orchestrator.defs.automation import automation  # noqa: E402
from orchestrator.defs.ingestion import ingestion  # noqa: E402
from orchestrator.defs.landing import landing  # noqa: E402
from orchestrator.defs.warehouse import warehouse  # noqa: E402
from orchestrator.launchers.subprocess import SubprocessLauncher  # noqa: E402


def build(settings: Settings) -> dg.Definitions:
    """Put the definitions together. Stages are processes of their own, so steps need none."""
    parts = [part(settings) for part in (landing, ingestion, warehouse, automation)]
    return dg.Definitions.merge(
        *parts,
        dg.Definitions(
            resources={"launcher": SubprocessLauncher(), "places": settings.places},
            executor=dg.in_process_executor,
            jobs=[dg.define_asset_job("daily", "*", description="From files to marts, for a day or a range of days.")],
        ),
    )


defs = build(Settings.of(os.environ))
