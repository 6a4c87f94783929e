"""Where the dbt project is."""

import os
from collections.abc import Mapping
from pathlib import Path

from libs.errors import CallError

_BESIDE_THE_PACKAGE = Path(__file__).resolve().parents[2]


def find(argument: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the project: --project-dir, DBT_PROJECT_DIR, or the folder that the package stands in.

    Raises CallError where it holds no dbt_project.yml.
    """
    named = environment.get("DBT_PROJECT_DIR")
    project = argument or (Path(named) if named else _BESIDE_THE_PACKAGE)
    if not (project / "dbt_project.yml").is_file():
        raise CallError(f"{project} holds no dbt_project.yml: name the project with --project-dir or DBT_PROJECT_DIR")
    return project.resolve()
