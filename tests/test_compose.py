"""The compose file builds every image as `just images` does."""

from pathlib import Path

import images
import yaml  # type: ignore[import-untyped]
from stages import ROOT


def test_every_image_is_built_from_its_dockerfile() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    built = {service["image"]: service["build"] for service in services.values() if "build" in service}
    labels = {name: f"${{IMAGE_{name}:-}}" for name in images.arguments()}
    assert built == {
        f"shop-elt/{name}:${{TAG:-latest}}": {
            "context": ".",
            "dockerfile": str(Path(folder) / "Dockerfile"),
            "args": labels,
        }
        for name, folder in images.FOLDERS.items()
    }


def test_stages_and_runs_get_every_variable_that_they_are_to_be_given() -> None:
    environment = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-dagster"]["environment"]
    settings = yaml.safe_load((ROOT / "orchestrator" / "container" / "dagster.yaml").read_text())
    assert sorted(settings["run_launcher"]["config"]["env_vars"]) == sorted(environment)
    bucket = yaml.safe_load((ROOT / "docker-compose.gcs.yml").read_text())["x-credentials"]
    assert {*environment["STAGE_ENVIRONMENT"].split(",")} <= {*environment}
    assert {*bucket["STAGE_ENVIRONMENT"].split(",")} <= {*environment, *bucket}
