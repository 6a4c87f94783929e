"""The Dagster code location: assets, checks and automation over the stages, which it launches and never imports."""
