"""Dagster's history in a real Postgres, with connections that are kept."""

import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance

from orchestrator.postgres import POOL_SIZE

pytestmark = pytest.mark.docker

DAGSTER = """
telemetry: {{enabled: false}}
storage:
  custom:
    module: orchestrator.postgres
    class: PooledPostgresStorage
    config:
      postgres_url: {url}?application_name={name}
"""
WARM = AssetKey("warm")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # the container is removed below
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer("postgres:17") as server:
        yield server.get_connection_url()


@pytest.fixture
def name() -> str:
    """Return what the connections of a test are called: those of another may linger."""
    return uuid.uuid4().hex


@pytest.fixture
def instance(url: str, name: str, tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text(DAGSTER.format(url=url, name=name))
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.report_runless_asset_event(AssetMaterialization(WARM))
        yield instance


def test_events_share_a_few_connections(url: str, name: str, instance: DagsterInstance) -> None:
    before = _connections(url, name)
    assert before
    for number in range(20):
        instance.report_runless_asset_event(AssetMaterialization("shared", metadata={"number": number}))
    assert len(instance.fetch_materializations(AssetKey("shared"), limit=100).records) == 20
    assert before <= _connections(url, name)
    assert len(_connections(url, name)) <= 3 * POOL_SIZE


def test_connections_that_broke_are_replaced(url: str, name: str, instance: DagsterInstance) -> None:
    held = _connections(url, name)
    assert held
    for pid in held:
        _query(url, f"select pg_terminate_backend({pid}, 5000)")
    instance.report_runless_asset_event(AssetMaterialization("after"))
    assert instance.get_latest_materialization_event(WARM)
    assert instance.get_latest_materialization_event(AssetKey("after"))
    assert instance.get_runs() == []
    assert list(instance.all_instigator_state()) == []


def _connections(url: str, name: str) -> set[int]:
    """Return the server's processes for the connections of this name."""
    return {pid for (pid,) in _query(url, f"select pid from pg_stat_activity where application_name = '{name}'")}


def _query(url: str, statement: str) -> list[Any]:
    import psycopg2

    with closing(psycopg2.connect(url.replace("postgresql+psycopg2", "postgresql"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
