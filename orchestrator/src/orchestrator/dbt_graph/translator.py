"""How nodes of dbt's graph are named, grouped and automated in Dagster."""

import operator
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator

from orchestrator import metadata
from orchestrator.conditions import FOLLOW_ANY_LOAD, FOLLOW_MODELS

Props = Mapping[str, Any]


class Translator(DagsterDbtTranslator):
    """Sources are the loader's assets, so that lineage goes from file to mart; models are `schema/name`."""

    def __init__(self, manifest: Props) -> None:
        super().__init__()
        on_sources = [self.get_asset_key(node) for node in manifest["nodes"].values() if _is_on_sources(node)]
        self._with_any_load = _with_any(on_sources)

    def get_asset_key(self, dbt_resource_props: Props) -> dg.AssetKey:
        """Return the landing table's key for a source, else schema and name."""
        if dbt_resource_props["resource_type"] == "source":
            return metadata.key("warehouse", dbt_resource_props["name"])
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Props) -> str:
        """Return the layer, which is the schema."""
        return str(dbt_resource_props["schema"])

    def get_description(self, dbt_resource_props: Props) -> str:
        """Return dbt's description; the SQL is with each materialization, compiled."""
        return str(dbt_resource_props["description"])

    def get_owners(self, dbt_resource_props: Props) -> list[str]:
        """Return the team that answers for the layer."""
        return ["team:analytics" if dbt_resource_props["schema"] == "marts" else "team:data-platform"]

    def get_metadata(self, dbt_resource_props: Props) -> Mapping[str, Any]:
        """Return the columns as the project describes them; the warehouse's file is a deployment's."""
        found = super().get_metadata(dbt_resource_props)
        return {**found, "dagster/table_name": f"{dbt_resource_props['schema']}.{dbt_resource_props['name']}"}

    def get_automation_condition(self, dbt_resource_props: Props) -> dg.AutomationCondition[Any] | None:
        """Return when an asset is made by itself: models on sources after loading, others together with those.

        A seed, which follows nothing, goes with any model on sources: so it is there before what needs it, in the same
        run, and the run of a whole day is the whole graph.
        """
        match dbt_resource_props["resource_type"]:
            case "source":
                return None
            case "seed":
                return self._with_any_load
        return FOLLOW_ANY_LOAD if _is_on_sources(dbt_resource_props) else FOLLOW_MODELS

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Props, unique_id: str, project: Any
    ) -> dg.AssetCheckSpec | None:
        """Return the check of a test, with dbt's description.

        One of severity error is blocking, for that is what it is: dbt skips what depends on the tested model. It holds
        up no automation: models follow models whether or not their checks passed, so the load that mends the data also
        builds what was skipped, in one run.
        """
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return spec and spec._replace(description=manifest["nodes"][unique_id]["description"] or None)


def _is_on_sources(props: Props) -> bool:
    parents = props.get("depends_on", {}).get("nodes", [])
    return props["resource_type"] in ("model", "snapshot") and any(parent.startswith("source.") for parent in parents)


def _with_any(keys: Iterable[dg.AssetKey]) -> dg.AutomationCondition[Any] | None:
    conditions: list[Any] = [dg.AutomationCondition.asset_matches(key, FOLLOW_ANY_LOAD) for key in keys]
    return reduce(operator.or_, conditions).with_label("with any load") if conditions else None
