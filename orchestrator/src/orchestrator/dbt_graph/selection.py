"""From what a run selected to dbt's own selection."""

from collections.abc import Sequence

import dagster as dg
from dagster_dbt.asset_utils import DAGSTER_DBT_UNIQUE_ID_METADATA_KEY

from orchestrator.dbt_graph.manifest import Manifest


def arguments(context: dg.AssetExecutionContext, manifest: Manifest) -> Sequence[str]:
    """Return the arguments of `dbt-stage build` for just the selected models and tests; none where that is everything.

    dbt's own choice of tests (`eager`) would also run those of models that were not selected.
    """
    definition, assets, checks = context.assets_def, context.selected_asset_keys, context.selected_asset_check_keys
    everything = definition.node_check_specs_by_output_name.values()
    if assets == set(definition.node_keys_by_output_name.values()) and checks == {spec.key for spec in everything}:
        return []
    found = [definition.get_asset_spec(key).metadata for key in assets]
    found += [definition.get_spec_for_check_key(key).metadata for key in checks]
    ids = sorted(one[DAGSTER_DBT_UNIQUE_ID_METADATA_KEY] for one in found)
    return ["--indirect-selection", "empty", "--select", *(".".join(manifest["nodes"][id_]["fqn"]) for id_ in ids)]
