"""A launch of dbt, from the run's selection to Dagster's events: one as each node finishes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from libs.stage.report import Outcome
from libs.storage import open_store
from orchestrator.dbt_graph import selection
from orchestrator.dbt_graph.lineage import origins
from orchestrator.dbt_graph.manifest import Manifest
from orchestrator.dbt_graph.translator import Translator
from orchestrator.launchers.launcher import StageEndedError, StageLauncher
from orchestrator.places import Places


class Graph:
    """The nodes of a project, as Dagster knows them."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.translator = Translator(manifest)

    def key(self, id_: str) -> dg.AssetKey:
        """Return the asset's key of a model, seed, snapshot or source, by dbt's id."""
        return self.translator.get_asset_spec(self.manifest, id_, None).key


def build(
    context: dg.AssetExecutionContext, graph: Graph, options: Sequence[str], launcher: StageLauncher, places: Places
) -> Iterator[Any]:
    """Launch dbt once for just what the run selected; yield an event for each model and test as it finishes.

    Raises dg.Failure, which names every node that failed with dbt's words, after the events of all that finished.
    """
    chosen = selection.arguments(context, graph.manifest)
    command = ["dbt-stage", "build", "--warehouse", places.warehouse, *options, *chosen]
    errors: list[str] = []
    skipped: list[str] = []
    try:
        for message in launcher.launch(context, command, open_store(places.lake)):
            outcome = Outcome.from_message(message)
            if outcome.details["result"] == "skipped":
                skipped.append(outcome.name)
                continue
            _log(context, outcome)
            if outcome.error:
                errors.append(f"{outcome.name}: {outcome.error}")
            yield from events(context, graph, message, outcome)
    except StageEndedError as ended:
        if not (errors and ended.exit_code == 1):  # 1 says no more than that some nodes failed
            errors.append(str(ended.description))
    if skipped:
        context.log.warning(f"{len(skipped)} skipped, for something that they depend on failed: {', '.join(skipped)}")
    if errors:
        listed = dg.MetadataValue.md("\n".join(f"* {error}" for error in errors))
        raise dg.Failure("; ".join(errors), metadata={"failed": listed, "skipped": len(skipped)}, allow_retries=False)


def events(
    context: dg.AssetExecutionContext, graph: Graph, message: Mapping[str, Any], outcome: Outcome
) -> Iterator[Any]:
    """Yield Dagster's events for the message of a node that was not skipped; none where it could not be built."""
    built = message["built"]
    known = {"columns": _columns(graph, message)} if built else {}
    event = DbtCoreCliEventMessage(raw_event=message["event"], event_history_metadata=known)
    for one in event.to_default_asset_events(graph.manifest, graph.translator, context):
        if isinstance(one, dg.Output):
            yield dg.Output(None, one.output_name, metadata={**one.metadata, **_metadata(graph, built)})
        elif isinstance(one, dg.AssetCheckResult):
            rows = {"dagster_dbt/failed_row_count": outcome.numbers.get("failing_rows")}
            yield one._replace(
                description=_words(outcome),
                severity=_severity(graph, message["node"]) if one.passed else one.severity,
                metadata={**(one.metadata or {}), **_known(rows)},
            )
        else:
            yield one


def _log(context: dg.AssetExecutionContext, outcome: Outcome) -> None:
    numbers = "".join(f", {number:,} {name.replace('_', ' ')}" for name, number in outcome.numbers.items())
    line = f"{outcome.name}: {outcome.details['result']}{numbers}"
    if outcome.error:
        context.log.error(f"{outcome.name}: {outcome.error}")
    elif outcome.details["result"] == "warn":
        context.log.warning(line)
    else:
        context.log.info(line)


def _words(outcome: Outcome) -> str | None:
    """Say what the rows mean that a test found."""
    return outcome.error or outcome.details.get("description")


def _severity(graph: Graph, id_: str) -> dg.AssetCheckSeverity:
    """Return a test's severity, which dagster-dbt knows only of one that did not pass."""
    declared = graph.manifest["nodes"][id_]["config"].get("severity") or "error"
    return dg.AssetCheckSeverity.WARN if declared.lower() == "warn" else dg.AssetCheckSeverity.ERROR


def _columns(graph: Graph, message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns as the warehouse has them, with the project's descriptions."""
    described = graph.manifest["nodes"][message["node"]]["columns"]
    return {
        column["name"]: {
            "data_type": column["type"],
            "description": described.get(column["name"], {}).get("description") or None,
        }
        for column in message["built"]["relation"]["columns"]
    }


def _metadata(graph: Graph, built: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _known(
        {"dagster/table_name": built["relation"]["name"].replace('"', ""), "dagster/row_count": built["rows"]}
    )
    if built["sql"]:
        found["compiled_sql"] = dg.MetadataValue.md(f"```sql\n{built['sql'].strip()}\n```")
        found["dagster/column_lineage"] = lineage = _lineage(graph, built)
        found["column_origins"] = _origins(lineage)
    return found


def _lineage(graph: Graph, built: Mapping[str, Any]) -> dg.TableColumnLineage:
    dialect = graph.manifest["metadata"]["adapter_type"]
    columns = origins(built["sql"], built["parents"], dialect)
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(graph.key(origin.parent), origin.column) for origin in found]
            for name, found in columns.items()
        }
    )


def _origins(lineage: dg.TableColumnLineage) -> dg.TableMetadataValue:
    """Return the lineage as a table, for Dagster's open source pages draw none from `dagster/column_lineage`."""
    records = [
        dg.TableRecord({"column": name, "made of": ", ".join(_column(dep) for dep in deps)})
        for name, deps in lineage.deps_by_column.items()
    ]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn("column"), dg.TableColumn("made of")]))


def _column(dep: dg.TableColumnDep) -> str:
    return f"{dep.asset_key.to_user_string()}.{dep.column_name}"


def _known(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if value is not None}
