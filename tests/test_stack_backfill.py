"""What `just stack-backfill` shows of a run, from Dagster's events."""

import io

import pytest
import stack

from orchestrator.progress import Bars

DAYS = 2
ASSETS = [
    {"opNames": [op], "assetKey": {"path": [layer, name]}, "isPartitioned": op != "dbt"}
    for op, layer in (("generator", "landing"), ("ingestor", "raw"), ("ingestor", "validated_raw"), ("dbt", "marts"))
    for name in ("orders", "customers")
]


def event(kind: str, step: str, **more: object) -> stack.Event:
    return {"__typename": kind, "stepKey": step, "message": "", **more}


class Terminal(io.StringIO):
    def __init__(self, *, shows_bars: bool) -> None:
        super().__init__()
        self._shows_bars = shows_bars

    def isatty(self) -> bool:
        return self._shows_bars


def shown(*events: stack.Event, terminal: bool) -> str:
    output = Terminal(shows_bars=terminal)
    with Bars(stack.totals(ASSETS, DAYS), output) as bars:
        for one in events:
            bars.move(one.get("stepKey"), stack.move(one))
    return output.getvalue()


RUN = (
    event("ExecutionStepStartEvent", "ingestor"),
    event("LogMessageEvent", "ingestor", message="orders 2025-11-01: done, 200 rows"),
    event("LogMessageEvent", "ingestor", message="something else"),
    event("LogMessageEvent", "ingestor", message="customers 2025-11-02: done, 20 rows"),
    *(event("MaterializationEvent", "ingestor", partition="2025-11-01") for _ in range(4)),
    event("ExecutionStepSuccessEvent", "ingestor"),
    event("ExecutionStepStartEvent", "dbt"),
    event("MaterializationEvent", "dbt", partition=None),
    event("ExecutionStepFailureEvent", "dbt"),
    event("LogMessageEvent", "somebody", message="orders 2025-11-01: done"),
)


def test_a_bar_moves_as_partitions_and_models_come_not_when_their_stage_has_ended() -> None:
    last = shown(*RUN, terminal=True).rpartition("generator")[2]
    assert [text in last for text in ("0/4", "2/4", "1/2")] == [True, True, True]


def test_where_nobody_looks_each_stage_has_a_line_when_it_begins_and_when_it_has_ended() -> None:
    assert shown(*RUN, terminal=False).splitlines() == [
        "ingestor: begins",
        "ingestor: done",
        "dbt: begins",
        "dbt: failed",
    ]


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        (
            event(
                "ExecutionStepFailureEvent",
                "ingestor",
                failureMetadata={
                    "description": "2 failed",
                    "metadataEntries": [
                        {"label": "failed", "mdStr": "* orders 2025-11-01: refused\n* customers 2025-11-01: missing"}
                    ],
                },
            ),
            ["ingestor: orders 2025-11-01: refused", "ingestor: customers 2025-11-01: missing"],
        ),
        (
            event(
                "ExecutionStepFailureEvent",
                "loader",
                failureMetadata=None,
                error={"message": "outer", "causes": [{"message": "no engine answers\n"}]},
            ),
            ["loader: no engine answers"],
        ),
        (event("RunFailureEvent", "", error={"message": "its container is lost\n"}), ["its container is lost"]),
        (event("RunFailureEvent", "", error=None), []),
        (event("LogMessageEvent", "loader"), []),
    ],
)  # fmt: skip
def test_what_failed_is_told_line_by_line(one: stack.Event, lines: list[str]) -> None:
    assert stack.failures(one) == lines


@pytest.mark.parametrize(
    ("severity", "lines"), [("ERROR", ["check whole of raw/orders failed on 2025-11-01"]), ("WARN", [])]
)
def test_of_checks_those_are_told_that_are_errors(severity: str, lines: list[str]) -> None:
    check = {"assetKey": {"path": ["raw", "orders"]}, "checkName": "whole", "partition": "2025-11-01"}
    one = event("AssetCheckEvaluationEvent", "ingestor", evaluation={**check, "success": False, "severity": severity})
    assert stack.failures(one) == lines
