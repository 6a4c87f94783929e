"""The manifest of the dbt project, which the assets are made of."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

Manifest = Mapping[str, Any]

_SECONDS = 300


def load(environment: Mapping[str, str]) -> Manifest:
    """Read the manifest. Raises dg.DagsterInvalidDefinitionError where there is none."""
    path = manifest_path(environment)
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise dg.DagsterInvalidDefinitionError(f"{path} is no manifest of a dbt project: {error}") from error
    return {**found, "child_map": _with_named_tests(found)}


def manifest_path(environment: Mapping[str, str]) -> Path:
    """Return the file that DBT_MANIFEST names, as an image does, else the one that `dbt-stage manifest` prints.

    Raises dg.DagsterInvalidDefinitionError, in words for people, where there is none.
    """
    if named := environment.get("DBT_MANIFEST"):
        if not Path(named).is_file():
            raise dg.DagsterInvalidDefinitionError(
                f"DBT_MANIFEST={named} is no file: let `dbt-stage manifest --dest {named}` write it"
            )
        return Path(named)
    command = "dbt-stage"
    found = shutil.which(command, path=os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")]))
    if found is None:
        raise dg.DagsterInvalidDefinitionError(
            f"the command {command} is not installed here, and DBT_MANIFEST names no file that it wrote elsewhere"
        )
    try:
        ended = subprocess.run(  # noqa: S603 - no shell, and the command is our own
            [found, "manifest"], env=dict(environment), capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise dg.DagsterInvalidDefinitionError(f"{command} manifest did not end within {_SECONDS} s") from error
    if ended.returncode != 0:
        raise dg.DagsterInvalidDefinitionError(
            ended.stderr.strip() or f"{command} manifest ended with exit code {ended.returncode}, without a word"
        )
    return Path(ended.stdout.strip())


def _with_named_tests(manifest: Manifest) -> dict[str, list[str]]:
    """Return the children of each node, tests also with the model that their `meta` names.

    dagster-dbt looks for a model's tests among its children, where a test of sources only is not.
    """
    children = {id_: list(found) for id_, found in manifest["child_map"].items()}
    models = {node["name"]: id_ for id_, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    for id_, node in manifest["nodes"].items():
        if node["resource_type"] == "test":
            named = node["config"].get("meta", {}).get("dagster", {}).get("ref", {}).get("name")
            if named in models and id_ not in children[models[named]]:
                children[models[named]].append(id_)
    return children
