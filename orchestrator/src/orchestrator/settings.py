"""What a deployment decides by its environment, read once, when the code location loads."""

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, Self

import dagster as dg

from libs.stage.command import day
from orchestrator.launchers.launcher import StageLauncher
from orchestrator.launchers.subprocess import SubprocessLauncher
from orchestrator.places import Places, places

FIRST_DAY = "2025-11-01"
"""The generator's usual opening day."""

Landing = Literal["generator", "external"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """`days` are the partitions; `landing` tells who makes the landing files: the generator, or others."""

    days: dg.DailyPartitionsDefinition
    landing: Landing
    places: Places
    launcher: StageLauncher

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read FIRST_DAY, LANDING, LAKE, WAREHOUSE and LAUNCHER, and what the launcher needs; all are optional.

        Raises dg.DagsterInvalidDefinitionError for a day or a kind of landing that there is not.
        """
        first, landing = environment.get("FIRST_DAY") or FIRST_DAY, environment.get("LANDING") or "generator"
        try:
            day(first)
        except argparse.ArgumentTypeError:
            raise dg.DagsterInvalidDefinitionError(
                f"FIRST_DAY={first!r} is no day of the calendar: write it as {FIRST_DAY}"
            ) from None
        if landing not in ("generator", "external"):
            raise dg.DagsterInvalidDefinitionError(
                f"LANDING={landing!r} is unknown: `generator` (a synthetic shop) or `external` (files come from others)"
            )
        days = dg.DailyPartitionsDefinition(start_date=first, timezone="UTC")
        kind: Landing = "external" if landing == "external" else "generator"
        return cls(days, kind, places(environment), launcher(environment))


def launcher(environment: Mapping[str, str]) -> StageLauncher:
    """Return the launcher that LAUNCHER names: `subprocess`, which is the default, or `docker`.

    A Docker launcher is configured by STAGE_IMAGE, STAGE_NETWORK, STAGE_MEMORY, STAGE_CPUS and, with commas between
    them, STAGE_VOLUMES and STAGE_ENVIRONMENT. Raises dg.DagsterInvalidDefinitionError for another launcher.
    """
    match environment.get("LAUNCHER") or "subprocess":
        case "subprocess":
            return SubprocessLauncher()
        case "docker":
            from orchestrator.launchers.docker import DockerLauncher  # only there docker-py is needed

            given: dict[str, Any] = {
                field: environment[name]
                for field, name in (
                    ("image", "STAGE_IMAGE"),
                    ("network", "STAGE_NETWORK"),
                    ("memory", "STAGE_MEMORY"),
                    ("cpus", "STAGE_CPUS"),
                )
                if environment.get(name)
            }
            return DockerLauncher(
                **given,
                volumes=_listed(environment.get("STAGE_VOLUMES")),
                pass_environment=_listed(environment.get("STAGE_ENVIRONMENT")),
            )
        case other:
            raise dg.DagsterInvalidDefinitionError(f"LAUNCHER={other!r} is unknown: `subprocess` or `docker`")


def _listed(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
