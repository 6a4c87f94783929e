"""dbt, run in this process: every node's result as an outcome, dbt's own noise in its log file."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult

from dbt_stage import warehouse
from libs.errors import StageError
from libs.stage.report import Outcome

_BUILT = ("model", "seed", "snapshot")
_QUIET = ("--log-level", "none", "--no-use-colors")


@dataclasses.dataclass(frozen=True)
class Call:
    """What to build and where."""

    project: Path
    target: str
    file: Path
    select: Sequence[str] = ()
    full_refresh: bool = False


@dataclasses.dataclass(frozen=True)
class Node:
    """The result of one node of dbt's graph. `failures` counts a test's failing rows, `rows` a built table's."""

    id: str
    name: str
    type: str
    schema: str
    table: str
    materialized: str
    status: str
    seconds: float
    failures: int = 0
    message: str = ""
    description: str = ""
    rows: int | None = None

    @property
    def is_built(self) -> bool:
        """Whether it is something that dbt makes in the warehouse."""
        return self.type in _BUILT

    def outcome(self) -> Outcome:
        """Return what the report says of the node; a warning is not a failure."""
        numbers = {"rows": self.rows} if self.rows is not None else {}
        if not self.is_built and self.status in ("pass", "warn", "fail"):
            numbers["failing_rows"] = self.failures
        details = {"type": self.type, "result": self.status, "seconds": round(self.seconds, 3)}
        if self.description and self.status in ("warn", "fail"):
            details["description"] = self.description
        error = self._error()
        return Outcome(self.name, None, "failed" if error else "done", numbers, details, error)

    def _error(self) -> str | None:
        match self.status:
            case "success" | "pass" | "warn" | "no-op":
                return None
            case "fail":
                return f"{self.failures:,} rows fail: {self.description or self.message}"
            case "skipped":
                return "skipped, for something that it depends on failed"
        return one_line(self.message)


def run(call: Call, started: Callable[[int], None], finished: Callable[[Outcome], None]) -> list[Node]:
    """Build what is selected; `started` gets the number of nodes, `finished` each outcome as it comes.

    Returns the nodes in the order they finished, tables with their rows. Unit tests test the project, not the data,
    and are left out. Raises StageError where dbt could not begin.
    """
    os.environ["WAREHOUSE"] = str(call.file)  # profiles.yml reads it
    where = ("--project-dir", str(call.project), "--profiles-dir", str(call.project), "--target", call.target)
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


def one_line(message: str) -> str:
    """Return dbt's message as one line, without the stack of macros; a hook's message speaks for itself."""
    lines = [line.strip() for line in message.splitlines()]
    lines = [line for line in lines if line and not line.startswith("> ")]
    if len(lines) > 1 and " in operation " in lines[0]:
        lines = lines[1:]
    return " ".join(lines)


def _result(result: dbtRunnerResult, call: Call) -> Any:
    """Return what dbt returned; nodes that failed are no exception."""
    if result.exception is not None:
        message = str(result.exception)
        if warehouse.is_lock(message):
            raise StageError(warehouse.locked(call.file, message, 0))
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
    tables = {node.id: (node.schema, node.table) for node in nodes if _is_table(node)}
    counts = warehouse.row_counts(file, tables.values())
    return [dataclasses.replace(node, rows=counts[tables[node.id]]) if node.id in tables else node for node in nodes]


def _is_table(node: Node) -> bool:
    return node.is_built and node.materialized != "view" and node.status == "success"
