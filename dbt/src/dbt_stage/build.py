"""dbt, run in this process: every node's result as an outcome, dbt's own noise in its log file."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.factory import FACTORY
from dbt.cli.main import dbtRunner, dbtRunnerResult
from google.protobuf.json_format import MessageToDict

from dbt_stage.messages import RESULTS, Built, Column, Relation, message
from dbt_stage.nodes import Node, one_line
from libs.errors import StageError
from libs.stage.messages import Send
from libs.stage.report import Outcome
from libs.stage.warehouse import holder, in_use

_RELATIONS = ("model.", "seed.", "snapshot.", "source.")
_QUIET = ("--log-level", "none", "--no-use-colors")


@dataclasses.dataclass(frozen=True)
class Call:
    """What to build and where."""

    project: Path
    target: str | None
    file: Path
    select: Sequence[str] = ()
    indirect_selection: str | None = None
    full_refresh: bool = False


def run(call: Call, started: Callable[[int], None], finished: Callable[[Outcome], None], send: Send) -> list[Node]:
    """Build what is selected; `started` gets the number of nodes, `finished` each outcome as it comes.

    `send` gets a message for each node as it finishes. Returns the nodes in the order they finished, tables with their
    rows. Unit tests test the project, not the data, and are left out. Raises StageError where dbt could not begin.
    """
    os.environ["WAREHOUSE"] = str(call.file)  # profiles.yml reads it
    where = ["--project-dir", str(call.project), "--profiles-dir", str(call.project)]
    if call.target:
        where += ["--target", call.target]
    parsed = dbtRunner().invoke(["parse", *where, *_QUIET])
    manifest: Any = _result(parsed, call)
    arguments = ["build", *where, *_QUIET, "--exclude-resource-type", "unit_test"]
    if call.select:
        arguments += ["--select", *call.select]
    if call.indirect_selection:
        arguments += ["--indirect-selection", call.indirect_selection]
    if call.full_refresh:
        arguments.append("--full-refresh")
    listener = _Listener(manifest, started, finished, send)
    try:
        _result(dbtRunner(manifest=manifest, callbacks=[listener]).invoke(arguments), call)
    finally:
        connections: Any = DuckDBConnectionManager
        connections.close_all_connections()  # or this process would hold the file's lock until it ends
    if listener.error:
        raise listener.error
    return listener.nodes


class _Listener:
    """Takes dbt's events, from several threads. An exception would derail dbt, so the first one is kept as `error`."""

    def __init__(
        self, manifest: Any, started: Callable[[int], None], finished: Callable[[Outcome], None], send: Send
    ) -> None:
        self.nodes: list[Node] = []
        self.error: Exception | None = None
        self._manifest = manifest
        self._warehouse = _Warehouse(manifest)
        self._started = started
        self._finished = finished
        self._send = send
        self._results: dict[str, dict[str, Any]] = {}

    def __call__(self, event: Any) -> None:
        try:
            self._take(event)
        except Exception as error:
            self.error = self.error or error

    def _take(self, event: Any) -> None:
        match event.info.name:
            case "ConcurrencyLine":
                self._started(event.data.node_count)
            case name if name in RESULTS:
                self._results[event.data.node_info.unique_id] = {"info": _plain(event.info), "data": _plain(event.data)}
            case "NodeFinished":
                self._take_node(_node(event.data, self._manifest))

    def _take_node(self, node: Node) -> None:
        built = None
        if node.is_built and node.status == "success":
            built = self._warehouse.built(node)
            node = dataclasses.replace(node, rows=built["rows"])
        self.nodes.append(node)
        self._finished(node.outcome())
        self._send(message(node, self._results.pop(node.id, None), built))


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


class _Warehouse:
    """What dbt has built in the warehouse, whichever it is: asked of dbt's adapter, by several threads."""

    def __init__(self, manifest: Any) -> None:
        self._manifest = manifest
        self._known: dict[str, Relation] = {}

    def built(self, node: Node) -> Built:
        """Ask for what a node is now, and for its parents, which do not change any more."""
        found = self._manifest.nodes[node.id]
        parents = [id_ for id_ in found.depends_on_nodes if id_.startswith(_RELATIONS)]
        adapter = self._adapter
        with adapter.connection_named(f"{node.id}: what was built"):
            relation = self._known[node.id] = self._relation(node.id)
            for id_ in parents:
                if id_ not in self._known:
                    self._known[id_] = self._relation(id_)
            rows = self._count(relation["name"]) if node.is_table else None
        sql = getattr(found, "compiled_code", None) or ""
        return Built(relation=relation, rows=rows, sql=sql, parents={id_: self._known[id_] for id_ in parents})

    @property
    def _adapter(self) -> Any:
        return FACTORY.lookup_adapter(self._manifest.metadata.adapter_type)

    def _relation(self, id_: str) -> Relation:
        adapter = self._adapter
        found = adapter.Relation.create_from(
            adapter.config, self._manifest.nodes.get(id_) or self._manifest.sources[id_]
        )
        return Relation(name=str(found), columns=[_column(one) for one in adapter.get_columns_in_relation(found)])

    def _count(self, name: str) -> int:
        _, found = self._adapter.execute(f"select count(*) from {name}", fetch=True)
        return int(found.rows[0][0])


def _column(found: Any) -> Column:
    return Column(name=found.name, type=found.dtype if found.is_string() else found.data_type)  # or texts have 256


def _plain(part: Any) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(part, preserving_proto_field_name=True)
    return found
