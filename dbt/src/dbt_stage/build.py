"""dbt, run in this process: every node's result as an outcome, dbt's own noise in its log file."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult

from dbt_stage import warehouse
from dbt_stage.nodes import Node, one_line
from libs.errors import StageError
from libs.stage.report import Outcome
from libs.stage.warehouse import holder, in_use

_QUIET = ("--log-level", "none", "--no-use-colors")


@dataclasses.dataclass(frozen=True)
class Call:
    """What to build and where."""

    project: Path
    target: str | None
    file: Path
    select: Sequence[str] = ()
    full_refresh: bool = False


def run(call: Call, started: Callable[[int], None], finished: Callable[[Outcome], None]) -> list[Node]:
    """Build what is selected; `started` gets the number of nodes, `finished` each outcome as it comes.

    Returns the nodes in the order they finished, tables with their rows. Unit tests test the project, not the data,
    and are left out. Raises StageError where dbt could not begin.
    """
    os.environ["WAREHOUSE"] = str(call.file)  # profiles.yml reads it
    where = ["--project-dir", str(call.project), "--profiles-dir", str(call.project)]
    if call.target:
        where += ["--target", call.target]
    parsed = dbtRunner().invoke(["parse", *where, *_QUIET])
    manifest: Any = _result(parsed, call)
    nodes: list[Node] = []

    def listen(event: Any) -> None:
        if event.info.name == "ConcurrencyLine":
            started(event.data.node_count)
        elif event.info.name == "NodeFinished":
            node = _node(event.data, manifest)
            nodes.append(node)
            finished(node.outcome())

    arguments = ["build", *where, *_QUIET, "--exclude-resource-type", "unit_test"]
    if call.select:
        arguments += ["--select", *call.select]
    if call.full_refresh:
        arguments.append("--full-refresh")
    try:
        _result(dbtRunner(manifest=manifest, callbacks=[listen]).invoke(arguments), call)
    finally:
        connections: Any = DuckDBConnectionManager
        connections.close_all_connections()  # or this process would hold the file's lock until it ends
    return _with_rows(nodes, call.file)


def _result(result: dbtRunnerResult, call: Call) -> Any:
    """Return what dbt returned; nodes that failed are no exception."""
    if result.exception is not None:
        message = str(result.exception)
        if isinstance(result.exception, KeyboardInterrupt) or not message.strip():  # as dbt hands on a Ctrl-C
            raise KeyboardInterrupt
        if who := holder(message):
            raise in_use(call.file, who, 0)
        raise StageError(one_line(message))
    return result.result


def _node(finished: Any, manifest: Any) -> Node:
    """Read dbt's event; a test's description stands in the manifest only."""
    info, result = finished.node_info, finished.run_result
    known = manifest.nodes.get(info.unique_id)
    return Node(
        id=info.unique_id,
        name=info.node_name,
        type=info.resource_type,
        schema=info.node_relation.schema,
        table=info.node_relation.alias,
        materialized=info.materialized,
        status=result.status,
        seconds=result.execution_time,
        failures=result.num_failures,
        message=result.message,
        description=" ".join(known.description.split()) if known else "",
    )


def _with_rows(nodes: Sequence[Node], file: Path) -> list[Node]:
    tables = {node.id: (node.schema, node.table) for node in nodes if node.is_table}
    counts = warehouse.row_counts(file, tables.values())
    return [dataclasses.replace(node, rows=counts[tables[node.id]]) if node.id in tables else node for node in nodes]
