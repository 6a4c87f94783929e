"""dbt's graph in Dagster: the manifest, its nodes as assets and checks, their results as events. Without dbt itself."""
