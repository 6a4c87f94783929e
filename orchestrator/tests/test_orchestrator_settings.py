"""What a deployment's environment decides."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap, ResourceConfigEnvVarSnap

from orchestrator.definitions import build
from orchestrator.settings import Settings


def test_nothing_given_is_the_generators_shop_in_folders_below_the_current_one() -> None:
    found = Settings.of({"FIRST_DAY": "", "LANDING": "", "LAKE": "", "WAREHOUSE": ""})
    assert found.landing == "generator"
    assert found.days.get_first_partition_window().start == datetime(2025, 11, 1, tzinfo=UTC)  # type: ignore[union-attr]
    assert found.places.lake == str(Path(".data/lake").absolute())
    assert found.places.warehouse == str(Path(".data/warehouse/shop.duckdb").absolute())


def test_days_begin_with_the_first_day() -> None:
    days = Settings.of({"FIRST_DAY": "2024-02-29"}).days
    assert days.get_first_partition_key() == "2024-02-29"
    assert (days.timezone, days.cron_schedule) == ("UTC", "0 0 * * *")


@pytest.mark.parametrize("day", ["2025-02-30", "yesterday", "1.11.2025", "20251101", "2025-W44-6", "0001-01-01"])
def test_a_first_day_that_is_no_day_is_refused(day: str) -> None:
    with pytest.raises(
        dg.DagsterInvalidDefinitionError, match=rf"^FIRST_DAY='{day}' is no day .* write it as 2025-11-01$"
    ):
        Settings.of({"FIRST_DAY": day})


def test_an_unknown_landing_is_refused() -> None:
    with pytest.raises(
        dg.DagsterInvalidDefinitionError, match=r"^LANDING='extern' is unknown: `generator` .* `external`"
    ):
        Settings.of({"LANDING": "extern"})


def test_places_that_the_environment_names_are_shown_as_such() -> None:
    """The launchpad shows the names of the variables, which are read when a run begins."""
    definitions = build(Settings.of({"LAKE": "gs://shop", "LANDING": "external"}))
    resources = RepositorySnap.from_def(definitions.get_repository_def()).resources or ()
    shown = {one.name: one.configured_values for one in resources}
    assert shown["places"]["lake"] == ResourceConfigEnvVarSnap(name="LAKE")
    assert str(Path(".data/warehouse/shop.duckdb").absolute()) in str(shown["places"]["warehouse"])


@pytest.mark.parametrize(("launcher", "kind"), [("", "SubprocessLauncher"), ("docker", "DockerLauncher")])
def test_the_environment_names_the_launcher(launcher: str, kind: str) -> None:
    assert type(Settings.of({"LAUNCHER": launcher}).launcher).__name__ == kind


def test_a_docker_launcher_is_configured_by_the_environment() -> None:
    found = Settings.of(
        {
            "LAUNCHER": "docker",
            "STAGE_IMAGE": "registry/{stage}:1",
            "STAGE_VOLUMES": "warehouse:/warehouse, /some/folder:/other:ro",
            "STAGE_ENVIRONMENT": "STORAGE_EMULATOR_HOST",
            "STAGE_CPUS": "1.5",
        }
    ).launcher
    assert found.model_dump(exclude_defaults=True) == {
        "image": "registry/{stage}:1",
        "volumes": ["warehouse:/warehouse", "/some/folder:/other:ro"],
        "pass_environment": ["STORAGE_EMULATOR_HOST"],
        "cpus": 1.5,
    }


def test_an_unknown_launcher_is_refused() -> None:
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="LAUNCHER='kubernetes' is unknown: `subprocess` or"):
        Settings.of({"LAUNCHER": "kubernetes"})
