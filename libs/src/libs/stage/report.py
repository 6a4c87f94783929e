"""The report of a stage: what it did with each partition."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Self

Status = Literal["done", "unchanged", "failed"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one unit of work, usually one partition.

    `numbers` are counts that may be added up over units (rows, bytes); `details` is everything else (URIs, checksums,
    drift, samples); its `warning`, where there is one, is shown to people. `error` says
    what was wrong and what to do, and is given exactly when the unit failed.
    """

    entity: str
    day: date | None
    status: Status
    numbers: dict[str, int] = dataclasses.field(default_factory=dict)
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    error: str | None = None

    @property
    def name(self) -> str:
        """The unit, for people."""
        return self.entity if self.day is None else f"{self.entity} {self.day}"

    def to_message(self) -> dict[str, Any]:
        """Return the outcome as what a message can carry."""
        found = {**dataclasses.asdict(self), "day": self.day.isoformat() if self.day else None}
        return {"outcome": json.loads(json.dumps(found, default=str))}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """Read what `to_message` made."""
        found = message["outcome"]
        return cls(**{**found, "day": date.fromisoformat(found["day"]) if found["day"] else None})

    def as_dict(self) -> dict[str, Any]:
        """Return what the JSON report says of the unit."""
        found = {"entity": self.entity, "day": self.day.isoformat() if self.day else None, "status": self.status}
        return {**found, **self.numbers, **self.details, **({"error": self.error} if self.error else {})}


@dataclasses.dataclass
class Report:
    """What a stage did in one call, unit by unit, in the order it was done."""

    stage: str
    command: str
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def failed(self) -> list[Outcome]:
        """The units that failed."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def exit_code(self) -> int:
        """0 where everything was done or unchanged, else 1."""
        return 1 if self.failed else 0

    def totals(self) -> dict[str, dict[str, int]]:
        """Add up the numbers by entity, with the number of units of each status."""
        totals: dict[str, dict[str, int]] = {}
        for outcome in self.outcomes:
            sums = totals.setdefault(outcome.entity, {"done": 0, "unchanged": 0, "failed": 0})
            sums[outcome.status] += 1
            for name, number in outcome.numbers.items():
                sums[name] = sums.get(name, 0) + number
        return totals

    def to_json(self) -> str:
        """Render the report for machines."""
        return json.dumps(
            {
                "stage": self.stage,
                "command": self.command,
                "exit_code": self.exit_code,
                "totals": self.totals(),
                "outcomes": [outcome.as_dict() for outcome in self.outcomes],
                **self.notes,
            },
            indent=2,
            ensure_ascii=False,
            default=str,
        )
