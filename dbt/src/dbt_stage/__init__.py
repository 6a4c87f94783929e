"""The dbt stage: landing tables to staging, intermediate and marts."""
