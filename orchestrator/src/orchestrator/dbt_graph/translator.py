"""How nodes of dbt's graph are named, grouped and automated in Dagster."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator

from orchestrator import metadata
from orchestrator.conditions import FOLLOW_ANY_LOAD, FOLLOW_MODELS

Props = Mapping[str, Any]


class Translator(DagsterDbtTranslator):
    """Sources are the loader's assets, so that lineage goes from file to mart; models are `schema/name`."""

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
        """Return what follows loading for models on sources, and what follows those for all others."""
        if dbt_resource_props["resource_type"] == "source":
            return None
        parents = dbt_resource_props["depends_on"].get("nodes", [])
        on_sources = any(parent.startswith("source.") for parent in parents)
        return FOLLOW_ANY_LOAD if on_sources else FOLLOW_MODELS

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
