"""Where dbt writes in tests: never into the checkout, and one parse for all builds of a worker."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def dbt_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("dbt")
    return {
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "PYTHONPYCACHEPREFIX": str(folder / "pyc"),  # importing dbt takes seconds more where nothing is cached
        "PYTHONDONTWRITEBYTECODE": "",
    }
