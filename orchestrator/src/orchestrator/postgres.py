"""Dagster's storage in Postgres, with connections that are kept."""

from collections.abc import Mapping
from typing import Any, cast

from dagster._core.storage.config import PostgresStorageConfig
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, pg_url_from_config

POOL_SIZE = 2
RECYCLE_SECONDS = 1800


class PooledPostgresStorage(DagsterPostgresStorage):
    """Dagster's own storage in Postgres, which otherwise connects anew for every statement.

    A run writes hundreds of events, each some statements, and connecting takes longer than all of them. Each of the
    three storages of a process keeps up to POOL_SIZE connections and opens more while more are needed. A connection is
    tried before it is used, so a restart of Postgres is met by Dagster's retries as before.

    Dagster has no setting for it (dagster-io/dagster#33935): its engines are private, and its version is pinned.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        for storage in (self._event_log_storage, self._run_storage, self._schedule_storage):
            storage._engine = create_pg_engine(
                postgres_url,
                isolation_level="AUTOCOMMIT",
                pool_size=POOL_SIZE,
                max_overflow=-1,
                pool_pre_ping=True,
                pool_recycle=RECYCLE_SECONDS,
            )

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PooledPostgresStorage":
        """Return the storage of a configuration: `postgres_url` or `postgres_db`, as Dagster's own takes them."""
        return cls(pg_url_from_config(cast(PostgresStorageConfig, config_value)), inst_data)
