"""What a deployment decides by its environment, read once, when the code location loads."""

import dataclasses
from collections.abc import Mapping
from datetime import date
from typing import Literal, Self

import dagster as dg

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

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read FIRST_DAY, LANDING, LAKE and WAREHOUSE, all optional.

        Raises dg.DagsterInvalidDefinitionError for a day or a kind of landing that there is not.
        """
        first, landing = environment.get("FIRST_DAY") or FIRST_DAY, environment.get("LANDING") or "generator"
        try:
            date.fromisoformat(first)
        except ValueError:
            raise dg.DagsterInvalidDefinitionError(
                f"FIRST_DAY={first!r} is no day of the calendar: write it as {FIRST_DAY}"
            ) from None
        if landing not in ("generator", "external"):
            raise dg.DagsterInvalidDefinitionError(
                f"LANDING={landing!r} is unknown: `generator` (a synthetic shop) or `external` (files come from others)"
            )
        days = dg.DailyPartitionsDefinition(start_date=first, timezone="UTC")
        return cls(days, "external" if landing == "external" else "generator", places(environment))
